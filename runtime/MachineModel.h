// What a phase should take: from its bytes and operations, and from what a machine reads and computes at
// most. Shared by compiler (--emit=step) and runtime (bench --phases); a model described by data, see
// MachineModel.cpp.
#pragma once

#include <cstdint>
#include <string_view>

namespace gemmac {

/// Rates of all workers together. A rate of 0 is not known.
struct Machine {
  double readRate = 0; ///< bytes per second that stream from memory
  double f32 = 0, int8 = 0,
         tiles = 0; ///< operations per second at most; a multiplication and an addition are two
  double barrierSeconds = 0;
  int workers = 1;

  /// The rate of the manifest's kinds "f32", "int8", "bf16-tiles"; 0 for others.
  double peak(std::string_view kind) const;
  void setPeak(std::string_view kind, double rate);
};

struct PhaseWork {
  std::string_view work;    ///< the manifest's phase_work: "product", "f32-product", "attention", "rows"
  std::string_view product; ///< kind of arithmetic that products of so many rows use
  bool manyRows = false;    ///< a step of a prompt
  double bytes = 0, flops = 0;
  int64_t tasks = 1;
};

/// Seconds; 0 if a rate that it needs is not known.
double predictSeconds(const Machine &machine, const PhaseWork &phase);

} // namespace gemmac
