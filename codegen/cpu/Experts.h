// Phases of expert_matmul whose rows are computed expert by expert: EmitExperts.cpp.
#pragma once

#include "codegen/cpu/PhaseEmitter.h"

namespace gemmac::cpu {

/// Private memory that a worker takes for a phase of step::groupedExperts(), 0 for other products.
int64_t groupedExpertScratch(step::ExpertMatmulOp op, const mlir::SymbolTable &symbols);
/// How many tasks it has for `rows` rows that choose as many experts as they can.
int64_t mostGroupedExpertTasks(step::ExpertMatmulOp op, const mlir::SymbolTable &symbols, int64_t rows);
Tasks groupedExpertTasks(PhaseEmitter &e, step::ExpertMatmulOp op, const mlir::SymbolTable &symbols,
                         mlir::LogicalResult &result);

} // namespace gemmac::cpu
