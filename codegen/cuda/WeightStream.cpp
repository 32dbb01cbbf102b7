// See WeightStream.h.
#include "codegen/cuda/WeightStream.h"

#include "codegen/kernel/PhaseScope.h"
#include "dialect/step/Layout.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace gemmac::cuda {

namespace {

/// Large enough for copies at full rate, small enough that some are under way while one is read.
constexpr int64_t kSlotBytes = 16 << 10, kMostStages = 8;
/// In front of the slots: full and empty of each, then how many slots each warp has taken.
constexpr int64_t kBarrierBytes = 2 * 8 * kMostStages, kTakenBytes = 4 * kWarps;
/// What a TMA copy asks of its addresses, and enough for vectors.
constexpr int64_t kSlotAlign = 128;
constexpr const char *kTable = "weight_stream";

/// i64 of a phase in the table (columns, tasks dealt before, its segments' first and last + 1), and of a
/// segment.
constexpr int64_t kPhaseFields = 4, kSegmentFields = 7;

bool isStreamed(step::MatmulOp op, const SymbolTable &symbols) {
  auto weight = symbols.lookup<step::WeightOp>(op.getWeight());
  return op.getFormat() != step::Act::BF16T && StreamedProduct(weight).fits();
}

} // namespace

StreamedProduct::StreamedProduct(step::WeightOp weight)
    : format(weight.getFormat()), panels(static_cast<int64_t>(weight.getTile()) / kPanelRows),
      inputs(weight.getK()) {}

int64_t StreamedProduct::superblocks() const { return paddedK(inputs) / kSuperblockK; }

int64_t StreamedProduct::leastBytes() const { return panels * parts() * superblockBytes(format); }

int64_t StreamedProduct::superblocksInSlot(int64_t slotBytes) const {
  return std::min(slotBytes / leastBytes() * parts(), roundUp(superblocks(), parts()));
}

std::optional<WeightStream> WeightStream::plan(step::EntryOp entry, const SymbolTable &symbols,
                                               const GpuTarget &target, int64_t base) {
  if (entry.getRows() != 1)
    return std::nullopt;
  WeightStream stream;
  stream.slotBytes = kSlotBytes;
  for (auto phase : entry.getBody().getOps<step::PhaseOp>())
    phase.getBody().walk([&](step::MatmulOp op) {
      if (!isStreamed(op, symbols))
        return;
      stream.products.insert(op);
      const StreamedProduct product(symbols.lookup<step::WeightOp>(op.getWeight()));
      stream.slotBytes = std::max(stream.slotBytes, product.leastBytes());
    });
  stream.slotBytes = roundUp(stream.slotBytes, kSlotAlign);
  stream.barriersAt = roundUp(base, kSlotAlign);
  stream.slotsAt = roundUp(stream.barriersAt + kBarrierBytes + kTakenBytes, kSlotAlign);
  stream.stages = std::min(kMostStages, (target.sharedBytes - stream.slotsAt) / stream.slotBytes);
  stream.bulk = target.bulkCopy;
  if (stream.products.empty() || stream.stages < 2)
    return std::nullopt;
  int64_t before = 0;
  for (auto phase : entry.getBody().getOps<step::PhaseOp>()) {
    PhaseSegments made{static_cast<int64_t>(phase.getCols()), before, {}};
    phase.getBody().walk<WalkOrder::PreOrder>([&](step::MatmulOp op) {
      if (!stream.streams(op))
        return;
      auto within = op->getParentOfType<step::CaseOp>();
      auto weight = symbols.lookup<step::WeightOp>(op.getWeight());
      const StreamedProduct product(weight);
      made.segments.push_back(
          {within ? static_cast<int64_t>(within.getBegin()) : 0,
           within ? static_cast<int64_t>(within.getEnd()) : made.columns,
           static_cast<int64_t>(*weight.getOffset()), gemmac::taskBytes(weight), product.panels,
           gemmac::panelBytes(product.format, product.inputs),
           product.superblocksInSlot(stream.slotBytes) * superblockBytes(product.format)});
    });
    if (made.segments.empty())
      continue;
    stream.dealt[phase] = before;
    before += made.columns;
    stream.phases.push_back(std::move(made));
  }
  return stream;
}

Value firstTaskOf(BlockBuilder &k, Value dealt) {
  Value block = k.trunc(k.block(), k.i32()), blocks = k.trunc(k.blocks(), k.i32());
  Value behind = k.sub(block, k.rem(k.trunc(dealt, k.i32()), blocks));
  Value wrapped = k.select(k.lt(behind, k.cint(k.i32(), 0)), k.add(behind, blocks), behind);
  return k.zext(wrapped, k.i64());
}

