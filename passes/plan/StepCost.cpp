// step-cost: what each phase moves and computes, from shapes alone. A model, not a measurement: it counts
// each byte of shared memory once however many tasks read it, and says nothing of private memory.
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"
#include "passes/lower/StepPasses.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

namespace gemmac {
#define GEN_PASS_DEF_STEPCOST
#include "passes/lower/StepPasses.h.inc"
} // namespace gemmac

using namespace gemmac;

namespace {
/// Of a phase: bytes once for all rows, and bytes and flops of each row.
struct Cost {
  int64_t once = 0, bytes = 0, flops = 0;
};

class PhaseCost {
public:
  PhaseCost(step::PhaseOp phase, step::ProgramOp program) : phase(phase), program(program) {}

  Cost compute() {
    countBuffersAndCaches();
    phase.walk([&](mlir::Operation *op) {
      if (!llvm::isa<step::PhaseOp, step::CaseOp, step::TileOp>(op))
        countOp(op);
    });
    for (mlir::Operation *vec : vecs)
      cost.once += packedBytes(llvm::cast<step::WeightOp>(vec));
    return cost;
  }

private:
  using Interval = std::pair<int64_t, int64_t>;

  step::WeightOp weight(llvm::StringRef symbol) { return program.lookupSymbol<step::WeightOp>(symbol); }
  step::CacheOp cache(llvm::StringRef symbol) { return program.lookupSymbol<step::CacheOp>(symbol); }
  static int64_t columns(mlir::Value value) {
    return llvm::cast<mlir::MemRefType>(value.getType()).getDimSize(1);
  }

  /// The columns that an access touches, over all its tasks.
  static void addIntervals(const step::Access &access, llvm::SmallVectorImpl<Interval> &out) {
    const step::Tile &tile = access.tile;
    const int64_t first = access.place.begin, last = access.place.end - 1;
    if (tile.stride <= tile.width) {
      out.emplace_back(tile.begin(first), tile.end(last));
      return;
    }
    for (int64_t c = first; c <= last; ++c)
      out.emplace_back(tile.begin(c), tile.end(c));
  }

  static int64_t total(llvm::SmallVectorImpl<Interval> &intervals) {
    llvm::sort(intervals);
    int64_t sum = 0, end = INT64_MIN;
    for (auto [from, to] : intervals) {
      from = std::max(from, end);
      sum += std::max<int64_t>(0, to - from);
      end = std::max(end, to);
    }
    return sum;
  }

  void countBuffersAndCaches() {
    llvm::MapVector<std::pair<mlir::Value, unsigned>, llvm::SmallVector<Interval>> touched;
    for (const step::Access &access : step::accessesOf(phase)) {
      if (access.cache) {
        step::CacheOp of = cache(access.cache.getValue());
        if (access.write)
          cost.bytes +=
              (access.place.end - access.place.begin) * cacheRowBytes(of.getType(), access.tile.width);
      } else if (access.buffer && !access.isPrivate()) {
        addIntervals(access, touched[{access.buffer, access.write ? 1u : 0u}]);
      }
    }
    for (auto &[key, intervals] : touched) {
      auto type = llvm::cast<mlir::MemRefType>(key.first.getType());
      cost.bytes += total(intervals) * (type.getElementTypeBitWidth() / 8);
    }
  }

  /// One query head of `heads` goes over K, over V, or both (`halves`).
  void countAttention(llvm::StringRef symbol, int64_t heads, int64_t window, int64_t halves) {
    step::CacheOp of = cache(symbol);
    const int64_t seen = step::visiblePositions(of, window), headDim = of.getHeadDim();
    cost.once += halves * seen * static_cast<int64_t>(of.getHeads()) * cacheRowBytes(of.getType(), headDim);
    cost.flops += heads * seen * (2 * headDim * halves + (halves == 2 ? 5 : 0));
  }

  void countVec(std::optional<llvm::StringRef> symbol) {
    if (symbol)
      vecs.insert(weight(*symbol));
  }

