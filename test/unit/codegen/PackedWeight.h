// Random weights in every packed layout, written here from the description of the layouts and not with the
// compiler's packer, together with the values that they stand for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gemmac::test {

struct PackedWeight {
  std::string format;
  int64_t n, k, experts;
  std::vector<char> bytes;
  std::vector<double> values; ///< [experts][n][k], as the layout stores them

  /// "FORMAT {n = .., k = .., tile = .." for TestProgram::weight.
  std::string fields(int64_t tile) const;
  double at(int64_t expert, int64_t row, int64_t column) const {
    return values[static_cast<size_t>((expert * n + row) * k + column)];
  }
};

PackedWeight randomWeight(const std::string &format, int64_t n, int64_t k, unsigned seed,
                          int64_t experts = 1);

/// x as a product reads it: "f32", "bf16" or "i8" (rounded to 127 steps per 32 elements).
std::vector<double> activationValues(const std::vector<float> &x, const std::string &act);
/// Columns of the packed buffer: elements of f32, or bytes.
int64_t activationColumns(int64_t k, const std::string &act);

} // namespace gemmac::test
