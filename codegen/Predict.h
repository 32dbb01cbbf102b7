// What each phase should take on a machine: from the cost pass's bytes and operations and the model of
// runtime/MachineModel.
#pragma once

#include "codegen/Target.h"
#include "dialect/step/Step.h"
#include "runtime/MachineModel.h"

#include <string>

namespace gemmac {

/// What a phase's time goes to: "product", "f32-product" (of f32 or bf16 activations, which f32 computes),
/// "attention", or "rows" for everything else row by row.
const char *workOf(step::PhaseOp phase);

/// Two cores of the target's kind, 3 GHz, with 25 GB/s: to compare phases where nothing was measured.
Machine nominalMachine(const Target &target);
/// The machine that `EXE bench --phases -o json` measured, from that output. Fails with exit code 1, also
/// where a rate is 0; that of tiles may be unless the code has some (`tiles`).
llvm::Expected<Machine> readMachine(llvm::StringRef path, bool tiles);
/// Seconds that a step of all rows of `entry` takes with full caches; 0 where the program has no such entry.
double predictedSeconds(step::ProgramOp program, llvm::StringRef entry, const Target &target,
                        const std::string &compute, const Machine &machine);
/// Notes on each phase, as step.predicted_us, what a step of all its rows takes with full caches, and on the
/// program the machine. `compute` as in the manifest.
void notePredictions(step::ProgramOp program, const Target &target, const std::string &compute,
                     const Machine &machine);

} // namespace gemmac