  /// Each expert is read once, however many rows choose it: rows of a whole chunk choose as many as they can.
  void countExperts(int64_t slots, int64_t experts, int64_t bytes) {
    const int64_t rows =
        phase.getRows() == step::Rows::All ? llvm::cast<step::EntryOp>(phase->getParentOp()).getRows() : 1;
    const int64_t further = rows == 1 ? 0 : (std::min(experts, rows * slots) - slots) * bytes / (rows - 1);
    cost.once += slots * bytes - further;
    cost.bytes += further;
  }

  void countOp(mlir::Operation *op) {
    const step::Place place = step::placeOf(op);
    const int64_t tasks = place.end - place.begin;
    auto each = [&](int64_t flops) { cost.flops += flops * tasks; };
    llvm::TypeSwitch<mlir::Operation *>(op)
        .Case([&](step::MatmulOp op) {
          step::WeightOp w = weight(op.getWeight());
          cost.once += packedBytes(w);
          cost.flops += 2 * static_cast<int64_t>(w.getN() * w.getK());
        })
        .Case([&](step::ExpertMatmulOp op) {
          step::WeightOp w = weight(op.getWeight());
          const auto slots = static_cast<int64_t>(op.getSlots());
          countExperts(slots, w.getExperts(), matrixBytes(w.getFormat(), w.getN(), w.getK()));
          cost.flops += slots * 2 * static_cast<int64_t>(w.getN() * w.getK());
        })
        .Case([&](step::EmbedOp op) {
          cost.bytes += gatherBytes(weight(op.getTable()));
          each(columns(op.getDst()));
        })
        .Case([&](step::AttentionOp op) { countAttention(op.getCache(), op.getHeads(), op.getWindow(), 2); })
        .Case([&](step::QkOp op) { countAttention(op.getCache(), op.getHeads(), op.getWindow(), 1); })
        .Case([&](step::PvOp op) { countAttention(op.getCache(), op.getHeads(), op.getWindow(), 1); })
        .Case([&](step::NormOp op) {
          countVec(op.getWeight());
          each(4 * columns(op.getDst()));
        })
        .Case([&](step::ScaleByOp op) {
          countVec(op.getWeight());
          each(columns(op.getDst()));
        })
        .Case([&](step::TopKOp op) {
          // A scalar loop: four operations for each value and rank, one a cycle, in which the other ops of a
          // row do about 32.
          constexpr int64_t kScalar = 4 * 32;
          countVec(op.getScale());
          each(kScalar * columns(op.getSrc()) * static_cast<int64_t>(op.getK()));
        })
        .Case<step::GeluOp, step::SoftcapOp, step::RopeTableOp>(
            [&](auto op) { each(8 * columns(op.getDst())); })
        .Case([&](step::SoftmaxOp op) { each(5 * columns(op.getDst())); })
        .Case([&](step::RopeOp op) { each(3 * columns(op.getDst())); })
        .Case([&](step::SelectTopOp op) { each(columns(op.getSrc())); })
        .Case([&](step::CombineOp op) { each(2 * columns(op.getSrc())); })
        .Case<step::AddOp, step::MulOp, step::ScaleOp>([&](auto op) { each(columns(op.getDst())); })
        .Default([](mlir::Operation *) {}); // copies, packing, cache writes: bytes only
  }

  step::PhaseOp phase;
  step::ProgramOp program;
  llvm::SetVector<mlir::Operation *> vecs;
  Cost cost;
};

struct StepCostPass : impl::StepCostBase<StepCostPass> {
  void runOnOperation() override {
    for (auto program : getOperation().getOps<step::ProgramOp>())
      for (auto entry : program.getOps<step::EntryOp>())
        for (auto phase : entry.getOps<step::PhaseOp>()) {
          const Cost cost = PhaseCost(phase, program).compute();
          const bool single =
              phase.getRows() == step::Rows::All ? entry.getRows() == 1 : entry.getBatch() == 1;
          phase.setBytes(cost.once + cost.bytes);
          phase.setFlops(cost.flops);
          phase.setRowBytes(single ? 0 : cost.bytes);
          phase.setRowFlops(single ? 0 : cost.flops);
        }
  }
};
} // namespace
