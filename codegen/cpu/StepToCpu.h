// planned step -> a module of func, scf, arith and LLVM dialect operations for one CPU: per entry point a
// straight line of calls, per distinct phase one function, per kind of product one kernel. Every worker calls
// an entry with its own GmStep (runtime/Abi.h); tasks are claimed from a counter, so that no result depends
// on how many workers there are.
#pragma once

#include "codegen/Target.h"
#include "dialect/step/Step.h"

#include "mlir/IR/BuiltinOps.h"

namespace gemmac {

/// Appends the code of `program` to `dst`: functions gm_entry_<name><suffix>(GmStep *), the only ones that
/// are visible; the suffix tells those of several targets apart that are linked together. The program must
/// have its memory plan. Fails, with a diagnostic, on what the emitter does not support.
mlir::LogicalResult emitCpu(step::ProgramOp program, mlir::ModuleOp dst, const Target &target,
                            llvm::StringRef suffix = "");

/// Tasks that a step of `rows` live rows has in `phase` for its workers to share: with full caches, and rows
/// that choose as many experts as they can.
int64_t mostTasks(step::PhaseOp phase, int64_t rows, const Target &target, const mlir::SymbolTable &symbols);

/// Bytes of private memory per worker that the emitted code needs beyond the plan's scratch_bytes: scores of
/// a group of query heads for step.attention, tiles of weights for step.matmul on bf16t, or the lists,
/// gathered rows and sums of experts. It starts at scratch_bytes rounded up to 64; the manifest's
/// "scratch_bytes" is the sum.
int64_t emitterExtraScratch(step::ProgramOp program);

/// arena_bytes of the manifest: the plan's, rounded up to 64, and behind it the parts of an attention that is
/// split by positions.
int64_t totalArenaBytes(step::ProgramOp program);

/// Lines of counters that the code of an entry takes; the manifest's "counters" is the most of all entries.
int64_t counterLines(step::EntryOp entry);

/// scratch_bytes of the manifest: the plan's, rounded up, plus emitterExtraScratch.
int64_t totalScratchBytes(step::ProgramOp program);

} // namespace gemmac
