// Whole commands, as processes: answers on stdout, exit codes, and what happens when the world goes away.
#include "Exe.h"
#include "runtime/Failure.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gemmac::rt {
namespace {

using nlohmann::json;
using test::slurp;
using test::writeFile;

TEST_F(Exe, runAnswersOnStdoutOnly) {
  const Outcome ids = run({"--ids", "2,500", "-n", "12", "--temp", "0", "--ignore-eos", "--print-ids"});
  EXPECT_EQ(ids.code, 0) << ids.err;
  const json list = json::parse(ids.out);
  EXPECT_EQ(list.size(), 12u);
  EXPECT_NE(ids.err.find("tokens/s"), std::string::npos);
  const Outcome text = run({"run", "--ids", "2,500", "-n", "12", "--temp", "0", "--ignore-eos", "--no-perf"});
  EXPECT_EQ(text.out, Tokenizer(test::smallBlob()).decode(list.get<std::vector<int32_t>>()));
  EXPECT_EQ(text.err, "");
}

TEST_F(Exe, sameSeedSameAnswerForAnyWorkers) {
  const std::vector<std::string> base{"-p", "In the beginning", "-n", "20", "--seed",
                                      "5",  "--print-ids",      "-t"};
  const auto with = [&](const char *t) {
    std::vector<std::string> args = base;
    args.push_back(t);
    return run(args).out;
  };
  const std::string one = with("1");
  EXPECT_EQ(one, with("2"));
  EXPECT_EQ(one, with("7"));
}

TEST_F(Exe, textComesFromFlagFileOrStdinWithBosOnce) {
  const std::vector<std::string> tail{"-n", "5", "--temp", "0", "--print-ids", "--ignore-eos"};
  const auto answer = [&](std::vector<std::string> args, const std::string &in = "") {
    args.insert(args.end(), tail.begin(), tail.end());
    const Outcome r = run(args, in);
    EXPECT_EQ(r.code, 0) << r.err;
    return r.out;
  };
  writeFile(dir / "prompt", "the LORD");
  const std::string want = answer({"-p", "the LORD"});
  EXPECT_EQ(answer({"-p", "<bos>the LORD"}), want);
  EXPECT_EQ(answer({"-f", dir / "prompt", "--raw"}), want);
  EXPECT_EQ(answer({"-"}, "the LORD"), want);
  EXPECT_NE(answer({"-p", "the Lord"}), want);
  EXPECT_NE(run({"-p", "x", "-n", "1"}).err.find("no chat template"), std::string::npos);
  EXPECT_EQ(run({"-p", "x", "-n", "1", "--raw", "--no-perf"}).err, "");
}

TEST_F(Exe, whatNeedsATemplateIsRefusedWithoutOne) {
  expectFailure(run({"render"}, "{}"), 2, "no chat template; compile it with --chat-template=FILE");
  expectFailure(run({"chat"}, "hi\n"), 2, "no chat template");
  expectFailure(run({"-p", "hi", "--system", "x"}), 2,
                "--system needs the chat template, which this checkpoint lacks");
  expectFailure(run({"-p", "hi", "--think", "on"}), 2, "--think needs the chat template");
  expectFailure(run({"-p", "hi", "--think", "maybe"}), 2, "--think: found 'maybe', expected on or off");
  manifest = test::fakeManifest(R"({"has_template": true})");
  expectFailure(run({"-p", "hi"}), 3, "section 'template' is missing");
  expectFailure(run({"-p", "hi", "--raw", "--system", "x"}), 2, "which --raw and --ids leave out");
  expectFailure(run({"logits", "-p", "hi", "-o", dir / "x.npy"}), 2, "--raw");
  EXPECT_EQ(run({"-p", "hi", "--raw", "-n", "2"}).code, 0);
  EXPECT_EQ(run({"--ids", "2", "-n", "2"}).code, 0);
}

TEST_F(Exe, badInputIsExit1) {
  expectFailure(run({"--ids", "2,2048"}), 1, "2048 is not in the vocabulary, expected 0..2047");
  expectFailure(run({"-f", dir / "absent"}), 1, "absent");
  expectFailure(run({"-f", dir.path}), 1, "Is a directory");
  expectFailure(run({"-p", std::string(2000, 'x'), "--raw"}), 1, "the context holds 200");
  expectFailure(run({"--ids", "2,3,4", "-c", "2"}), 1, "raise -c");
  expectFailure(run({"perplexity", "-f", dir / "absent"}), 2, "compiled for 200");
  writeFile(dir / "short", "a b c");
  expectFailure(run({"perplexity", "-f", dir / "short", "--ctx", "64"}), 1, "at least one window of 64");
  expectFailure(run({"bench", "-p", "512"}), 1, "context of 200");
  expectFailure(run({"-f", "/dev/zero"}), 1, "more than");
}

TEST_F(Exe, outputsSpareInputsAndLinks) {
  expectFailure(run({"logits", "--ids", "2", "-o", dir / "no/such/x.npy"}), 3, "x.npy");
  expectFailure(run({"logits", "--ids", "2", "-o", "/proc/self/exe"}), 2, "this executable");
  writeFile(dir / "prompt", "a b c");
  ASSERT_EQ(symlink("prompt", (dir / "alias").c_str()), 0);
  expectFailure(run({"logits", "-f", dir / "prompt", "--raw", "-o", dir / "alias"}), 2, "the file of -f");
  EXPECT_EQ(slurp(dir / "prompt"), "a b c");
  ASSERT_EQ(symlink("real.npy", (dir / "link").c_str()), 0);
  EXPECT_EQ(run({"logits", "--ids", "2", "-o", dir / "link"}).code, 0);
  struct stat st;
  ASSERT_EQ(lstat((dir / "link").c_str(), &st), 0);
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  EXPECT_GT(slurp(dir / "real.npy").size(), 2048u * 4);
  EXPECT_EQ(run({"logits", "--ids", "2", "-o", dir / std::string(255, 'n')}).code, 0);
  expectFailure(run({"logits", "--ids", "2", "-o", dir / std::string(256, 'n')}), 3, "name too long");
}

TEST_F(Exe, wrongUseIsExit2) {
  expectFailure(run({"-p", "a", "-t", "0"}), 2, "--threads");
  expectFailure(run({"-p", "a", "-c", "201"}), 2, "--context=201");
  expectFailure(run({"--ids", "2", "-t", std::to_string(thisMachine().cpus.size() + 1), "--pin=on"}), 2,
                "--pin=on: found ");
  expectFailure(run({"serve"}), 2, "'serve' is not supported yet");
}

TEST_F(Exe, whatTheMachineLacksIsExit3) {
  manifest = test::fakeManifest(R"({"features": ["sse2", "avx99"]})");
  expectFailure(run({"-p", "a"}), 3, "avx99");
  EXPECT_NE(run({"info"}).out.find("lacks avx99"), std::string::npos) << "info works anywhere";
  manifest = test::fakeManifest(R"({"arena_bytes": 70000000000000})");
  expectFailure(run({"--ids", "2"}), 3, "70000000000000");
  manifest = test::fakeManifest();
  writeFile(dir / "exe", slurp(dir / "exe").substr(0, 2200000));
  expectFailure(run({"--ids", "2"}), 3, "truncated");
}

TEST_F(Exe, logitsAreWrittenWholeOrNotAtAll) {
  ASSERT_EQ(run({"logits", "--ids", "2,9,17", "-o", dir / "x.npy"}).code, 0);
  std::string data = slurp(dir / "x.npy");
  EXPECT_NE(data.find("'shape': (2048,)"), std::string::npos);
  const std::vector<float> want = test::fakeLogits({2, 9, 17});
  EXPECT_EQ(data.substr(data.size() - 2048 * 4),
            std::string(reinterpret_cast<const char *>(want.data()), 2048 * 4));
  ASSERT_EQ(run({"logits", "--ids", "2,9,17", "--all", "-o", dir / "x.npy"}).code, 0);
  data = slurp(dir / "x.npy");
  EXPECT_NE(data.find("'shape': (3, 2048)"), std::string::npos);
  EXPECT_EQ(data.substr(data.size() - 2048 * 4),
            std::string(reinterpret_cast<const char *>(want.data()), 2048 * 4));
  expectFailure(run({"logits", "--ids", "2", "-o", "/dev/full"}), 3, "No space left");
}

TEST_F(Exe, tokenizeSpeaksJsonLines) {
  const Outcome r = run({"tokenize"}, "{\"text\": \"a<bos>\"}\n\n{\"text\": \"\"}\n");
  EXPECT_EQ(r.out, "{\"ids\":[1926,2]}\n{\"ids\":[]}\n");
  EXPECT_EQ(r.code, 0);
  EXPECT_EQ(run({"detokenize"}, R"({"ids": [1926, 2, 493]})").out, "{\"text\":\"a<bos>\xEF\xBF\xBD\"}\n");
  expectFailure(run({"tokenize"}, "{\"text\": 5}\n"), 1, "stdin line 1");
  expectFailure(run({"tokenize"}, "nonsense"), 1, "stdin line 1: not JSON");
  expectFailure(run({"tokenize"}, std::string(200000, '[')), 1, "stdin line 1");
  expectFailure(run({"detokenize"}, "{\"ids\": [2048]}\n"), 1, "found id 2048, expected 0..2047");
  expectFailure(
      run({"detokenize"}, "{\"ids\": [" + std::string(100000, '[') + std::string(100000, ']') + "]}\n"), 1,
      "found an id of type array");
  expectFailure(run({"tokenize"}, std::string((64 << 20) + 1, ' ')), 1, "a line of more than");
  expectFailure(run({"detokenize"}, "{\"ids\": [1e99, -3]}\n"), 1, "stdin line 1");
}

TEST_F(Exe, infoAndVerify) {
  const json j = json::parse(run({"info", "--json"}).out);
  EXPECT_EQ(j["name"], "fake");
  EXPECT_EQ(j["sections"].size(), 2u);
  EXPECT_TRUE(j["huge_page_share"].is_number());
  const std::string text = run({"info"}).out;
  for (const char *word :
       {"fake", "fusions: norm", "2 MiB pages", "oldest glibc: 2.34", "cache layers.0", "workers: "})
    EXPECT_NE(text.find(word), std::string::npos) << word;
  EXPECT_EQ(run({"verify"}).out.compare(0, 3, "ok:"), 0);
  std::string bad = slurp(dir / "exe");
  bad[(2 << 20) + 5] ^= 1;
  writeFile(dir / "exe", bad);
  expectFailure(run({"verify"}), 3, "'weights'");
  EXPECT_NE(run({"--version"}).out.find("gemmac 0.1.0"), std::string::npos);
}

TEST_F(Exe, perplexityEndsWithTheNumber) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "And the LORD spake unto Moses, saying. ";
  writeFile(dir / "text", text);
  const Outcome r = run({"perplexity", "-f", dir / "text", "--ctx", "64", "--chunks", "3", "-t", "2"});
  EXPECT_EQ(r.code, 0) << r.err;
  ASSERT_EQ(r.out.compare(0, 11, "perplexity "), 0);
  EXPECT_GT(std::stod(r.out.substr(11)), 1000) << "hashes know nothing of language";
}

