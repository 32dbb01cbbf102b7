// Products of many rows on AMX tiles: bf16 x bf16 -> f32, 32 rows x 32 columns at a time. Weights come from
// the same panels as everywhere; a block of 256 k of two panels is turned into bf16 tiles (16 KB, which with
// those of the next block stay in the first cache) and multiplied with all rows, whose block of k streams
// from the second. The next block is unpacked meanwhile: the tile unit and the vector units work side by
// side. Sums wait as tiles between the blocks. A tile of weights has a row for each pair of k: 16 columns x
// (k, k + 1).
#include "codegen/cpu/AmxTiles.h"
#include "codegen/cpu/PhaseEmitter.h"
#include "codegen/kernel/PanelReader.h"
#include "dialect/step/Layout.h"
#include "dialect/step/Verify.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

constexpr int64_t kBlockSuperblocks = kTileBlockK / kSuperblockK;
/// A superblock of a panel is unpacked in pieces of 8 k, so that multiplications go on in between.
constexpr int64_t kPieces = 8, kPieceK = kSuperblockK / kPieces;
/// Up to so many rows unpacking takes longer than multiplying: nothing is gained by doing both at once.
constexpr int64_t kFewRows = 64;
/// Superblocks of the two panels of a block.
constexpr int64_t kUnits = 2 * kBlockSuperblocks;

/// Turns a superblock of one panel into two tiles of bf16: k 0..31 at `to`, k 32..63 one pair of tiles
/// behind.
class TileUnpacker {
public:
  TileUnpacker(KernelBuilder &k, step::Format format) : k(k), format(format) {}

  void superblock(Value from, Value to) {
    for (int64_t i = 0; i < kPieces; ++i)
      piece(from, to, i);
  }
  /// k [8 i, 8 i + 8).
  void piece(Value from, Value to, int64_t i);

private:
  KernelBuilder &k;
  step::Format format;

  Value rowOf(Value to, int64_t pair) {
    return k.at(to, pair / kTileRows * 2 * kTileBytes + pair % kTileRows * 64);
  }
  void codes(Value from, Value to, int64_t i);
};

void TileUnpacker::codes(Value from, Value to, int64_t piece) {
  PanelReader reader(k, format);
  const PanelCodes &layout = reader.codes();
  const int64_t per = reader.perVector(), group = piece * kPieceK / layout.group();
  Value table = layout.bits == 4 ? reader.nibbleTable() : Value();
  Value scale = reader.scale(from, k.c(group));
  Value minimum = layout.minimum() ? reader.minimum(from, k.c(group)) : Value();
  for (int64_t vector = piece * kPieceK / per; vector < (piece + 1) * kPieceK / per; ++vector) {
    Value words = k.load(k.vec(k.i32()), k.at(from, vector * 64), 64);
    Value high = reader.highWidth() ? reader.highBits(from, k.c(vector), 0, 1) : Value();
    SmallVector<Value> x;
    for (int64_t i = 0; i < per; ++i) {
      Value code = reader.code(words, high, i, table);
      x.push_back(minimum ? k.fma(code, scale, minimum) : k.fmul(code, scale));
    }
    for (int64_t i = 0; i < per; i += 2)
      k.store(AmxTiles(k).pairs(x[i], x[i + 1]), rowOf(to, (vector * per + i) / 2), 64);
  }
}

void TileUnpacker::piece(Value from, Value to, int64_t i) {
  if (panelCodes(format))
    return codes(from, to, i);
  // f16p16 lies in pairs already.
  for (int64_t pair = i * kPieceK / 2; pair < (i + 1) * kPieceK / 2; ++pair) {
    Value at = k.at(from, pair * 64);
    auto half = [&](int64_t bytes) {
      return k.extf(k.load(k.vec(k.f16()), k.at(at, bytes), 32), k.vec(k.f32()));
    };
    k.store(AmxTiles(k).narrow(half(0), half(32)), rowOf(to, pair), 64);
  }
}

/// One product. Whole blocks of pairs of panels are the bulk of it: there the next block is unpacked, and the
/// one after it fetched, while the rows are multiplied with this one. What is left over (a last block of less
/// than 256 k, a single last panel) is unpacked first and then multiplied.
class TileNest {
public:
  TileNest(KernelBuilder &k, const TileMatmulArgs &args, step::Format format)
      : k(k), args(args), format(format), tiles(k), bytes(superblockBytes(format)),
        panelBytes(k.mul(args.superblocks, bytes)), line(k.c(64)) {}