Value WeightStream::full(BlockBuilder &k, Value slot) const {
  Value place = k.zext(k.rem(slot, stages), k.i64());
  return k.inShared(k.at(k.shared(barriersAt), k.mul(place, 8)));
}

Value WeightStream::empty(BlockBuilder &k, Value slot) const {
  Value place = k.zext(k.rem(slot, stages), k.i64());
  return k.inShared(k.at(k.shared(barriersAt + 8 * kMostStages), k.mul(place, 8)));
}

void WeightStream::begin(BlockBuilder &k) const {
  OpBuilder &b = k.builder();
  Location loc = k.location();
  k.once([&] {
    for (int64_t stage = 0; stage < stages; ++stage) {
      Value slot = k.cint(k.i32(), stage);
      // cp.async.bulk: the one arrival that says how many bytes come; cp.async: each lane's.
      NVVM::MBarrierInitOp::create(b, loc, full(k, slot), k.cint(k.i32(), bulk ? 1 : kWarp), Value());
      NVVM::MBarrierInitOp::create(b, loc, empty(k, slot), k.cint(k.i32(), kWarps), Value());
    }
    if (bulk)
      NVVM::FenceMbarrierInitOp::create(b, loc);
  });
  k.ifThen(k.lt(k.thread(), k.c(kWarps)), [&] {
    k.store(k.cint(k.i32(), 0), k.at(k.shared(barriersAt + kBarrierBytes), k.mul(k.thread(), 4)));
  });
  k.syncWithLoader();
}

/// Until the phase of `barrier` with `parity` is complete.
void WeightStream::wait(BlockBuilder &k, Value barrier, Value parity) const {
  OpBuilder &b = k.builder();
  Location loc = k.location();
  auto loop = scf::WhileOp::create(b, loc, TypeRange{}, ValueRange{});
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&loop.getBefore());
  Value done = bulk ? NVVM::MBarrierTryWaitOp::create(b, loc, k.i1(), barrier, parity, Value()).getRes()
                    : NVVM::MBarrierTestWaitOp::create(b, loc, k.i1(), barrier, parity).getRes();
  scf::ConditionOp::create(b, loc, arith::XOrIOp::create(b, loc, done, k.cint(k.i1(), 1)), ValueRange{});
  b.createBlock(&loop.getAfter());
  scf::YieldOp::create(b, loc);
}

Value WeightStream::take(BlockBuilder &k, Value slot) const {
  wait(k, full(k, slot), k.andi(k.div(slot, stages), 1));
  return k.at(k.shared(slotsAt), k.mul(k.zext(k.rem(slot, stages), k.i64()), slotBytes));
}

void WeightStream::giveBack(BlockBuilder &k, Value slot) const {
  k.syncWarp(); // all lanes have read it
  k.ifThen(k.eq(k.lane(), k.c(0)), [&] {
    NVVM::MBarrierArriveOp::create(k.builder(), k.location(), k.i64(), empty(k, slot), Value());
  });
}

Value WeightStream::taken(BlockBuilder &k) const {
  return k.load(k.i32(), k.at(k.shared(barriersAt + kBarrierBytes), k.mul(k.warp(), 4)));
}

void WeightStream::setTaken(BlockBuilder &k, Value count) const {
  k.syncWarp(); // all lanes have read the old one
  k.ifThen(k.eq(k.lane(), k.c(0)),
           [&] { k.store(count, k.at(k.shared(barriersAt + kBarrierBytes), k.mul(k.warp(), 4))); });
}

std::string WeightStream::emitTable(gpu::GPUModuleOp module) const {
  SmallVector<int64_t> values;
  int64_t first = 0;
  for (const PhaseSegments &phase : phases) {
    const auto count = static_cast<int64_t>(phase.segments.size());
    values.append({phase.columns, phase.dealt, first, first + count});
    first += count;
  }
  for (const PhaseSegments &phase : phases)
    for (const Segment &s : phase.segments)
      values.append({s.begin, s.end, s.offset, s.taskBytes, s.panels, s.panelBytes, s.runBytes});
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto count = static_cast<int64_t>(values.size());
  auto data =
      DenseElementsAttr::get(RankedTensorType::get({count}, builder.getI64Type()), ArrayRef<int64_t>(values));
  LLVM::GlobalOp::create(builder, module.getLoc(),
                         LLVM::LLVMArrayType::get(builder.getI64Type(), values.size()),
                         /*isConstant=*/true, LLVM::Linkage::Internal, kTable, data, /*alignment=*/64);
  return kTable;
}

