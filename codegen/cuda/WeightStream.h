// The weights of a single row's products as one stream through shared memory. A warp of its own (the loader)
// copies what the block's tasks will read, in their order, through all phases of the entry, into a ring of
// slots; the other warps wait for a slot, multiply, and give it back. The loader waits for nothing but free
// slots: weights come in while the block waits for others, or for what it reads besides.
//
// A slot holds the same run of superblocks of each panel of a task. Both sides count the slots of the block
// from 0 on, and meet at two mbarriers of each slot: `full`, which the copies complete, and `empty`, where
// every warp arrives that has read it (PTX ISA, "mbarrier"; copies are cp.async.bulk where the target has it,
// else cp.async).
#pragma once

#include "codegen/cuda/BlockBuilder.h"
#include "codegen/cuda/GpuTarget.h"
#include "dialect/step/Step.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include <optional>

namespace gemmac::cuda {

/// How a product goes through the ring.
struct StreamedProduct {
  step::Format format;
  int64_t panels, inputs;

  explicit StreamedProduct(step::WeightOp weight);
  /// Whether the warps can share it.
  bool fits() const { return panels <= kWarps || panels % kWarps == 0; }
  /// Warps that share a panel, and panels that a warp has.
  int64_t parts() const { return std::max<int64_t>(1, kWarps / panels); }
  int64_t panelsOfWarp() const { return std::max<int64_t>(1, panels / kWarps); }
  int64_t superblocks() const;
  /// The least that a slot can hold: a superblock for each warp.
  int64_t leastBytes() const;
  /// Superblocks of a panel in a slot.
  int64_t superblocksInSlot(int64_t slotBytes) const;
};

class WeightStream {
public:
  /// The stream of `entry`, whose kernel needs `base` bytes of shared memory besides; nothing where it has no
  /// such products, or no room for two slots.
  static std::optional<WeightStream> plan(step::EntryOp entry, const mlir::SymbolTable &symbols,
                                          const GpuTarget &target, int64_t base);

  /// Where its shared memory begins and ends, from the beginning of the block's.
  int64_t sharedAt() const { return barriersAt; }
  int64_t sharedBytes() const { return slotsAt + stages * slotBytes; }
  bool streams(step::MatmulOp op) const { return products.contains(op); }
  /// Tasks of streamed phases before `phase`: they are dealt to the blocks one by one, so that what a phase
  /// leaves uneven the next ones even out.
  int64_t dealtBefore(step::PhaseOp phase) const { return dealt.lookup(phase); }

  /// At the beginning of the kernel, by all threads, the loader's too.
  void begin(BlockBuilder &k) const;
  /// A function (GmStep) for the loader.
  void emitLoader(BlockBuilder &k, Value gmStep, mlir::gpu::GPUModuleOp module) const;

  /// The next slot for this warp: `slot` counts the block's from 0 on, i32. Returns its address once it is
  /// full.
  Value take(BlockBuilder &k, Value slot) const;
  void giveBack(BlockBuilder &k, Value slot) const;
  /// How many slots the warp has taken, kept from product to product. After setTaken() the warp's lanes have
  /// to meet before taken().
  Value taken(BlockBuilder &k) const;
  void setTaken(BlockBuilder &k, Value count) const;

  int64_t slotBytes = 0, stages = 0;

private:
  /// What one product of a phase brings: of its tasks [begin, end), from `offset` in the weights on.
  struct Segment {
    int64_t begin, end, offset, taskBytes, panels, panelBytes, runBytes;
  };
  struct PhaseSegments {
    int64_t columns, dealt;
    llvm::SmallVector<Segment> segments;
  };

  llvm::DenseSet<mlir::Operation *> products;
  llvm::DenseMap<mlir::Operation *, int64_t> dealt;
  llvm::SmallVector<PhaseSegments> phases;
  int64_t barriersAt = 0, slotsAt = 0;
  bool bulk = false; ///< cp.async.bulk

  std::string emitTable(mlir::gpu::GPUModuleOp module) const;
  Value full(BlockBuilder &k, Value slot) const;
  Value empty(BlockBuilder &k, Value slot) const;
  void wait(BlockBuilder &k, Value barrier, Value parity) const;
  void copyRun(BlockBuilder &k, Value from, Value run, Value slot, Value panels, Value panelBytes,
               Value runBytes) const;
};

/// Where the block begins among tasks that are dealt on after `dealt` others: block number - dealt, modulo
/// the number of blocks; i64.
Value firstTaskOf(BlockBuilder &k, Value dealt);

} // namespace gemmac::cuda
