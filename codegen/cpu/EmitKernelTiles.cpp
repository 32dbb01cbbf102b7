// Products of many rows on AMX tiles: bf16 x bf16 -> f32, 32 rows x 32 columns at a time. Weights come from
// the same panels as everywhere; a block of 256 k of two panels is turned into bf16 tiles (16 KB, which stay
// in the first cache) and multiplied with all rows, whose block of k streams from the second. Sums wait
// as tiles between the blocks. A tile of weights has a row for each pair of k: 16 columns x (k, k + 1).
#include "codegen/cpu/AmxTiles.h"
#include "codegen/cpu/PanelReader.h"
#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"
#include "dialect/step/Verify.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

constexpr int64_t kBlockSuperblocks = kTileBlockK / kSuperblockK;

/// Turns a superblock of one panel into two tiles of bf16: k 0..31 at `to`, k 32..63 one pair of tiles
/// behind.
class TileUnpacker {
public:
  TileUnpacker(KernelBuilder &k, step::Format format) : k(k), format(format) {}

  void superblock(Value from, Value to);

private:
  KernelBuilder &k;
  step::Format format;

  Value rowOf(Value to, int64_t pair) {
    return k.at(to, pair / kTileRows * 2 * kTileBytes + pair % kTileRows * 64);
  }
  /// Elements k of 16 columns and their k + 1 -> pairs.
  void storePair(Value even, Value odd, Value to, int64_t pair) {
    SmallVector<int32_t> mask;
    for (int32_t lane = 0; lane < 16; ++lane)
      mask.append({lane, lane + 16});
    Value both = k.bitcast(AmxTiles(k).narrow(even, odd), k.vec(k.i16(), 32));
    k.store(k.shuffle(both, both, mask), rowOf(to, pair), 64);
  }
  void codes(Value from, Value to);
};

void TileUnpacker::codes(Value from, Value to) {
  PanelReader reader(k, format);
  const PanelCodes &layout = reader.codes();
  const int64_t per = reader.perVector(), vectors = layout.group() / per;
  Value table = layout.bits == 4 ? reader.nibbleTable() : Value();
  for (int64_t g = 0; g < kSuperblockK / layout.group(); ++g) {
    Value scale = reader.scale(from, k.c(g));
    Value minimum = layout.minimum() ? reader.minimum(from, k.c(g)) : Value();
    for (int64_t vector = g * vectors; vector < (g + 1) * vectors; ++vector) {
      Value words = k.load(k.vec(k.i32()), k.at(from, vector * 64), 64);
      Value high = reader.highWidth() ? reader.highBits(from, k.c(vector), 0, 1) : Value();
      SmallVector<Value> x;
      for (int64_t i = 0; i < per; ++i) {
        Value code = reader.code(words, high, i, table);
        x.push_back(minimum ? k.fma(code, scale, minimum) : k.fmul(code, scale));
      }
      for (int64_t i = 0; i < per; i += 2)
        storePair(x[i], x[i + 1], to, (vector * per + i) / 2);
    }
  }
}

void TileUnpacker::superblock(Value from, Value to) {
  if (panelCodes(format))
    return codes(from, to);
  // f16p16 lies in pairs already.
  for (int64_t pair = 0; pair < kSuperblockK / 2; ++pair) {
    Value at = k.at(from, pair * 64);
    auto half = [&](int64_t bytes) {
      return k.extf(k.load(k.vec(k.f16()), k.at(at, bytes), 32), k.vec(k.f32()));
    };
    k.store(AmxTiles(k).narrow(half(0), half(32)), rowOf(to, pair), 64);
  }
}

class TileNest {
public:
  TileNest(KernelBuilder &k, const TileMatmulArgs &args, step::Format format)
      : k(k), args(args), format(format), tiles(k),
        panelBytes(k.mul(args.superblocks, superblockBytes(format))) {}

  void run();

private:
  KernelBuilder &k;
  const TileMatmulArgs &args;
  step::Format format;
  AmxTiles tiles;
  Value panelBytes;

