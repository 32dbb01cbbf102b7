// See MachineModel.h. A phase takes a barrier, and what takes longer: to move its bytes at a share of the
// streaming rate, or to compute at a share of the peak. The shares are measured (bench/phases.py): Gemma 3
// 270M (Q8_0, Q5_0) and E2B (Q4_0), one row and steps of 256, on two cores with AMX, and with --march of
// less.
#include "runtime/MachineModel.h"

#include <algorithm>

namespace gemmac {

namespace {

struct Efficiency {
  std::string_view work, product; ///< product empty: whatever the products use
  bool manyRows;
  double ofReading, ofPeak;
  std::string_view peak; ///< the kind that ofPeak is of; empty: that of the products
};

/// The first that fits counts.
constexpr Efficiency kTable[] = {
    {"product", "", false, .90, .25, ""},          // bound by memory
    {"product", "bf16-tiles", true, .90, .33, ""}, // beside the tiles' products: unpacking weights, epilogues
    {"product", "int8", true, .90, .27, ""},
    {"product", "f32", true, .90, .40, ""},
    {"f32-product", "", false, .90, .25, "f32"},
    {"f32-product", "", true, .90, .40, "f32"}, // beside others: routers
    {"attention", "", false, .33, .25, "f32"},  // keys and values of a head group go through one core
    {"attention", "bf16-tiles", true, .90, .115, ""},
    {"attention", "", true, .90, .30, "f32"},
    {"rows", "", false, .75, .50, "f32"},
    {"rows", "", true, .75, .50, "f32"},
};

} // namespace

double Machine::peak(std::string_view kind) const {
  return kind == "f32" ? f32 : kind == "int8" ? int8 : kind == "bf16-tiles" ? tiles : 0;
}

void Machine::setPeak(std::string_view kind, double rate) {
  if (kind == "f32")
    f32 = rate;
  else if (kind == "int8")
    int8 = rate;
  else if (kind == "bf16-tiles")
    tiles = rate;
}

double predictSeconds(const Machine &machine, const PhaseWork &phase) {
  for (const Efficiency &e : kTable) {
    if (e.work != phase.work || e.manyRows != phase.manyRows ||
        (!e.product.empty() && e.product != phase.product))
      continue;
    const double peak = machine.peak(e.peak.empty() ? phase.product : e.peak);
    if (machine.readRate <= 0 || peak <= 0)
      return 0;
    const double busy = std::min(1.0, static_cast<double>(phase.tasks) / machine.workers);
    return machine.barrierSeconds +
           std::max(phase.bytes / (machine.readRate * e.ofReading), phase.flops / (peak * e.ofPeak)) / busy;
  }
  return 0;
}

} // namespace gemmac
