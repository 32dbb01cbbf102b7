// Small step programs, written as text, compiled and run in this process: buffers get offsets one behind the
// other, weights come packed from PackedWeight, workers are threads with a barrier like the runtime's.
#pragma once

#include "runtime/Abi.h"

#include "gtest/gtest.h"

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace gemmac::test {

/// Targets of this test that the machine can run.
std::vector<std::string> runnableTargets();
/// `text` as the name of a test, which has letters, digits and underscores only.
std::string testName(std::string text);
inline std::string targetName(const testing::TestParamInfo<std::string> &info) {
  return testName(info.param);
}
/// The target with a matrix unit, and whether the machine has one: the kernel lends the tile registers to
/// whoever asks.
constexpr const char *kTilesTarget = "sapphirerapids";
bool haveTiles();

/// Where a buffer lies; `name` is its SSA value, `type` its type, for the text of phases.
struct Buffer {
  std::string name, type;
  int64_t offset = 0, rows = 0, columns = 0;
  std::string use() const { return name + " : " + type; }
};

struct Options {
  int64_t context = 64, rows = 1;
  bool manyRows() const { return rows > 1; }
};

class TestProgram {
public:
  explicit TestProgram(Options options) : options(options) {}

  /// A buffer of the entry; element "f32", "i8" or "i32".
  Buffer buffer(const std::string &name, int64_t rows, int64_t columns, const std::string &element = "f32",
                bool isPrivate = false);
  Buffer tile(const std::string &name, const Buffer &of, int64_t offset, int64_t stride, int64_t width);
  /// A weight symbol with its packed bytes; `fields` = "FORMAT {n = .., k = .., tile = ..".
  void weight(const std::string &name, const std::string &fields, const std::vector<char> &bytes);
  void vec(const std::string &name, const std::vector<float> &values);
  /// A cache symbol; its halves are returned as buffers that data() can address.
  std::pair<Buffer, Buffer> cache(const std::string &name, int64_t heads, int64_t headDim, int64_t window,
                                  int64_t slots, const std::string &type);
  /// One phase: text after "step.phase "; a barrier goes in between.
  void phase(const std::string &text);
  /// A line before the next phase's barrier.
  void line(const std::string &text) { body += "    " + text + "\n"; }

  /// Another entry, whole, in front of this one; it is compiled and not run.
  void precede(const std::string &entry) { others += entry; }
  /// The text of the module.
  std::string text() const;
  /// Compiles for `target`; the program can be run after it.
  void compile(const std::string &target, unsigned level = 2);
  /// Runs the entry with `workers` threads on a fresh copy of the arena's initial contents; `rows` live rows
  /// from position `first` on, tokens as given.
  void run(int64_t rows, int workers, int64_t first = 0, std::vector<int32_t> tokens = {});

  template <typename T> T *data(const Buffer &b) { return reinterpret_cast<T *>(arena.data() + b.offset); }
  float *f32(const Buffer &b) { return data<float>(b); }
  /// Fills a buffer of f32 with reproducible values in [-scale, scale].
  std::vector<float> fill(const Buffer &b, float scale = 1);
  std::string arenaBytes() const { return std::string(arena.data(), arena.data() + arenaSize); }

private:
  struct Aligned {
    void allocate(size_t n) {
      bytes.reset(new char[n + 64]());
      start = bytes.get() + (64 - reinterpret_cast<uintptr_t>(bytes.get()) % 64) % 64;
      size = n;
    }
    char *data() { return start; }
    const char *data() const { return start; }
    std::unique_ptr<char[]> bytes;
    char *start = nullptr;
    size_t size = 0;
  };
  struct Code;

  Options options;
  std::string symbols, others, buffers, body;
  int64_t arenaSize = 0, scratchSize = 0, phases = 0;
  std::vector<char> weights;
  std::mt19937 random{1};
  std::shared_ptr<Code> code;
  Aligned packed;

  void ensureArena();

public:
  Aligned arena;
};

/// "%name : type" pairs of an op: operands, then their types.
std::string operands(const std::vector<Buffer> &buffers, const std::string &attributes = "",
                     const std::string &symbols = "");

/// n values as a cache of `type` holds them.
std::vector<double> held(const float *x, int64_t n, const std::string &type);

/// |x - y| <= bound * max(1, |y|) on each element.
void expectClose(const float *x, const std::vector<double> &y, double bound, const std::string &what);

} // namespace gemmac::test
