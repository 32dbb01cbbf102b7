// Phases of expert_matmul whose rows are computed expert by expert: EmitExperts.cpp.
#pragma once

#include "codegen/cpu/PhaseEmitter.h"

namespace gemmac::cpu {

/// The product of a phase that is computed expert by expert, or null: one of several rows that starts with an
/// expert_matmul and has no other.
step::ExpertMatmulOp groupedExperts(step::PhaseOp phase);
/// Private memory that a worker takes for it, 0 for others.
int64_t groupedExpertScratch(step::ExpertMatmulOp op, const mlir::SymbolTable &symbols);
Tasks groupedExpertTasks(PhaseEmitter &e, step::ExpertMatmulOp op, const mlir::SymbolTable &symbols,
                         mlir::LogicalResult &result);

} // namespace gemmac::cpu
