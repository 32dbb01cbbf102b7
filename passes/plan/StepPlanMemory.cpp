// step-plan-memory: offsets of caches, buffers and packed weights. Invariant: shared buffers that are live in
// the same phase do not overlap, caches overlap nothing in any entry, and every offset is a multiple of 64.
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"
#include "passes/lower/StepPasses.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

namespace gemmac {
#define GEN_PASS_DEF_STEPPLANMEMORY
#include "passes/lower/StepPasses.h.inc"
} // namespace gemmac

using namespace gemmac;

static mlir::IntegerAttr bytesAttr(mlir::Operation *op, int64_t value) {
  return mlir::IntegerAttr::get(mlir::IntegerType::get(op->getContext(), 64), value);
}

/// Weights in the order in which entries stream them (the first entry's order counts), then those that are
/// only gathered from, then the rest.
static llvm::SetVector<mlir::Operation *> executionOrder(step::ProgramOp program) {
  llvm::SetVector<mlir::Operation *> streamed, gathered;
  program.walk<mlir::WalkOrder::PreOrder>([&](mlir::Operation *op) {
    if (!op->getParentOfType<step::PhaseOp>())
      return;
    for (mlir::NamedAttribute attribute : op->getAttrs())
      if (auto symbol = llvm::dyn_cast<mlir::FlatSymbolRefAttr>(attribute.getValue()))
        if (auto weight = program.lookupSymbol<step::WeightOp>(symbol.getValue()))
          (llvm::isa<step::EmbedOp>(op) ? gathered : streamed).insert(weight);
  });
  streamed.insert(gathered.begin(), gathered.end());
  for (auto weight : program.getOps<step::WeightOp>())
    streamed.insert(weight);
  return streamed;
}

static void planWeights(step::ProgramOp program) {
  int64_t end = 0;
  for (mlir::Operation *op : executionOrder(program)) {
    auto weight = llvm::cast<step::WeightOp>(op);
    const int64_t size = packedBytes(weight);
    weight.setOffsetAttr(bytesAttr(op, end));
    weight.setBytesAttr(bytesAttr(op, size));
    end += roundUp(size, kAlign);
  }
  program.setWeightBytesAttr(bytesAttr(program, end));
}

/// Where the caches end.
static int64_t planCaches(step::ProgramOp program) {
  int64_t end = 0;
  for (auto cache : program.getOps<step::CacheOp>()) {
    const int64_t half = cacheHalfBytes(cache, program.getBatch());
    cache.setKOffsetAttr(bytesAttr(cache, end));
    cache.setVOffsetAttr(bytesAttr(cache, end + half));
    end += 2 * half;
  }
  return end;
}

using Bytes = std::pair<int64_t, int64_t>; ///< begin, end

namespace {
struct Placed {
  step::LiveRange range;
  Bytes bytes;
};
} // namespace

/// Lowest offset, from `base` on, where `size` bytes overlap nothing that is taken.
static int64_t firstFit(int64_t size, int64_t base, llvm::SmallVectorImpl<Bytes> &taken) {
  llvm::sort(taken);
  int64_t offset = base;
  for (auto [begin, end] : taken) {
    if (offset + size <= begin)
      break;
    offset = std::max(offset, end);
  }
  return offset;
}

namespace {
struct StepPlanMemoryPass : impl::StepPlanMemoryBase<StepPlanMemoryPass> {
  void runOnOperation() override {
    for (auto program : getOperation().getOps<step::ProgramOp>()) {
      planWeights(program);
      const int64_t base = planCaches(program);
      int64_t arena = base, scratch = 0;
      for (auto entry : program.getOps<step::EntryOp>()) {
        arena = std::max(arena, planShared(entry, base));
        scratch = std::max(scratch, planPrivate(entry));
      }
      program.setArenaBytesAttr(bytesAttr(program, arena));
      program.setScratchBytesAttr(bytesAttr(program, scratch));
    }
  }

private:
  /// Places the shared buffers of an entry behind `base`; returns where they end.
  int64_t planShared(step::EntryOp entry, int64_t base) {
    llvm::SmallVector<step::LiveRange> ranges = step::liveRangesOf(entry);
    llvm::SmallVector<std::pair<int64_t, size_t>> order; // largest first, then as they stand
    for (auto [index, range] : llvm::enumerate(ranges))
      order.emplace_back(-bufferBytes(range.buffer.getType()), index);
    llvm::sort(order);
    llvm::SmallVector<Placed> placed;
    int64_t end = base, sum = 0;
    for (auto [negated, index] : order) {
      step::LiveRange &range = ranges[index];
      llvm::SmallVector<Bytes> taken;
      for (const Placed &other : placed)
        if (range.meets(other.range))
          taken.push_back(other.bytes);
      const int64_t size = -negated, offset = firstFit(size, base, taken);
      range.buffer.setOffsetAttr(bytesAttr(range.buffer, offset));
      placed.push_back({range, {offset, offset + size}});
      end = std::max(end, offset + size);
      sum += size;
    }
    numBuffers += placed.size();
    savedBytes += sum - (end - base);
    return end;
  }

  /// Places each private buffer once, where it overlaps none that some phase touches too; returns where the
  /// last one ends. Buffers of one phase, as the lowering makes them, lie one behind the other.
  static int64_t planPrivate(step::EntryOp entry) {
    llvm::SmallVector<llvm::SetVector<mlir::Value>> touched; ///< by phase
    llvm::MapVector<mlir::Value, llvm::SmallVector<size_t>> phases;
    for (step::PhaseOp phase : step::phasesOf(entry)) {
      touched.emplace_back();
      for (const step::Access &access : step::accessesOf(phase))
        if (access.isPrivate() && touched.back().insert(access.buffer))
          phases[access.buffer].push_back(touched.size() - 1);
    }
    int64_t most = 0;
    llvm::DenseMap<mlir::Value, Bytes> placed;
    for (const auto &[value, in] : phases) {
      llvm::SmallVector<Bytes> taken;
      for (size_t phase : in)
        for (mlir::Value other : touched[phase])
          if (auto found = placed.find(other); found != placed.end())
            taken.push_back(found->second);
      step::BufferOp buffer = step::bufferOf(value);
      const int64_t size = bufferBytes(buffer.getType()), offset = firstFit(size, 0, taken);
      buffer.setOffsetAttr(bytesAttr(buffer, offset));
      placed[value] = {offset, offset + size};
      most = std::max(most, offset + size);
    }
    return most;
  }
};
} // namespace
