// What an emitter of a tile op sees: the builder, the task that the block is in, and views of its operands.
// Shared by the files Emit*.cpp; private to codegen/cuda. A task is done by all threads of a block together:
// every emitter is reached by all of them, with the same task, and ends without waiting for the others;
// PhaseEmitter synchronises between ops. As on the CPU, sums are cut by shapes only, never by how many blocks
// there are.
#pragma once

#include "codegen/cuda/BlockBuilder.h"
#include "codegen/cuda/WeightStream.h"
#include "codegen/kernel/PhaseScope.h"
#include "dialect/step/Step.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include "llvm/ADT/StringMap.h"

#include <map>
#include <string>
#include <vector>

namespace gemmac::cuda {

/// Functions and tables shared by the phases of a gpu.module, made when first asked for.
class KernelLibrary {
public:
  /// `stream`: of the entry's weights, or null.
  KernelLibrary(mlir::gpu::GPUModuleOp module, const WeightStream *stream) : stream(stream), module(module) {}

  const WeightStream *stream;

  /// Rows x 16 panels product of `inputs` inputs by a block: (act, act row bytes, weights, dst, dst row
  /// bytes, rows). `act` is F32 for bf16 activations too: they are f32 in memory. `single`: of one row.
  mlir::func::FuncOp matmul(step::Format format, step::Act act, int64_t panels, int64_t inputs, bool single);
  /// The same of one row, with weights from the stream: (act, dst).
  mlir::func::FuncOp streamedMatmul(step::WeightOp weight, step::Act act);
  /// (GmStep, offset of a line of counters): returns when all blocks have come.
  mlir::func::FuncOp gridBarrier();
  /// (GmStep, line of counters): the same where blocks meet more than once in a phase.
  mlir::func::FuncOp gridMeeting();
  /// A constant table of f32; returns its symbol.
  std::string table(llvm::ArrayRef<float> values);

  /// A function without body, internal to the module.
  mlir::func::FuncOp declare(llvm::StringRef name, mlir::TypeRange arguments);

private:
  mlir::func::FuncOp defined(llvm::StringRef name, llvm::StringRef arguments,
                             llvm::function_ref<void(BlockBuilder &, mlir::ValueRange)> body);

  mlir::gpu::GPUModuleOp module;
  llvm::StringMap<mlir::func::FuncOp> functions;
  std::map<std::vector<float>, std::string> tables;
};

class PhaseEmitter : public kernel::PhaseScope {
public:
  PhaseEmitter(BlockBuilder &k, KernelLibrary &library, step::PhaseOp phase)
      : PhaseScope(k, phase), k(k), library(library) {}

  BlockBuilder &k;
  KernelLibrary &library;
  Value firstTask; ///< i1, prologue only: this block has task 0 and publishes

  /// Code for the ops of `block`, each of which sees what those before it wrote.
  mlir::LogicalResult emitBlock(mlir::Block &block);

  /// How many rows an op does: the task's, or all live ones.
  Value rows() { return row ? k.c(1) : liveRows; }
  /// body(row) on each of them, one after the other.
  void forRows(llvm::function_ref<void(Value)> body);
  /// body(row, column) for the `width` columns of each of them, spread over the threads.
  void forCells(int64_t width, llvm::function_ref<void(Value, Value)> body);
  /// body(row, i) for i in [0, count) and each of them, spread over the warps.
  void forWarpItems(int64_t count, llvm::function_ref<void(Value, Value)> body);
  /// Where the block keeps `bytes` that outlive no op: shared memory if they fit, else memory of its own.
  Value room(int64_t bytes);

private:
  mlir::LogicalResult emitOp(mlir::Operation &op);
  void spread(Value count, int64_t width, llvm::function_ref<void(Value, Value)> body, Value from,
              int64_t by);
};

/// Memory of this block: the plan's scratch, and behind it what room() may take.
Value blockScratch(BlockBuilder &k, Value gmStep, step::ProgramOp program);

/// Shared memory of a block that private buffers and what room() gives may take, each.
constexpr int64_t kMostPrivate = 48 << 10, kMostRoom = 40 << 10;
static_assert(kSharedFixed + kMostPrivate + kMostRoom <= 99 << 10,
              "the least that an architecture of GpuTarget has");
/// Bytes of private buffers that a phase uses, from the beginning of the scratch.
int64_t privateBytes(step::PhaseOp phase);
/// What room() is asked for in a phase.
int64_t roomBytes(step::PhaseOp phase);

// One function for each tile op. EmitElementwise.cpp
void emitOp(PhaseEmitter &e, step::AddOp op);
void emitOp(PhaseEmitter &e, step::MulOp op);
void emitOp(PhaseEmitter &e, step::GeluOp op);
void emitOp(PhaseEmitter &e, step::CopyOp op);
void emitOp(PhaseEmitter &e, step::ScaleOp op);
void emitOp(PhaseEmitter &e, step::ScaleByOp op);
void emitOp(PhaseEmitter &e, step::SoftcapOp op);
void emitOp(PhaseEmitter &e, step::PublishOp op);
void emitOp(PhaseEmitter &e, step::TakeRowOp op);
// EmitNorm.cpp
void emitOp(PhaseEmitter &e, step::NormOp op);
void emitOp(PhaseEmitter &e, step::SoftmaxOp op);
// EmitRope.cpp
void emitOp(PhaseEmitter &e, step::RopeTableOp op);
void emitOp(PhaseEmitter &e, step::RopeOp op);
// EmitCache.cpp
void emitOp(PhaseEmitter &e, step::CacheWriteOp op);
// EmitAttention.cpp
void emitOp(PhaseEmitter &e, step::AttentionOp op);
void emitOp(PhaseEmitter &e, step::QkOp op);
void emitOp(PhaseEmitter &e, step::PvOp op);
/// Bytes of scores that a task of `op` keeps, where it is not done in parts (AttentionParts.h).
int64_t scoreBytes(step::AttentionOp op);
// EmitEmbed.cpp
void emitOp(PhaseEmitter &e, step::EmbedOp op);
// EmitMoe.cpp
void emitOp(PhaseEmitter &e, step::TopKOp op);
void emitOp(PhaseEmitter &e, step::CombineOp op);
// EmitTop.cpp
void emitOp(PhaseEmitter &e, step::SelectTopOp op);
/// Behind the phase's tasks, by all blocks.
void emitSelection(PhaseEmitter &e, step::SelectTopOp op);
/// The selection of `phase`, or null.
step::SelectTopOp selectTopOf(step::PhaseOp phase);
/// Bytes behind the arena that selections share, and where they begin.
int64_t topBytes(step::ProgramOp program);
int64_t topAt(step::ProgramOp program);
// EmitPack.cpp
void emitOp(PhaseEmitter &e, step::PackOp op);
void emitOp(PhaseEmitter &e, step::PackTileOp op);
// EmitMatmul.cpp
void emitOp(PhaseEmitter &e, step::MatmulOp op);
void emitOp(PhaseEmitter &e, step::ExpertMatmulOp op);
// EmitTensor.cpp: of bf16t activations, on tensor cores.
void emitTensorMatmul(PhaseEmitter &e, step::MatmulOp op);

} // namespace gemmac::cuda