TEST_F(Exe, benchPrintsLlamaBenchsFields) {
  const Outcome r = run({"bench", "-p", "32", "-n", "8", "-d", "0,16", "-r", "3", "-o", "json", "-t", "2"});
  ASSERT_EQ(r.code, 0) << r.err;
  const json rows = json::parse(r.out);
  ASSERT_EQ(rows.size(), 4u);
  for (const char *field :
       {"n_prompt", "n_gen", "n_depth", "avg_ts", "stddev_ts", "samples_ts", "avg_ns", "compute", "kv",
        "march", "huge_page_share", "n_threads", "model_size", "time_to_first_token_ms", "peak_rss_bytes"})
    EXPECT_TRUE(rows[0].contains(field)) << field;
  EXPECT_EQ(rows[0]["samples_ts"].size(), 3u);
  EXPECT_EQ(rows[3]["n_depth"], 16);
  EXPECT_EQ(rows[1]["peak_kind"], "f32");
  EXPECT_GT(rows[1]["peak_flops_per_s"], 0);
  // 8 tokens: of 16 positions they see 1 to 8, 4.5 in the mean.
  const double rate = rows[1]["avg_ts"];
  EXPECT_NEAR(rows[1]["moved_bytes_per_s"], rate * (1000 + 2000 * 4.5 / 16), rate);
  EXPECT_NEAR(rows[1]["peak_share"], rate * (1 + 2 * 4.5 / 16) / rows[1]["peak_flops_per_s"].get<double>(),
              1e-9);
  EXPECT_NEAR(rows[3]["flops_per_s"], rows[3]["avg_ts"].get<double>() * 3, 1e-3) << "the window is full";
  const std::string md = run({"bench", "-p", "32", "-n", "8", "-r", "2"}).out;
  for (const char *word : {"| model ", " pp32 |", "tg8", "time to first token", "anonymous", "2 MiB pages",
                           "% of reading", "% of peak", "f32 peak:"})
    EXPECT_NE(md.find(word), std::string::npos) << word << "\n" << md;
  const std::string csv = run({"bench", "-p", "32", "-n", "0", "-r", "2", "-o", "csv"}).out;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 2);
  const json phases = json::parse(run({"bench", "--phases", "-n", "5", "-o", "json"}).out);
  EXPECT_EQ(phases["kinds"][0]["name"], "state");
}

