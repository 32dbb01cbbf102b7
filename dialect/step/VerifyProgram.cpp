// Verifies a program as a whole: caches large enough for every entry, an arena in which caches overlap
// nothing, weights that do not overlap, and a scratch that holds the private buffers.
#include "dialect/step/Layout.h"
#include "dialect/step/Verify.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace gemmac::step;

LogicalResult ProgramOp::verify() {
  int64_t context = getContext(), chunk = getChunk(), batch = getBatch();
  if (context <= 0 || chunk <= 0 || batch <= 0 || context > (int64_t(1) << 40))
    return emitOpError() << "context is " << context << ", chunk " << chunk << " and batch " << batch
                         << ", expected all at least 1 and context at most 2^40";
  for (auto [name, value] : {std::pair<StringRef, IntegerAttr>("arena_bytes", getArenaBytesAttr()),
                             std::pair<StringRef, IntegerAttr>("scratch_bytes", getScratchBytesAttr()),
                             std::pair<StringRef, IntegerAttr>("weight_bytes", getWeightBytesAttr())})
    if (value && value.getInt() < 0)
      return emitOpError() << name << " is " << value.getInt() << ", expected at least 0";
  return success();
}

/// C2 of step.cache: what a chunk's first row still sees is not overwritten by its last row.
static LogicalResult verifySlots(ProgramOp program, CacheOp cache) {
  int64_t rows = 1, context = program.getContext(), window = cache.getWindow(), slots = cache.getSlots();
  for (EntryOp entry : program.getOps<EntryOp>())
    rows = std::max<int64_t>(rows, entry.getRows());
  int64_t needed = context;
  if (window > 0 && rows < context && window - 1 < context - rows)
    needed = window - 1 + rows;
  if (slots >= needed)
    return success();
  InFlightDiagnostic diagnostic = cache.emitOpError() << "slots is " << slots << ", expected at least "
                                                      << needed << " for context " << context;
  if (window > 0)
    diagnostic << ", window " << window << " and " << rows << " rows";
  return failure();
}

namespace {
/// A piece of the arena, of the scratch or of the weights.
struct Piece {
  Operation *op;
  std::string name;
  int64_t offset, size;

  bool overlaps(const Piece &other) const {
    return offset <= other.offset ? other.offset - offset < size : offset - other.offset < other.size;
  }
};
} // namespace

/// The halves of the caches whose offsets are set; failure if one is larger than 2^62 bytes.
static LogicalResult cachePieces(ProgramOp program, SmallVectorImpl<Piece> &pieces) {
  for (CacheOp cache : program.getOps<CacheOp>()) {
    int64_t size = int64_t(cache.getHeads()) * cache.getSlots();
    if (llvm::MulOverflow(size, gemmac::cacheRowBytes(cache.getType(), cache.getHeadDim()), size) ||
        llvm::MulOverflow<int64_t>(size, program.getBatch(), size) || size > (int64_t(1) << 62))
      return cache.emitOpError() << "holds more than 2^62 bytes, expected fewer for batch "
                                 << int64_t(program.getBatch());
    if (cache.getKOffset())
      pieces.push_back({cache, "K of @" + cache.getSymName().str(), int64_t(*cache.getKOffset()), size});
    if (cache.getVOffset())
      pieces.push_back({cache, "V of @" + cache.getSymName().str(), int64_t(*cache.getVOffset()), size});
  }
  return success();
}

static LogicalResult verifyDisjoint(const Piece &piece, const Piece &other) {
  if (!piece.overlaps(other))
    return success();
  InFlightDiagnostic diagnostic = piece.op->emitOpError()
                                  << piece.name << " of bytes [" << piece.offset << ", " << piece.offset
                                  << " + " << piece.size << ") overlaps " << other.name << " of bytes ["
                                  << other.offset << ", " << other.offset << " + " << other.size << ")";
  diagnostic.attachNote(other.op->getLoc()) << "other is here";
  return failure();
}

static LogicalResult verifyInside(const Piece &piece, StringRef what, std::optional<uint64_t> bytes) {
  if (!bytes || (piece.size <= int64_t(*bytes) && piece.offset <= int64_t(*bytes) - piece.size))
    return success();
  return piece.op->emitOpError() << piece.name << " of bytes [" << piece.offset << ", " << piece.offset
                                 << " + " << piece.size << ") ends behind the " << what << " of "
                                 << int64_t(*bytes) << " bytes";
}

/// C4
static LogicalResult verifyWeights(ProgramOp program) {
  SmallVector<Piece> pieces;
  for (WeightOp weight : program.getOps<WeightOp>())
    if (weight.getOffset() && weight.getBytes())
      pieces.push_back({weight, "@" + weight.getSymName().str(), int64_t(*weight.getOffset()),
                        int64_t(*weight.getBytes())});
  llvm::stable_sort(pieces, [](const Piece &a, const Piece &b) { return a.offset < b.offset; });
  for (auto [index, piece] : llvm::enumerate(pieces)) {
    if (failed(verifyInside(piece, "weights", program.getWeightBytes())))
      return failure();
    // In order of their offsets, the first two that overlap are neighbours.
    if (index > 0 && failed(verifyDisjoint(piece, pieces[index - 1])))
      return failure();
  }
  return success();
}

/// C3, and C5 for the private buffers.
static LogicalResult verifyArena(ProgramOp program) {
  SmallVector<Piece> caches;
  if (failed(cachePieces(program, caches)))
    return failure();
  for (auto [index, piece] : llvm::enumerate(caches)) {
    if (failed(verifyInside(piece, "arena", program.getArenaBytes())))
      return failure();
    for (const Piece &other : llvm::ArrayRef<Piece>(caches).take_front(index))
      if (failed(verifyDisjoint(piece, other)))
        return failure();
  }
  for (EntryOp entry : program.getOps<EntryOp>())
    for (BufferOp buffer : entry.getOps<BufferOp>()) {
      if (!buffer.getOffset())
        continue;
      Piece piece{buffer, bufferName(buffer.getResult()), int64_t(*buffer.getOffset()),
                  *checkedBytes(buffer.getType())};
      if (isPrivate(buffer.getResult())) {
        if (failed(verifyInside(piece, "scratch", program.getScratchBytes())))
          return failure();
        continue;
      }
      if (failed(verifyInside(piece, "arena", program.getArenaBytes())))
        return failure();
      for (const Piece &cache : caches)
        if (failed(verifyDisjoint(piece, cache)))
          return failure();
    }
  return success();
}

LogicalResult ProgramOp::verifyRegions() {
  for (Operation &op : getBody().front())
    if (!isa<WeightOp, CacheOp, EntryOp>(op))
      return op.emitOpError() << "stands in a step.program, expected only weights, caches and entries";
  for (CacheOp cache : getOps<CacheOp>())
    if (failed(verifySlots(*this, cache)))
      return failure();
  return success(succeeded(verifyWeights(*this)) && succeeded(verifyArena(*this)));
}