  void run();

private:
  KernelBuilder &k;
  const TileMatmulArgs &args;
  step::Format format;
  AmxTiles tiles;
  int64_t bytes; ///< of a superblock
  Value panelBytes, line;
  Value pairs, total; ///< pairs of panels; whole blocks of them, which count block of k by block of k

  /// A block of k of one or two panels.
  struct Block {
    Value panel, first, count; ///< superblocks [first, first + count)
    int64_t wide;
    bool isFirst;              ///< of its panels
    SmallVector<Value> packed; ///< per panel
    Value tiles;               ///< of bf16
  };
  /// What is done for the next blocks beside multiplying row group g: unit g of the next is unpacked.
  struct Ahead {
    SmallVector<Value> from, fetch; ///< per panel: of the next block, and of the one after it
    Value to;
  };

  /// bf16p16 is made of tiles: no unpacking.
  bool direct() const { return format == step::Format::BF16P16; }
  Value packedAt(Value panel, Value first) {
    return k.at(args.weights, k.add(k.mul(panel, panelBytes), k.mul(first, bytes)));
  }
  Value unitTiles(Value to, Value unit) {
    return k.at(to, k.add(k.mul(k.div(unit, 2), 4 * kTileBytes), k.mul(k.rem(unit, 2), kTileBytes)));
  }
  SmallVector<Value> packedOf(Value index);
  void unpack(const Block &block);
  Value weightTile(const Block &block, Value superblock, int64_t tile, int64_t p);
  SmallVector<Value> multiply(const Block &block, Value act, Value superblock, ValueRange sums,
                              llvm::function_ref<void(int64_t)> between);
  void rowGroup(const Block &block, Value row, const Ahead *ahead);
  void simple(Value panel, int64_t wide, Value first, Value count, bool isFirst);
  void wholeBlock(Value index, bool isFirst);
  void leftOver(Value from, Value to, int64_t wide, Value whole);
};

/// The panels of whole block `index`, from its first superblock on.
SmallVector<Value> TileNest::packedOf(Value index) {
  Value panel = k.mul(k.rem(index, pairs), 2), first = k.mul(k.div(index, pairs), kBlockSuperblocks);
  return {packedAt(panel, first), packedAt(k.add(panel, 1), first)};
}

void TileNest::unpack(const Block &block) {
  if (direct())
    return;
  k.loop(k.c(0), block.count, 1, [&](Value s) {
    for (int64_t p = 0; p < block.wide; ++p)
      TileUnpacker(k, format).superblock(k.at(block.packed[p], k.mul(s, bytes)),
                                         k.at(block.tiles, k.add(k.mul(s, 4 * kTileBytes), p * kTileBytes)));
  });
}

Value TileNest::weightTile(const Block &block, Value superblock, int64_t tile, int64_t p) {
  Value at = direct()
                 ? k.at(block.packed[p], k.add(k.mul(superblock, bytes), tile * kTileBytes))
                 : k.at(block.tiles, k.add(k.mul(superblock, 4 * kTileBytes), (tile * 2 + p) * kTileBytes));
  return tiles.load(at, line);
}

/// 32 rows x a superblock; `between` stands in each of its two steps of 32 k, with multiplications before and
/// behind it.
SmallVector<Value> TileNest::multiply(const Block &block, Value act, Value superblock, ValueRange sums,
                                      llvm::function_ref<void(int64_t)> between) {
  SmallVector<Value> next(sums);
  for (int64_t tile = 0; tile < kSuperblockK / kTileK; ++tile) {
    SmallVector<Value> w;
    for (int64_t p = 0; p < block.wide; ++p)
      w.push_back(weightTile(block, superblock, tile, p));
    for (int64_t half = 0; half < 2; ++half) {
      Value a = tiles.load(
          k.at(act, k.add(k.mul(superblock, 4 * kTileBytes), (tile * 2 + half) * kTileBytes)), line);
      for (int64_t p = 0; p < block.wide; ++p)
        next[half * block.wide + p] = tiles.multiply(next[half * block.wide + p], a, w[p]);
      if (between && half == 0)
        between(tile);
    }
  }
  return next;
}

