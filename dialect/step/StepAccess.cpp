// Reads, writes and live ranges; see StepAccess.h.
#include "dialect/step/StepAccess.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cstdlib>

using namespace mlir;

namespace gemmac::step {

static int64_t columnsOf(Value value) { return cast<MemRefType>(value.getType()).getDimSize(1); }

Place placeOf(Operation *op) {
  Place place;
  if (auto inside = op->getParentOfType<CaseOp>()) {
    place.begin = inside.getBegin();
    place.end = inside.getEnd();
  }
  place.phase = op->getParentOfType<PhaseOp>();
  if (!place.phase)
    return place;
  Region *region = op->getParentRegion();
  while (region->getParentOp() != place.phase)
    region = region->getParentRegion();
  place.prologue = region == &place.phase.getPrologue();
  if (place.prologue)
    place.begin = 0, place.end = 1;
  else if (!op->getParentOfType<CaseOp>())
    place.end = place.phase.getCols();
  return place;
}

BufferOp bufferOf(Value value) {
  if (auto tile = value.getDefiningOp<TileOp>())
    value = tile.getBuffer();
  return value.getDefiningOp<BufferOp>();
}

bool isPrivate(Value buffer) {
  auto space = dyn_cast_or_null<StringAttr>(cast<MemRefType>(buffer.getType()).getMemorySpace());
  return space && space.getValue() == "private";
}

bool Access::isPrivate() const { return buffer && step::isPrivate(buffer); }

bool isTileOp(Operation *op) {
  return isa<AddOp, MulOp, GeluOp, CopyOp, ScaleOp, ScaleByOp, SoftcapOp, NormOp, SoftmaxOp, PublishOp,
             TakeRowOp, EmbedOp, PackOp, PackTileOp, MatmulOp, ExpertMatmulOp, TopKOp, SelectTopOp, CombineOp,
             RopeTableOp, RopeOp, CacheWriteOp, AttentionOp, QkOp, PvOp>(op);
}

namespace {
/// Collects the accesses of one op.
class Collector {
public:
  Collector(Operation *op, SmallVectorImpl<Access> &out) : op(op), place(placeOf(op)), out(out) {}

  void collect() {
    TypeSwitch<Operation *>(op)
        .Case<AttentionOp>([&](auto attention) {
          readCache(attention.getCacheAttr(), Which::K);
          readCache(attention.getCacheAttr(), Which::V);
          heads(attention.getQ(), attention.getHeads(), false);
          heads(attention.getDst(), attention.getHeads(), true);
        })
        .Case<QkOp>([&](auto qk) {
          readCache(qk.getCacheAttr(), Which::K);
          heads(qk.getQ(), qk.getHeads(), false);
          heads(qk.getDst(), qk.getHeads(), true);
        })
        .Case<PvOp>([&](auto pv) {
          readCache(pv.getCacheAttr(), Which::V);
          heads(pv.getP(), pv.getHeads(), false);
          heads(pv.getDst(), pv.getHeads(), true);
        })
        .Case<CacheWriteOp>([&](auto write) {
          whole(write.getSrc(), false);
          writeCache(write);
        })
        .Case<TopKOp>([&](auto topK) {
          whole(topK.getSrc(), false);
          whole(topK.getWeights(), true);
          whole(topK.getIndices(), true);
        })
        .Case<SelectTopOp>([&](auto select) {
          whole(select.getSrc(), false);
          whole(select.getValues(), true);
          whole(select.getIds(), true);
        })
        .Case<PackTileOp>([&](auto pack) { // all of it, once all tasks are done: see fillsTogether()
          whole(pack.getSrc(), false);
          whole(pack.getDst(), true);
        })
        .Default([&](Operation *) { // destination first; a tile is a view and touches nothing
          if (!isTileOp(op))
            return;
          for (Value source : op->getOperands().drop_front(op->getNumOperands() ? 1 : 0))
            whole(source, false);
          if (op->getNumOperands())
            whole(op->getOperand(0), true);
        });
  }

private:
  void add(Value value, Tile tile, bool write) {
    BufferOp buffer = bufferOf(value);
    if (!buffer)
      return;
    Access access;
    access.op = op;
    access.buffer = buffer.getResult();
    access.tile = tile;
    access.write = write;
    access.place = place;
    out.push_back(access);
  }

  /// All columns of a buffer, or of a tile of one.
  void whole(Value value, bool write) {
    auto tile = value.getDefiningOp<TileOp>();
    if (!tile)
      return add(value, {0, 0, columnsOf(value)}, write);
    int64_t stride = tile.getStride(), offset = tile.getOffset(), width = tile.getWidth();
    add(value, {offset - stride * placeOf(tile).begin, stride, width}, write);
  }

  /// Column task c takes the columns of head c.
  void heads(Value value, int64_t count, bool write) {
    if (count <= 0)
      return add(value, {0, 0, columnsOf(value)}, write);
    int64_t width = columnsOf(value) / count;
    add(value, {-width * place.begin, width, width}, write);
  }

