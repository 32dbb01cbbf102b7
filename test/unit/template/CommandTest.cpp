// Commands of an executable with a chat template, as processes: what is rendered, tokenized, kept and shown.
#include "../runtime/Exe.h"
#include "TemplateTest.h"
#include "runtime/UnicodeSpace.h"

#include <csignal>

namespace gemmac::rt {
namespace {

class ChatExe : public Exe {
protected:
  void SetUp() override { useTemplate("e2b-tiny"); }
  void useTemplate(const std::string &model) {
    const std::string text = test::slurp(GEMMAC_TEST_INPUTS "/goldens/" + model + "/chat_template.jinja");
    useText(text);
  }
  void useText(const std::string &text) {
    test::writeFile(dir / "exe", test::makePayload("ELF", std::string(3000, 'w'), test::smallBlob(),
                                                   test::programOf(text)));
    manifest = test::fakeManifest(R"({"has_template": true, "context": 500, "eos": [1, 50, 106]})");
  }
  /// The answer to the ids that `prompt` becomes, as --print-ids prints it.
  std::string answerTo(const std::string &prompt) {
    return run({"-p", prompt, "--raw", "-n", "6", "--temp", "0", "--ignore-eos", "--print-ids"}).out;
  }
  const std::vector<std::string> tail{"-n", "6", "--temp", "0", "--ignore-eos", "--print-ids"};
  Outcome ask(std::vector<std::string> args, const std::string &in = "") {
    args.insert(args.end(), tail.begin(), tail.end());
    return run(args, in);
  }
};

TEST_F(ChatExe, renderWritesThePromptAndNothingElse) {
  const Outcome r =
      run({"render"}, R"({"messages": [{"role": "user", "content": " Hé "}], "tools": [], "options": {}})");
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, "<bos><|turn>user\nHé<turn|>\n<|turn>model\n");
  EXPECT_EQ(r.err, "");
  expectFailure(run({"render"}, "nonsense"), 1, "stdin: not JSON");
  expectFailure(run({"render"}, "{}"), 1, "messages: missing");
  expectFailure(run({"render"}, R"({"messages": [{"content": 5}]})"), 1, "line ");
  useText("{{ raise_exception('roles must alternate') }}");
  expectFailure(run({"render"}, R"({"messages": []})"), 1,
                "the chat template refuses this: roles must alternate");
}

TEST_F(ChatExe, promptsAreConversations) {
  const std::string want = answerTo("<bos><|turn>user\nIn the beginning<turn|>\n<|turn>model\n");
  ASSERT_NE(want, answerTo("In the beginning"));
  EXPECT_EQ(ask({"-p", "In the beginning"}).out, want);
  EXPECT_EQ(ask({"-"}, "In the beginning").out, want);
  EXPECT_EQ(ask({"-p", "In the beginning", "--think", "off"}).out, want);
  const std::string think =
      "<bos><|turn>system\n<|think|>\nBe brief.<turn|>\n<|turn>user\nHi<turn|>\n<|turn>model\n";
  EXPECT_EQ(ask({"-p", "Hi", "--think", "on", "--system", "Be brief."}).out, answerTo(think));
  useTemplate("a4b-tiny"); // a large model's prompt closes an empty thought
  EXPECT_EQ(ask({"-p", "Hi"}).out,
            answerTo("<bos><|turn>user\nHi<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"));
}

TEST_F(ChatExe, oneBosHoweverTheTemplateHasIt) {
  useText("{{ messages[0].content }}");
  EXPECT_EQ(ask({"-p", "Hi"}).out, answerTo("<bos>Hi"));
  useText("{{ bos_token }}{{ messages[0].content }}");
  EXPECT_EQ(ask({"-p", "Hi"}).out, answerTo("<bos>Hi"));
}

TEST_F(ChatExe, wrongUse) {
  expectFailure(ask({"-p", "Hi", "--raw", "--think", "on"}), 2,
                "--think needs the chat template, which --raw and --ids leave out");
  expectFailure(ask({"-p", "\xFF"}), 1, "not UTF-8");
  useTemplate("gemma3-tiny");
  expectFailure(ask({"-p", "Hi", "--think", "on"}), 2, "knows no thinking");
  EXPECT_EQ(ask({"-p", "Hi", "--think", "off"}).code, 0);
}

TEST_F(ChatExe, damagedTemplatesAreExit3) {
  std::string program = test::programOf("{{ messages }}");
  program[0] ^= 1;
  test::writeFile(dir / "exe", test::makePayload("ELF", std::string(3000, 'w'), test::smallBlob(), program));
  expectFailure(ask({"-p", "Hi"}), 3, "template: wrong magic");
  expectFailure(run({"verify"}), 3, "template: wrong magic");
}

TEST_F(ChatExe, infoSaysSo) {
  EXPECT_NE(run({"info"}).out.find("template: yes"), std::string::npos);
  EXPECT_EQ(run({"verify"}).code, 0);
}

/// Each answer is what the whole conversation gives when it is computed anew.
TEST_F(ChatExe, chatKeepsItsHistory) {
  const std::vector<std::string> tail{"-n", "5", "--temp", "0", "--no-perf"};
  const auto chat = [&](const std::string &in, std::vector<std::string> args = {}) {
    args.insert(args.begin(), "chat");
    args.insert(args.end(), tail.begin(), tail.end());
    return run(args, in);
  };
  const auto once = [&](const std::string &prompt) {
    std::vector<std::string> args{"-p", prompt, "--raw"};
    args.insert(args.end(), tail.begin(), tail.end());
    return run(args).out;
  };
  const Outcome first = chat("Hi\n");
  EXPECT_EQ(first.code, 0) << first.err;
  const std::string one = "<bos><|turn>user\nHi<turn|>\n<|turn>model\n", a = once(one);
  EXPECT_EQ(first.out, a + "\n");
  const auto trimmed = [](std::string s) { return std::string(gemmac::trimLeft(gemmac::trimRight(s))); };
  const std::string b = once(one + trimmed(a) + "<turn|>\n<|turn>user\nAnd?<turn|>\n<|turn>model\n");
  EXPECT_EQ(chat("Hi\nAnd?\n").out, a + "\n" + b + "\n");
  EXPECT_EQ(chat("Hi\n\nAnd?\n/exit\nHi\n").out, a + "\n" + b + "\n");
  EXPECT_EQ(chat("And?\n/reset\nHi\n/reset\nHi\r\nAnd?")
                .out.substr(once("<bos><|turn>user\nAnd?<turn|>\n<|turn>model\n").size() + 1),
            a + "\n" + a + "\n" + b + "\n");
  EXPECT_EQ(chat("Hi\n", {"--system", "S"}).out,
            once("<bos><|turn>system\nS<turn|>\n<|turn>user\nHi<turn|>\n<|turn>model\n") + "\n");
  EXPECT_EQ(chat("").out, "");
}

TEST_F(ChatExe, chatOutlivesBadLines) {
  const Outcome r =
      run({"chat", "-n", "2", "--temp", "0", "-c", "60"}, std::string(500, 'x') + "\n\xFF\nHi\n");
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, run({"chat", "-n", "2", "--temp", "0", "-c", "60"}, "Hi\n").out);
  EXPECT_NE(r.err.find("the context holds 60"), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("not UTF-8"), std::string::npos) << r.err;
}

TEST_F(ChatExe, interruptStopsOnlyTheAnswer) {
  test::fakeDelayMs = 30;
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int keep = open(fifo.c_str(), O_RDWR);
  const pid_t pid = start({"chat", "--ignore-eos", "-t", "1", "-n", "100"}, "Hi\nAgain\n", fifo);
  test::fakeDelayMs = 0;
  char byte;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(read(keep, &byte, 1), 1);
    kill(pid, SIGINT);
    usleep(200000); // the next line's answer has begun
    while (fcntl(keep, F_SETFL, O_NONBLOCK), i == 0 && read(keep, &byte, 1) == 1)
      ;
    fcntl(keep, F_SETFL, 0);
  }
  const Outcome r = finish(pid, fifo);
  close(keep);
  EXPECT_EQ(r.code, 0) << r.err << " both answers were stopped, then stdin ended";
}

} // namespace
} // namespace gemmac::rt
