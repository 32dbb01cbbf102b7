// Attention of a single row by all blocks of the grid: a task is a part of the positions that the row sees,
// for all query heads of one KV head, so that a cache is read once. What a part finds (a maximum, a sum, an
// unnormalised row) goes to memory, and the block that is the last of its KV head puts the parts together, in
// their order. How positions are cut depends on the row's position only: any number of blocks gives the same
// bits.
#pragma once

#include "codegen/cuda/PhaseEmitter.h"

namespace gemmac::cuda {

/// The attention that `phase` consists of, if it is done in parts: for one row, nothing else in the phase.
/// Null otherwise.
step::AttentionOp partedAttention(step::PhaseOp phase);

/// Bytes behind the program's arena that all parts share: counters, zero whenever no phase runs, then
/// results.
int64_t partsBytes(step::ProgramOp program);
/// What room() is asked for.
int64_t partsRoomBytes(step::AttentionOp op);

/// The phase's tasks, those of this block. All threads of the block come.
void emitAttentionParts(PhaseEmitter &e, step::AttentionOp op);

} // namespace gemmac::cuda
