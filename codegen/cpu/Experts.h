// Phases of expert_matmul whose rows are computed expert by expert: EmitExperts.cpp.
#pragma once

#include "codegen/cpu/PhaseEmitter.h"

namespace gemmac::cpu {

/// Private memory that a worker takes for a phase of step::groupedExperts(), 0 for other products.
int64_t groupedExpertScratch(step::ExpertMatmulOp op, const mlir::SymbolTable &symbols);
Tasks groupedExpertTasks(PhaseEmitter &e, step::ExpertMatmulOp op, const mlir::SymbolTable &symbols,
                         mlir::LogicalResult &result);

} // namespace gemmac::cpu
