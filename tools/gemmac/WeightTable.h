// What became of a model's weights, for the user.
#pragma once

#include "codegen/WeightPack.h"

namespace llvm {
class raw_ostream;
}

namespace gemmac {

/// One line for each kind of change ("84 weights from BF16 to q4p16, 4.50 bits, error 7.2 %"); with `all`,
/// before that one line for each weight.
void printWeightReport(const WeightReport &report, bool all, llvm::raw_ostream &os);

} // namespace gemmac
