// step-top: a second decode entry that leaves behind the largest logits with their ids instead of all of
// them. The phases are those of decode but for the one that makes the logits, so both entries share their
// code.
#include "dialect/step/StepAccess.h"
#include "passes/lower/StepPasses.h"

#include "mlir/IR/Builders.h"

namespace gemmac {
#define GEN_PASS_DEF_STEPTOP
#include "passes/lower/StepPasses.h.inc"
} // namespace gemmac

using namespace gemmac;

namespace {
class TopEntry {
public:
  TopEntry(step::EntryOp entry, int64_t columns, int64_t k)
      : entry(entry), columns(columns), k(k), logits(step::logitsOf(entry)) {}

  void make();

private:
  /// The tiles of the logits through which their last phase writes them, one op each: whatever order tasks
  /// have, column j of task c's tile is column c * width + j. Empty if that phase writes in another way or
  /// also reads them elsewhere.
  llvm::SmallVector<step::TileOp> tilesOf(step::PhaseOp phase);
  void select(step::PhaseOp phase, mlir::Value src);
  void yield();
  void selectInside(step::PhaseOp phase, llvm::ArrayRef<step::TileOp> tiles);
  void selectBehind(step::PhaseOp phase);
  mlir::Value buffer(step::PhaseOp phase, llvm::StringRef name, int64_t width, mlir::Type element,
                     bool isPrivate);

  step::EntryOp entry;
  int64_t columns, k;
  step::BufferOp logits;
  mlir::Value values, ids;
};
} // namespace

llvm::SmallVector<step::TileOp> TopEntry::tilesOf(step::PhaseOp phase) {
  llvm::SmallVector<step::TileOp> tiles;
  if (phase.getByRow())
    return {};
  for (mlir::Operation *user : logits->getUsers()) {
    if (llvm::isa<step::YieldOp>(user))
      continue;
    auto tile = llvm::dyn_cast<step::TileOp>(user);
    if (!tile || tile->getParentOp() != phase || tile.getOffset() != 0 ||
        tile.getStride() != tile.getWidth() || (!tiles.empty() && tile.getWidth() != tiles[0].getWidth()))
      return {};
    tiles.push_back(tile);
  }
  return tiles;
}

mlir::Value TopEntry::buffer(step::PhaseOp phase, llvm::StringRef name, int64_t width, mlir::Type element,
                             bool isPrivate) {
  mlir::OpBuilder builder(phase);
  mlir::Attribute space = isPrivate ? builder.getStringAttr("private") : mlir::Attribute();
  auto type = mlir::MemRefType::get({1, width}, element, mlir::MemRefLayoutAttrInterface(), space);
  return step::BufferOp::create(builder, phase.getLoc(), type, name, mlir::IntegerAttr());
}

/// `src`: what each task of the phase leaves of the logits.
void TopEntry::select(step::PhaseOp phase, mlir::Value src) {
  mlir::OpBuilder builder = mlir::OpBuilder::atBlockEnd(&phase.getBody().front());
  values = buffer(phase, "top", k, builder.getF32Type(), false);
  ids = buffer(phase, "top.ids", k, builder.getI32Type(), false);
  step::SelectTopOp::create(builder, phase.getLoc(), values, ids, src, columns);
}

void TopEntry::yield() {
  mlir::Operation *old = entry.getBody().front().getTerminator();
  mlir::OpBuilder builder(old);
  step::YieldOp::create(builder, old->getLoc(), mlir::ValueRange{values, ids});
  old->erase();
}

/// The task's logits become private.
void TopEntry::selectInside(step::PhaseOp phase, llvm::ArrayRef<step::TileOp> tiles) {
  step::TileOp first = tiles.front();
  mlir::Value own = buffer(phase, (phase.getName() + ".tile").str(), first.getWidth(),
                           mlir::Float32Type::get(entry.getContext()), true);
  for (step::TileOp tile : tiles) {
    tile.getResult().replaceAllUsesWith(own);
    tile.erase();
  }
  select(phase, own);
  yield();
  logits.erase();
}

/// A phase of its own, of one task, that reads what the others have written.
void TopEntry::selectBehind(step::PhaseOp last) {
  mlir::OpBuilder builder(entry.getBody().front().getTerminator());
  step::BarrierOp::create(builder, last.getLoc());
  auto phase = step::PhaseOp::create(builder, last.getLoc(), "top", step::Rows::All, 1, /*by_row=*/false);
  for (mlir::Region *region : {&phase.getPrologue(), &phase.getBody()})
    if (region->empty())
      region->emplaceBlock();
  select(phase, logits.getResult());
  yield();
}

void TopEntry::make() {
  step::PhaseOp last = step::phasesOf(entry).back();
  llvm::SmallVector<step::TileOp> tiles = tilesOf(last);
  // Tasks of nothing but padding have nothing to select.
  const auto tasks = static_cast<int64_t>(last.getCols());
  if (tiles.empty() || (tasks - 1) * static_cast<int64_t>(tiles.front().getWidth()) >= columns)
    selectBehind(last);
  else
    selectInside(last, tiles);
  entry.setLogits(step::Logits::Top);
}

namespace {
struct StepTopPass : impl::StepTopBase<StepTopPass> {
  using StepTopBase::StepTopBase;

  void runOnOperation() override {
    if (candidates < 1) {
      getOperation().emitError("expected candidates of step-top to be at least 1, found ")
          << int64_t(candidates);
      return signalPassFailure();
    }
    auto vocab = getOperation()->getAttrOfType<mlir::IntegerAttr>("gemma.vocab");
    if (!vocab)
      return;
    for (auto program : getOperation().getOps<step::ProgramOp>())
      visit(program, vocab.getInt());
  }

private:
  void visit(step::ProgramOp program, int64_t vocab) {
    auto decode = program.lookupSymbol<step::EntryOp>("decode");
    if (!decode || decode.getRows() != 1 || decode.getLogits() != step::Logits::Last || vocab <= candidates ||
        program.lookupSymbol("decode_top"))
      return;
    const int64_t width = llvm::cast<mlir::MemRefType>(step::logitsOf(decode).getType()).getDimSize(1);
    if (step::phasesOf(decode).empty() || vocab > width)
      return;
    mlir::OpBuilder builder(decode);
    builder.setInsertionPointAfter(decode);
    auto entry = llvm::cast<step::EntryOp>(builder.clone(*decode));
    entry.setSymName("decode_top");
    TopEntry(entry, vocab, candidates).make();
    ++numEntries;
  }
};
} // namespace
