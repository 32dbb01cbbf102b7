// Whole commands of an executable, run as processes with the fake model behind them.
#pragma once

#include "FakeCudaModel.h"
#include "TestPayload.h"
#include "runtime/Commands.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gemmac::rt {

struct Outcome {
  int code; ///< exit code, or -signal
  std::string out, err;
};

class Exe : public testing::Test {
protected:
  void SetUp() override {
    test::writeFile(dir / "exe", test::makePayload("ELF", std::string(3000, 'w'), test::smallBlob()));
  }

  pid_t start(std::vector<std::string> args, const std::string &in, const std::string &out) {
    test::writeFile(dir / "in", in);
    const pid_t pid = fork();
    if (pid)
      return pid;
    const auto redirect = [](int fd, const std::string &path, int flags) {
      const int from = open(path.c_str(), flags, 0600);
      if (from < 0 || dup2(from, fd) < 0)
        _exit(99);
    };
    redirect(0, dir / "in", O_RDONLY);
    if (closedStdin)
      close(0);
    redirect(1, out, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(2, dir / "err", O_WRONLY | O_CREAT | O_TRUNC);
    args.insert(args.begin(), "exe");
    std::vector<const char *> argv;
    for (const std::string &a : args)
      argv.push_back(a.c_str());
    std::vector<GmModel> models;
    for (const std::string &target : others)
      models.push_back(test::fakeModel(target));
    models.push_back(cuda ? cuda->model : test::fakeModel(manifest));
    const int code =
        rtMain(static_cast<int>(argv.size()), argv.data(), {models.size(), models.data()}, dir / "exe");
    std::fflush(nullptr);
    _exit(code);
  }

  Outcome finish(pid_t pid, const std::string &out) {
    int status = 0;
    waitpid(pid, &status, 0);
    struct stat st;
    const bool regular = stat(out.c_str(), &st) == 0 && S_ISREG(st.st_mode);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), regular ? test::slurp(out) : "",
            test::slurp(dir / "err")};
  }

  Outcome run(std::vector<std::string> args, const std::string &in = "", std::string out = "") {
    out = out.empty() ? dir / "out" : out;
    return finish(start(std::move(args), in, out), out);
  }

  void expectFailure(const Outcome &r, int code, const std::string &mention) {
    EXPECT_EQ(r.code, code) << r.err;
    EXPECT_EQ(r.out, "");
    EXPECT_NE(r.err.find(mention), std::string::npos) << r.err;
    EXPECT_EQ(r.err.compare(0, 7, "error: "), 0) << r.err;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  }

  test::TempDir dir;
  std::string manifest = test::fakeManifest();
  std::unique_ptr<test::FakeCudaModel> cuda; ///< if there, it is the program
  bool closedStdin = false;
  std::vector<std::string> others; ///< manifests of more capable targets, in front of it
};

} // namespace gemmac::rt
