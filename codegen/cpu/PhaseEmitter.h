// What an emitter of a tile op sees: the kernel builder, the task it is in, and views of its operands. Shared
// by the files Emit*.cpp; private to codegen/cpu. Invariant: code emitted for a phase depends on what its
// PhaseKey says (ops, shapes, formats, attributes) and on what a program has once (context, sizes of the
// memory plan), never on offsets, names or the entry's rows, so that equal phases share one function. Where
// rows decide how a phase is computed (tiles of bf16t, attention on tiles or split by positions, experts
// whose rows are grouped), its PhaseKey says so too: ProgramEmitter::howOf().
#pragma once

#include "codegen/cpu/CpuBuilder.h"
#include "codegen/cpu/KernelTuning.h"
#include "codegen/kernel/PhaseScope.h"
#include "dialect/step/Step.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gemmac::cpu {

using mlir::Value;

/// Kernels and tables shared by the phases of a module, made when first asked for.
class KernelLibrary {
public:
  KernelLibrary(mlir::ModuleOp module, const Target &target) : module(module), target(target) {}

  /// rows x panels product: (act, act row bytes, weights, dst, dst row bytes, rows, superblocks, panels).
  /// `act` is F32 for bf16 activations too: they are f32 in memory. `panels`: how many a call has; functions
  /// are shared by the counts that read equally many panels side by side, and are tuned alike.
  mlir::func::FuncOp matmul(step::Format format, step::Act act, int64_t panels, const KernelTuning &tuning);
  /// The same for bf16t activations, on a matrix unit: (act, rows of its buffer, weights, dst, dst row bytes,
  /// live rows, superblocks, panels, private memory: tileMatmulScratch()).
  mlir::func::FuncOp tileMatmul(step::Format format);
  /// EmitTop.cpp: (values, ids, length, how many are wanted, selection, its values, its ids) puts the largest
  /// of a list into that of a selection, which may be the same.
  mlir::func::FuncOp keepLargest();
  /// (selection, its values, its ids, length of values and ids, values, ids): its list in descending order.
  mlir::func::FuncOp sortSelection();
  /// A constant table of f32; returns its symbol.
  std::string table(llvm::ArrayRef<float> values);
  /// (GmStep, weights, bytes per task, tasks, streams, bytes from one to the next, bytes of each): prefetches
  /// the beginnings of what is read side by side in the task that this worker is likely to claim.
  mlir::func::FuncOp prefetch();

  mlir::ModuleOp moduleOp() { return module; }
  /// A function without body at the module's end, internal unless `exported`.
  mlir::func::FuncOp declare(llvm::StringRef name, mlir::TypeRange arguments, bool exported);

private:
  /// The internal function `name`, made by `body` when first asked for; `arguments`: p (a pointer) or i (i64)
  /// for each.
  mlir::func::FuncOp defined(llvm::StringRef name, llvm::StringRef arguments,
                             llvm::function_ref<void(KernelBuilder &, mlir::ValueRange)> body);

  mlir::ModuleOp module;
  const Target &target;
  llvm::StringMap<mlir::func::FuncOp> functions;
  std::map<std::vector<float>, std::string> tables;
};

/// How the tasks of a phase are cut: `columns` of them for each `rowsAtOnce` live rows, or, if that is 0, for
/// all.
struct TaskGrid {
  int64_t rowsAtOnce, columns;

  int64_t count(int64_t rows) const {
    return (rowsAtOnce ? (rows + rowsAtOnce - 1) / rowsAtOnce : 1) * columns;
  }
  Value count(KernelBuilder &k, Value rows) const;
};

/// The tasks of a phase, and what emits one of them.
struct Tasks {
  Value count;
  std::function<void(Value)> body;
};

/// Emits the body of one phase function.
class PhaseEmitter : public kernel::PhaseScope {
public:
  PhaseEmitter(KernelBuilder &k, KernelLibrary &library, step::PhaseOp phase)
      : PhaseScope(k, phase), k(k), library(library) {}

  KernelBuilder &k;
  KernelLibrary &library;
  int64_t planScratch = 0; ///< bytes of scratch that the plan uses
  Value firstTask;         ///< i1, prologue only: this worker claimed task 0 and publishes

  /// Code for the ops of `block`.
  mlir::LogicalResult emitBlock(mlir::Block &block);
  mlir::LogicalResult emitOp(mlir::Operation &op);

