// Functions that do nothing but compute or read, for `bench` to measure what this machine can do at most: as
// many independent dot products at a time as keep its units busy, on operands in the first cache; and the
// weights from end to end.
#pragma once

#include "codegen/Target.h"

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <string>
#include <vector>

namespace gemmac {

/// One kind of arithmetic that a target's products use. `step->rows` of `symbol` (a GmEntry) is how often its
/// loop runs; operands and results are the first GM_PEAK_BYTES of `step->scratch`.
struct Peak {
  std::string kind;   ///< "f32", "int8", "bf16-tiles"
  std::string symbol; ///< "gm_peak_<kind>"
  int64_t flops;      ///< of one run of the loop: a multiplication and an addition are two
};

/// Adds up the words of the weights (GmModel.stream).
constexpr const char *kStreamSymbol = "gm_stream";

/// Those of the target, at most GM_PEAKS, slowest first.
std::vector<Peak> peaksOf(const Target &target);
/// The kind that products of many rows use at `compute` (f32, bf16, int8), and that of a single row.
std::string productKind(const Target &target, const std::string &compute, bool manyRows);
/// Appends the functions of peaksOf(), and kStreamSymbol; the suffix is emitCpu()'s.
void emitPeaks(mlir::ModuleOp dst, const Target &target, llvm::StringRef suffix = "");

} // namespace gemmac