TEST_F(Exe, fullAndClosedStdout) {
  EXPECT_EQ(run({"--ids", "2", "-n", "3", "--no-perf"}, "", "/dev/full").code, 3);
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  close(fds[0]);
  const Outcome r =
      run({"--ids", "2", "-n", "3", "--no-perf"}, "", "/proc/self/fd/" + std::to_string(fds[1]));
  close(fds[1]);
  EXPECT_NE(r.code, 0);
  EXPECT_EQ(r.err, "");
}

TEST_F(Exe, closedStdinIsNoEmptyInput) {
  closedStdin = true;
  expectFailure(run({"-", "--raw", "-n", "1"}), 1, "cannot read stdin: Bad file descriptor");
  expectFailure(run({"tokenize"}), 1, "cannot read stdin: Bad file descriptor");
  EXPECT_EQ(run({"--ids", "2", "-n", "1"}).code, 0) << "needs none";
}

TEST_F(Exe, firstInterruptEndsCleanly) {
  test::fakeDelayMs = 50; // 200 steps: ten seconds, if nobody stops it
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int keep = open(fifo.c_str(), O_RDWR);
  const pid_t pid = start({"--ids", "2", "--ignore-eos", "-t", "1"}, "", fifo);
  test::fakeDelayMs = 0;
  char byte;
  ASSERT_EQ(read(keep, &byte, 1), 1) << "it has begun to write";
  kill(pid, SIGINT);
  const Outcome r = finish(pid, fifo);
  close(keep);
  EXPECT_EQ(r.code, 130) << r.err;
  EXPECT_NE(r.err.find("(interrupt)"), std::string::npos) << "the summary comes all the same: " << r.err;
}