  /// body(row) on the task's row, or on all live ones.
  void forRows(llvm::function_ref<void(Value)> body);
  /// Scores of query heads, tiles of weights, or rows of an expert: private memory behind the plan's.
  Value extraScratch() { return k.at(stepField(Scratch, k.ptr()), planScratch); }
};

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
/// The attention of a phase that is nothing else, or null.
step::AttentionOp onlyAttention(step::PhaseOp phase);
/// Whether such a phase, of a single row, is split by positions.
bool isSplit(step::AttentionOp op);
/// Private memory that a task takes, and memory behind the arena's plan that the parts of a split one take.
int64_t attentionScratch(step::AttentionOp op, step::CacheOp cache);
int64_t attentionParts(step::AttentionOp op, step::CacheOp cache);
/// Lines of counters that a split one takes behind the phase's first one.
int64_t arrivalLines(step::AttentionOp op);
/// How many tasks such a phase has for `rows` rows once the cache is full.
int64_t mostAttentionTasks(step::AttentionOp op, step::CacheOp cache, const Target &target, int64_t rows);
/// Such a phase: how many tasks it has, and what emits one. `counter`: the phase's first line of counters.
Tasks emitAttentionPhase(PhaseEmitter &e, step::AttentionOp op, Value counter);
void emitOp(PhaseEmitter &e, step::AttentionOp op);
void emitOp(PhaseEmitter &e, step::QkOp op);
void emitOp(PhaseEmitter &e, step::PvOp op);
// EmitAttentionTiles.cpp: a phase that is nothing but attention of many rows, on tiles of a matrix unit.
/// Whether some product of the program reads bf16t: then attention may round as well.
bool usesTiles(step::ProgramOp program);
/// The attention of such a phase, or null.
step::AttentionOp tileAttention(step::PhaseOp phase, const mlir::SymbolTable &symbols);
/// Private memory that a task takes, 0 for other phases.
int64_t tileAttentionScratch(step::PhaseOp phase, const mlir::SymbolTable &symbols);
/// Rows [32 group, 32 group + 32) of one query head.
void emitTileAttention(PhaseEmitter &e, step::AttentionOp op, Value group, Value head);
// EmitEmbed.cpp
void emitOp(PhaseEmitter &e, step::EmbedOp op);
// EmitMoe.cpp
void emitOp(PhaseEmitter &e, step::TopKOp op);
void emitOp(PhaseEmitter &e, step::CombineOp op);
void emitOp(PhaseEmitter &e, step::ExpertMatmulOp op);
// EmitTop.cpp
/// The selection of a phase, or null.
step::SelectTopOp selectionOf(step::PhaseOp phase);
/// Private memory that a worker's selection takes, and memory behind the arena's plan that all of them share.
int64_t selectionScratch(step::SelectTopOp op);
int64_t selectionArena(step::SelectTopOp op);
/// Before a worker's first task, and behind its last one. `counter`: the phase's line of counters.
void beginSelection(PhaseEmitter &e);
void endSelection(PhaseEmitter &e, step::SelectTopOp op, Value counter);
/// A task's columns into the worker's selection.
void emitOp(PhaseEmitter &e, step::SelectTopOp op);
// EmitPack.cpp
void emitOp(PhaseEmitter &e, step::PackOp op);
void emitOp(PhaseEmitter &e, step::PackTileOp op);
/// `columns` f32 at `in`, rounded to bf16, into the lines that `row` has in the tiles at `out`, a buffer of
/// `rows` rows.
void packTiles(KernelBuilder &k, Value out, Value row, Value in, int64_t columns, int64_t rows);
// EmitMatmul.cpp
void emitOp(PhaseEmitter &e, step::MatmulOp op);

/// Calls the kernel for `tile` rows of a p16 weight starting at `panels`.
void callMatmul(PhaseEmitter &e, step::WeightOp weight, step::Act act, Value actBase, int64_t actLd,
                Value panels, Value dst, int64_t dstLd, Value rows, const KernelTuning &tuning = {});

// EmitKernel*.cpp: bodies of KernelLibrary::matmul.
struct MatmulArgs {
  Value act, actLd, weights, dst, dstLd, rows, superblocks, panels;
};
/// EmitKernelTiles.cpp: a phase that is nothing but a product of bf16t computes several neighbouring column
/// tasks at a time, so that activations are read for more columns at once. How many: 1 for other phases.
struct TasksAtOnce {
  int64_t least = 1, most = 1; ///< more than `least` where the workers still get several turns each

  bool operator==(const TasksAtOnce &other) const { return least == other.least && most == other.most; }
};
TasksAtOnce tileTasksAtOnce(step::PhaseOp phase, const mlir::SymbolTable &symbols);
/// Tasks that a worker of this run takes at a time.
Value tileTasksAtOnce(PhaseEmitter &e, TasksAtOnce atOnce);
/// Column tasks [first, first + count) of such a phase.
void emitTileMatmul(PhaseEmitter &e, step::MatmulOp op, Value first, Value count);
/// What a block of 256 k of two panels takes as bf16. There are two of them; behind them lie the sums of a
/// task.
constexpr int64_t kTileBlockBytes = 16384, kTileScratch = 2 * kTileBlockBytes;
/// Private memory that such a product takes, 0 for others.
int64_t tileMatmulScratch(step::MatmulOp op, const mlir::SymbolTable &symbols);
struct TileMatmulArgs {
  Value act, actRows, weights, dst, dstLd, rows, superblocks, panels, scratch;
};
/// How many of a task's `panels` a single row reads side by side: a power of two that divides them.
int64_t panelStreams(const Target &target, step::Format format, step::Act act, int64_t panels);
/// Rows and panels that many rows compute together: as many as the registers allow.
std::pair<int64_t, int64_t> bigBlock(const Target &target, step::Act act);
/// `tuning` with the model's choice in the place of each that it does not make.
KernelTuning resolved(KernelTuning tuning, const Target &target, step::Format format, step::Act act,
                      int64_t panels);
/// `tuning` is resolved().
void emitMatmulBody(KernelBuilder &k, const MatmulArgs &args, step::Format format, step::Act act,
                    const KernelTuning &tuning);

} // namespace gemmac::cpu