/// The run of superblocks from byte `run` of each panel on, by the whole warp. `runBytes`: of a panel, what
/// the slot has of each.
void WeightStream::copyRun(BlockBuilder &k, Value from, Value run, Value slot, Value panels, Value panelBytes,
                           Value runBytes) const {
  OpBuilder &b = k.builder();
  Location loc = k.location();
  Value bytes = k.mins(runBytes, k.sub(panelBytes, run)), barrier = full(k, slot);
  Value to = k.at(k.shared(slotsAt), k.mul(k.zext(k.rem(slot, stages), k.i64()), slotBytes));
  Value source = k.at(from, run);
  if (bulk) {
    Value bytes32 = k.trunc(bytes, k.i32());
    k.ifThen(k.eq(k.lane(), k.c(0)), [&] {
      NVVM::MBarrierArriveExpectTxOp::create(b, loc, TypeRange{}, barrier,
                                             k.trunc(k.mul(bytes, panels), k.i32()), NVVM::MemScopeKind::CTA,
                                             false, Value());
    });
    k.syncWarp();
    k.loop(k.lane(), panels, kWarp, [&](Value panel) {
      Type cluster = LLVM::LLVMPointerType::get(b.getContext(), 7);
      Value place =
          LLVM::AddrSpaceCastOp::create(b, loc, cluster, k.inShared(k.at(to, k.mul(panel, runBytes))));
      NVVM::CpAsyncBulkGlobalToSharedClusterOp::create(b, loc, place,
                                                       k.inGlobal(k.at(source, k.mul(panel, panelBytes))),
                                                       barrier, bytes32, Value(), Value());
    });
    return;
  }
  k.loop(k.c(0), panels, 1, [&](Value panel) {
    Value panelFrom = k.at(source, k.mul(panel, panelBytes)), panelTo = k.at(to, k.mul(panel, runBytes));
    k.loop(k.mul(k.lane(), 16), bytes, kWarp * 16, [&](Value byte) {
      NVVM::CpAsyncOp::create(b, loc, k.inShared(k.at(panelTo, byte)), k.inGlobal(k.at(panelFrom, byte)), 16,
                              NVVM::LoadCacheModifierKind::CG, Value());
    });
  });
  NVVM::CpAsyncMBarrierArriveOp::create(b, loc, barrier, /*noinc=*/true);
}

void WeightStream::emitLoader(BlockBuilder &k, Value gmStep, gpu::GPUModuleOp module) const {
  Value table = LLVM::AddressOfOp::create(k.builder(), k.location(), k.ptr(), emitTable(module));
  Value weights = k.load(k.ptr(), k.at(gmStep, kernel::Weights)), blocks = k.blocks();
  auto fields = [&](Value index, int64_t behind, int64_t count) {
    Value at = k.at(table, k.add(k.mul(index, count * 8), behind));
    SmallVector<Value> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(k.load(k.i64(), k.at(at, i * 8)));
    return values;
  };
  const auto count = static_cast<int64_t>(phases.size());
  Value none = k.cint(k.i32(), 0);
  k.loop(k.c(0), k.c(count), 1, ValueRange{none}, [&](Value phase, ValueRange slot) {
    SmallVector<Value> p = fields(phase, 0, kPhaseFields);
    Value start = firstTaskOf(k, p[1]);
    // Steps of the number of blocks, which no constant is: count them.
    Value tasks = k.div(k.add(k.sub(k.maxs(p[0], start), start), k.add(blocks, -1)), blocks);
    return k.loop(k.c(0), tasks, 1, slot, [&](Value turn, ValueRange slot) {
      Value task = k.add(start, k.mul(turn, blocks));
      return k.loop(p[2], p[3], 1, slot, [&](Value segment, ValueRange slot) {
        SmallVector<Value> s = fields(segment, count * kPhaseFields * 8, kSegmentFields);
        Value inside = k.andi(k.ge(task, s[0]), k.lt(task, s[1]));
        Value from = k.at(weights, k.add(s[2], k.mul(k.sub(task, s[0]), s[3])));
        Value runs = k.div(k.add(k.add(s[5], s[6]), -1), s[6]);
        return k.loop(k.c(0), k.select(inside, runs, k.c(0)), 1, slot, [&](Value run, ValueRange slot) {
          Value round = k.div(slot[0], stages);
          k.ifThen(k.ge(round, k.cint(k.i32(), 1)),
                   [&] { wait(k, empty(k, slot[0]), k.andi(k.add(round, -1), 1)); });
          copyRun(k, from, k.mul(run, s[6]), slot[0], s[4], s[5], s[6]);
          return SmallVector<Value>{k.add(slot[0], 1)};
        });
      });
    });
  });
}

} // namespace gemmac::cuda