  /// bf16p16 is made of tiles: no unpacking.
  bool direct() const { return format == step::Format::BF16P16; }
  void block(Value first, Value count, bool isFirst);
  void panels(Value panel, int64_t wide, Value first, Value count, bool isFirst);
};

/// `wide` panels (1 or 2), superblocks [first, first + count), all rows.
void TileNest::panels(Value panel, int64_t wide, Value first, Value count, bool isFirst) {
  const int64_t bytes = superblockBytes(format);
  SmallVector<Value> from;
  for (int64_t p = 0; p < wide; ++p)
    from.push_back(k.at(args.weights, k.add(k.mul(k.add(panel, p), panelBytes), k.mul(first, bytes))));
  if (!direct())
    k.loop(k.c(0), count, 1, [&](Value s) {
      for (int64_t p = 0; p < wide; ++p)
        TileUnpacker(k, format).superblock(
            k.at(from[p], k.mul(s, bytes)),
            k.at(args.scratch, k.add(k.mul(s, 4 * kTileBytes), p * kTileBytes)));
    });
  Value rows = k.mul(args.actRows, kSuperblockK * 2); // bytes of a superblock of all rows
  Value act = k.at(args.act, k.mul(first, rows));
  Value groupBytes = k.mul(count, 4 * kTileBytes), line = k.c(64);
  Value isLast = k.eq(k.add(first, count), args.superblocks);
  k.loop(k.c(0), args.rows, kTileRowGroup, [&](Value row) {
    Value x = k.at(act, k.mul(k.div(row, kTileRowGroup), groupBytes));
    Value dst = k.at(args.dst, k.add(k.mul(row, args.dstLd), k.mul(panel, kLanes * 4)));
    // Between blocks of k sums wait as whole tiles, one behind the other; behind the last they go to `dst`.
    Value waiting =
        k.at(args.scratch, k.add(k.mul(k.add(k.mul(panel, args.actRows), k.mul(row, 2)), 64), kTileScratch));
    auto waitAt = [&](int64_t half, int64_t p) { return k.at(waiting, (half * 2 + p) * kTileBytes); };
    SmallVector<Value> sums;
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t p = 0; p < wide; ++p)
        sums.push_back(isFirst ? tiles.zero() : tiles.load(waitAt(half, p), line));
    sums = k.loop(k.c(0), count, 1, sums, [&](Value s, ValueRange now) {
      SmallVector<Value> next(now);
      for (int64_t tile = 0; tile < kSuperblockK / kTileK; ++tile) {
        SmallVector<Value> w;
        for (int64_t p = 0; p < wide; ++p)
          w.push_back(tiles.load(
              direct() ? k.at(from[p], k.add(k.mul(s, bytes), tile * kTileBytes))
                       : k.at(args.scratch, k.add(k.mul(s, 4 * kTileBytes), (tile * 2 + p) * kTileBytes)),
              line));
        for (int64_t half = 0; half < 2; ++half) {
          Value a =
              tiles.load(k.at(x, k.add(k.mul(s, 4 * kTileBytes), (tile * 2 + half) * kTileBytes)), line);
          for (int64_t p = 0; p < wide; ++p)
            next[half * wide + p] = tiles.multiply(next[half * wide + p], a, w[p]);
        }
      }
      return next;
    });
    Value stride = k.select(isLast, args.dstLd, line);
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t p = 0; p < wide; ++p) {
        Value to = k.at(dst, k.add(k.mul(args.dstLd, half * kTileRows), p * kLanes * 4));
        tiles.store(sums[half * wide + p], k.select(isLast, to, waitAt(half, p)), stride);
      }
  });
}

void TileNest::block(Value first, Value count, bool isFirst) {
  Value pairs = k.mul(k.div(args.panels, 2), 2);
  k.loop(k.c(0), pairs, 2, [&](Value panel) { panels(panel, 2, first, count, isFirst); });
  k.ifThen(k.lt(pairs, args.panels), [&] { panels(pairs, 1, first, count, isFirst); });
}