/// Rows [row, row + 32) times a block. Between blocks of k sums wait as whole tiles, one behind the other;
/// behind the last they go to `dst`.
void TileNest::rowGroup(const Block &block, Value row, const Ahead *ahead) {
  Value act = k.at(args.act, k.mul(block.first, k.mul(args.actRows, kSuperblockK * 2)));
  Value x = k.at(act, k.mul(k.div(row, kTileRowGroup), k.mul(block.count, 4 * kTileBytes)));
  Value dst = k.at(args.dst, k.add(k.mul(row, args.dstLd), k.mul(block.panel, kLanes * 4)));
  Value waiting = k.at(
      args.scratch, k.add(k.mul(k.add(k.mul(block.panel, args.actRows), k.mul(row, 2)), 64), kTileScratch));
  auto waitAt = [&](int64_t half, int64_t p) { return k.at(waiting, (half * 2 + p) * kTileBytes); };
  SmallVector<Value> sums;
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t p = 0; p < block.wide; ++p)
      sums.push_back(block.isFirst ? tiles.zero() : tiles.load(waitAt(half, p), line));
  if (ahead) {
    Value unit = k.div(row, kTileRowGroup), odd = k.eq(k.rem(unit, 2), k.c(1));
    Value offset = k.mul(k.div(unit, 2), bytes);
    Value from = k.at(k.select(odd, ahead->from[1], ahead->from[0]), offset);
    Value fetch = k.at(k.select(odd, ahead->fetch[1], ahead->fetch[0]), offset);
    Value to = unitTiles(ahead->to, unit);
    for (int64_t s = 0; s < kBlockSuperblocks; ++s)
      sums = multiply(block, x, k.c(s), sums, [&](int64_t tile) {
        const int64_t piece = s * 2 + tile;
        if (!direct())
          TileUnpacker(k, format).piece(from, to, piece);
        for (int64_t at = roundUp(piece * bytes / kPieces, 64); at < (piece + 1) * bytes / kPieces; at += 64)
          LLVM::Prefetch::create(k.builder(), k.location(), k.at(fetch, at), /*rw=*/0, /*hint=*/2,
                                 /*cache=*/1);
      });
  } else {
    sums = k.loop(k.c(0), block.count, 1, sums,
                  [&](Value s, ValueRange now) { return multiply(block, x, s, now, {}); });
  }
  Value isLast = k.eq(k.add(block.first, block.count), args.superblocks);
  Value stride = k.select(isLast, args.dstLd, line);
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t p = 0; p < block.wide; ++p) {
      Value to = k.at(dst, k.add(k.mul(args.dstLd, half * kTileRows), p * kLanes * 4));
      tiles.store(sums[half * block.wide + p], k.select(isLast, to, waitAt(half, p)), stride);
    }
}

/// Unpacked first and then multiplied.
void TileNest::simple(Value panel, int64_t wide, Value first, Value count, bool isFirst) {
  Block block{panel, first, count, wide, isFirst, {}, args.scratch};
  for (int64_t p = 0; p < wide; ++p)
    block.packed.push_back(packedAt(k.add(panel, p), first));
  unpack(block);
  k.loop(k.c(0), args.rows, kTileRowGroup, [&](Value row) { rowGroup(block, row, nullptr); });
}

/// Whole block `index`, which lies unpacked in one half of the scratch memory already; leaves the next in the
/// other half (the last one leaves itself).
void TileNest::wholeBlock(Value index, bool isFirst) {
  Value last = k.add(total, -1);
  auto half = [&](Value i) { return k.at(args.scratch, k.mul(k.rem(i, 2), kTileBlockBytes)); };
  Block block{k.mul(k.rem(index, pairs), 2),
              k.mul(k.div(index, pairs), kBlockSuperblocks),
              k.c(kBlockSuperblocks),
              2,
              isFirst,
              packedOf(index),
              half(index)};
  Ahead ahead{packedOf(k.mins(k.add(index, 1), last)), packedOf(k.mins(k.add(index, 2), last)),
              half(k.add(index, 1))};
  Value beside = k.mins(args.rows, k.c(kUnits * kTileRowGroup));
  k.loop(k.c(0), beside, kTileRowGroup, [&](Value row) { rowGroup(block, row, &ahead); });
  k.loop(k.c(kUnits * kTileRowGroup), args.rows, kTileRowGroup,
         [&](Value row) { rowGroup(block, row, nullptr); });
  if (direct())
    return;
  // With few rows units are left to be unpacked, if there is a next block.
  Value done = k.div(k.add(beside, kTileRowGroup - 1), kTileRowGroup);
  Value end = k.select(k.lt(index, last), k.c(kUnits), done);
  k.loop(done, end, 1, [&](Value unit) {
    Value odd = k.eq(k.rem(unit, 2), k.c(1));
    Value from = k.at(k.select(odd, ahead.from[1], ahead.from[0]), k.mul(k.div(unit, 2), bytes));
    TileUnpacker(k, format).superblock(from, unitTiles(ahead.to, unit));
  });
}

