// What fakecuda/FakeCuda.cpp is told, and what it wrote down, for one test.
#pragma once

#include "TestPayload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

namespace gemmac::test {

class FakeGpu {
public:
  FakeGpu() {
    forget();
    set("FAKE_CUDA_LOG", dir_ / "log");
  }
  FakeGpu(const FakeGpu &) = delete;
  ~FakeGpu() {
    for (const std::string &name : names_)
      unsetenv(name.c_str());
    for (const std::string &line : log())
      EXPECT_NE(line.compare(0, 10, "violation:"), 0) << line;
  }

  /// From now on, also for processes that are started.
  void set(const std::string &name, const std::string &value) {
    names_.insert(name);
    setenv(name.c_str(), value.c_str(), 1);
  }

  std::vector<std::string> log() const {
    std::istringstream text(slurp(dir_ / "log"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);)
      lines.push_back(line);
    return lines;
  }
  /// The lines that begin so.
  std::vector<std::string> log(const std::string &start) const {
    std::vector<std::string> lines = log();
    std::erase_if(lines, [&](const std::string &line) { return line.compare(0, start.size(), start) != 0; });
    return lines;
  }
  void forget() const { writeFile(dir_ / "log", ""); }

private:
  TempDir dir_;
  std::set<std::string> names_;
};

} // namespace gemmac::test