void TileNest::run() {
  Value whole = k.c(kBlockSuperblocks);
  block(k.c(0), k.mins(whole, args.superblocks), true);
  k.loop(whole, args.superblocks, kBlockSuperblocks,
         [&](Value first) { block(first, k.mins(whole, k.sub(args.superblocks, first)), false); });
}

} // namespace

/// The product of a phase without anything else, whose tasks write neighbouring columns.
static step::MatmulOp onlyProduct(step::PhaseOp phase) {
  if (phase.getByRow())
    return {};
  step::MatmulOp product;
  for (Operation &op : phase.getBody().front()) {
    if (isa<step::TileOp>(op))
      continue;
    if (product || !isa<step::MatmulOp>(op))
      return {};
    product = cast<step::MatmulOp>(op);
  }
  if (!product || product.getFormat() != step::Act::BF16T)
    return {};
  auto tile = product.getDst().getDefiningOp<step::TileOp>();
  return tile && tile.getStride() == tile.getWidth() ? product : step::MatmulOp();
}

int64_t tileTasksAtOnce(step::PhaseOp phase, const SymbolTable &symbols) {
  constexpr int64_t kColumns = 128, kTasks = 12; // wide enough; still enough tasks to share
  step::MatmulOp product = onlyProduct(phase);
  if (!product)
    return 1;
  auto weight = symbols.lookup<step::WeightOp>(product.getWeight());
  const auto tasks = static_cast<int64_t>(phase.getCols());
  int64_t count = 1;
  while (2 * count * static_cast<int64_t>(weight.getTile()) <= kColumns && tasks / (2 * count) >= kTasks)
    count *= 2;
  return count;
}

int64_t tileMatmulScratch(step::MatmulOp op, const SymbolTable &symbols) {
  if (op.getFormat() != step::Act::BF16T)
    return 0;
  auto phase = op->getParentOfType<step::PhaseOp>();
  auto weight = symbols.lookup<step::WeightOp>(op.getWeight());
  const int64_t columns = static_cast<int64_t>(weight.getTile()) * tileTasksAtOnce(phase, symbols);
  return kTileScratch + step::rowsOf(op.getAct()) * roundUp(columns, 2 * kPanelRows) * 4;
}

void emitTileMatmul(PhaseEmitter &e, step::MatmulOp op, Value first, Value count) {
  KernelBuilder &k = e.k;
  e.column = first;
  View to = e.view(op.getDst()), act = e.view(op.getAct());
  WeightView w = e.weight(op.getWeight());
  Value panels = k.at(w.base, k.mul(first, taskBytes(w.op)));
  func::CallOp::create(k.builder(), k.location(), e.library.tileMatmul(w.op.getFormat()),
                       ValueRange{act.base, k.c(step::rowsOf(op.getAct())), panels, to.base, k.c(to.ld),
                                  e.liveRows, k.c(paddedK(w.op.getK()) / kSuperblockK),
                                  k.mul(count, w.op.getTile() / kPanelRows), e.extraScratch()});
}

func::FuncOp KernelLibrary::tileMatmul(step::Format format) {
  std::string name = ("matmul_" + stringifyFormat(format) + "_bf16t").str();
  func::FuncOp &function = functions[name];
  if (function)
    return function;
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = IntegerType::get(context, 64);
  function = declare(name, {pointer, i64, pointer, pointer, i64, i64, i64, i64, pointer}, /*exported=*/false);
  OpBuilder builder = OpBuilder::atBlockBegin(function.addEntryBlock());
  KernelBuilder k(builder, function.getLoc(), target);
  auto a = function.getArguments();
  TileMatmulArgs args{a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]};
  TileNest(k, args, format).run();
  func::ReturnOp::create(builder, function.getLoc());
  return function;
}

} // namespace gemmac::cpu