/// Panels [from, to), `wide` at a time, from superblock `whole` on.
void TileNest::leftOver(Value from, Value to, int64_t wide, Value whole) {
  auto rest = [&](Value first) { return k.mins(k.c(kBlockSuperblocks), k.sub(args.superblocks, first)); };
  k.loop(from, to, wide, [&](Value panel) {
    k.ifThen(k.eq(whole, k.c(0)), [&] { simple(panel, wide, k.c(0), rest(k.c(0)), true); });
    Value next = k.maxs(whole, k.mins(k.c(kBlockSuperblocks), args.superblocks));
    k.loop(next, args.superblocks, kBlockSuperblocks,
           [&](Value first) { simple(panel, wide, first, rest(first), false); });
  });
}

void TileNest::run() {
  pairs = k.div(args.panels, 2);
  // Few rows are done before the next block is unpacked.
  Value many = k.lt(k.c(kFewRows), args.rows);
  Value blocks = k.select(many, k.div(args.superblocks, kBlockSuperblocks), k.c(0));
  total = k.mul(pairs, blocks);
  k.ifThen(k.lt(k.c(0), total), [&] {
    Block start{k.c(0), k.c(0), k.c(kBlockSuperblocks), 2, true, packedOf(k.c(0)), args.scratch};
    unpack(start);
    k.loop(k.c(0), pairs, 1, [&](Value index) { wholeBlock(index, true); });
    k.loop(pairs, total, 1, [&](Value index) { wholeBlock(index, false); });
  });
  Value paired = k.mul(pairs, 2);
  leftOver(k.c(0), paired, 2, k.mul(blocks, kBlockSuperblocks));
  leftOver(paired, args.panels, 1, k.c(0));
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

TasksAtOnce tileTasksAtOnce(step::PhaseOp phase, const SymbolTable &symbols) {
  constexpr int64_t kColumns = 128, kTasks = 12; // wide enough; still enough tasks to share
  // Activations that the second cache does not hold come from far for every turn: there more columns pay.
  constexpr int64_t kNearBytes = 1 << 20, kFarColumns = 640;
  step::MatmulOp product = onlyProduct(phase);
  if (!product)
    return {};
  auto weight = symbols.lookup<step::WeightOp>(product.getWeight());
  const auto tasks = static_cast<int64_t>(phase.getCols());
  const int64_t tuned = tuningOf(product).columns, most = tuned ? tuned : kColumns;
  int64_t count = 1;
  while (2 * count * static_cast<int64_t>(weight.getTile()) <= most && tasks / (2 * count) >= kTasks)
    count *= 2;
  const bool near = step::rowsOf(product.getAct()) * paddedK(weight.getK()) * 2 <= kNearBytes;
  const int64_t wide = std::min(tasks, kFarColumns / static_cast<int64_t>(weight.getTile()));
  return {count, near || tuned ? count : std::max(count, wide)};
}

Value tileTasksAtOnce(PhaseEmitter &e, TasksAtOnce atOnce) {
  constexpr int64_t kTurns = 4; // of each worker: one that is held up leaves the others something to take
  KernelBuilder &k = e.k;
  if (atOnce.least == atOnce.most)
    return k.c(atOnce.most);
  Value turns = k.mul(e.stepField(Workers, k.i64()), kTurns);
  Value share = k.div(k.add(k.c(static_cast<int64_t>(e.phase.getCols()) - 1), turns), turns);
  return k.maxs(k.c(atOnce.least), k.mins(k.c(atOnce.most), share));
}

int64_t tileMatmulScratch(step::MatmulOp op, const SymbolTable &symbols) {
  if (op.getFormat() != step::Act::BF16T)
    return 0;
  auto phase = op->getParentOfType<step::PhaseOp>();
  auto weight = symbols.lookup<step::WeightOp>(op.getWeight());
  const int64_t columns = static_cast<int64_t>(weight.getTile()) * tileTasksAtOnce(phase, symbols).most;
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
  return defined(name, "pippiiiip", [&](KernelBuilder &k, ValueRange a) {
    TileMatmulArgs args{a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]};
    TileNest(k, args, format).run();
  });
}

} // namespace gemmac::cpu