  Access cacheAccess(FlatSymbolRefAttr cache, Which which, bool write) {
    Access access;
    access.op = op;
    access.cache = cache;
    access.which = which;
    access.write = write;
    access.place = place;
    return access;
  }
  void readCache(FlatSymbolRefAttr cache, Which which) { out.push_back(cacheAccess(cache, which, false)); }
  void writeCache(CacheWriteOp write) {
    Access access = cacheAccess(write.getCacheAttr(), write.getWhich(), true);
    access.tile.width = columnsOf(write.getSrc());
    auto cache = dyn_cast_or_null<CacheOp>(SymbolTable::lookupNearestSymbolFrom(write, write.getCacheAttr()));
    int64_t headDim = cache && cache.getHeadDimAttr() ? int64_t(cache.getHeadDim()) : access.tile.width;
    int64_t head = write.getHead(), stride = write.getHeadStride();
    // What does not fit is refused by cache_write's own verifier; here it only must not wrap around.
    constexpr int64_t limit = int64_t(1) << 40;
    if (!llvm::MulOverflow(stride, headDim, stride) && !llvm::MulOverflow(head, headDim, head) &&
        std::max(std::abs(stride), std::abs(head)) <= limit) {
      access.tile.stride = stride;
      access.tile.offset = head - stride * place.begin;
    }
    out.push_back(access);
  }

  Operation *op;
  Place place;
  SmallVectorImpl<Access> &out;
};
} // namespace

SmallVector<Access> accessesOf(Operation *op) {
  SmallVector<Access> accesses;
  if (!isa<PhaseOp, CaseOp>(op)) {
    Collector(op, accesses).collect();
    return accesses;
  }
  op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
    if (!isa<PhaseOp, CaseOp>(inner))
      Collector(inner, accesses).collect();
  });
  return accesses;
}

ExpertMatmulOp groupedExperts(PhaseOp phase) {
  auto entry = phase->getParentOfType<EntryOp>();
  const bool prologue = llvm::any_of(phase.getPrologue(), [](Block &block) { return !block.empty(); });
  if (!phase.getByRow() || phase.getRows() != Rows::All || entry.getRows() == 1 || prologue)
    return {};
  ExpertMatmulOp product;
  for (Operation &op : phase.getBody().front()) {
    if (isa<TileOp>(op))
      continue;
    const bool isProduct = isa<ExpertMatmulOp>(op);
    if (product ? isProduct || isa<CaseOp, AttentionOp, QkOp, PvOp>(op) : !isProduct)
      return {};
    if (!product)
      product = cast<ExpertMatmulOp>(op);
  }
  return product;
}

int64_t visiblePositions(CacheOp cache, int64_t window) {
  const auto context = static_cast<int64_t>(cast<ProgramOp>(cache->getParentOp()).getContext());
  return visiblePositions(visiblePositions(context, cache.getWindow()), window);
}

SmallVector<PhaseOp> phasesOf(EntryOp entry) { return llvm::to_vector(entry.getOps<PhaseOp>()); }

SmallVector<BufferOp> yieldedBy(EntryOp entry) {
  SmallVector<BufferOp> buffers;
  for (YieldOp yield : entry.getOps<YieldOp>())
    for (Value value : yield->getOperands())
      if (BufferOp buffer = bufferOf(value))
        buffers.push_back(buffer);
  return buffers;
}

BufferOp logitsOf(EntryOp entry) {
  SmallVector<BufferOp> yielded = yieldedBy(entry);
  return yielded.empty() ? nullptr : yielded.front();
}

SmallVector<LiveRange> liveRangesOf(EntryOp entry) {
  llvm::DenseMap<Value, LiveRange> ranges;
  SmallVector<PhaseOp> phases = phasesOf(entry);
  for (auto [index, phase] : llvm::enumerate(phases))
    for (const Access &access : accessesOf(phase)) {
      if (!access.buffer || access.isPrivate())
        continue;
      int64_t now = static_cast<int64_t>(index);
      auto [it, isNew] = ranges.try_emplace(access.buffer);
      if (isNew)
        it->second.first = now;
      it->second.last = now;
    }
  for (BufferOp yielded : yieldedBy(entry)) {
    int64_t end = phases.empty() ? 0 : static_cast<int64_t>(phases.size()) - 1;
    auto [it, isNew] = ranges.try_emplace(yielded.getResult());
    if (isNew)
      it->second.first = end;
    it->second.last = end;
  }
  SmallVector<LiveRange> result;
  for (BufferOp buffer : entry.getOps<BufferOp>())
    if (auto it = ranges.find(buffer.getResult()); it != ranges.end()) {
      it->second.buffer = buffer;
      result.push_back(it->second);
    }
  return result;
}

std::optional<int64_t> checkedBytes(MemRefType type) {
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  for (int64_t dim : type.getShape())
    if (dim < 0 || llvm::MulOverflow(bytes, dim, bytes) || bytes > kMaxBufferBytes)
      return std::nullopt;
  return bytes;
}

} // namespace gemmac::step