TEST_F(Exe, secondInterruptKills) {
  test::fakeDelayMs = 5000;
  const pid_t pid = start({"--ids", "2", "-t", "1"}, "", dir / "out");
  test::fakeDelayMs = 0;
  for (int i = 0; i < 300; ++i) { // the handler is there once the signal does not kill
    usleep(10000);
    int status = 0;
    kill(pid, i < 50 ? 0 : SIGINT);
    if (waitpid(pid, &status, WNOHANG) == pid) {
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
      return;
    }
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  FAIL() << "it went on";
}

/// The real thing: linked as gemmac links, payload behind its own ELF, run while its file is gone.
TEST(Linked, executableRunsFromItsOwnFile) {
  test::TempDir dir;
  const std::string exe = dir / "model", out = dir / "out";
  writeFile(exe, test::makePayload(slurp(GEMMAC_FAKE), std::string(3 << 20, 'w'), test::smallBlob()));
  chmod(exe.c_str(), 0755);
  EXPECT_EQ(std::system((exe + " --ids 2 -n 4 --temp 0 --ignore-eos --print-ids --no-perf > " + out).c_str()),
            0);
  EXPECT_EQ(json::parse(slurp(out)).size(), 4u);
  EXPECT_EQ(std::system((exe + " verify > /dev/null && " + exe + " info > " + out).c_str()), 0);
  EXPECT_EQ(WEXITSTATUS(std::system((std::string(GEMMAC_FAKE) + " --ids 2 2> " + out).c_str())), 3)
      << "no payload";
  EXPECT_NE(slurp(out).find("no weights at its end"), std::string::npos);
}

} // namespace
} // namespace gemmac::rt
