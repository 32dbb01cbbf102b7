// Verifiers of packing and of the products: what fits which weight, and which column tasks compute it.
#include "dialect/step/KernelTuning.h"
#include "dialect/step/Layout.h"
#include "dialect/step/Verify.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace gemmac::step;

/// A buffer holds `groups` packed vectors of k inputs.
static LogicalResult verifyPacked(Operation *op, StringRef what, Value buffer, Act act, int64_t k,
                                  int64_t groups) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  const bool bytes = gemmac::isByteAct(act);
  if (bytes ? !element.isInteger(8) : !element.isF32())
    return op->emitOpError() << what << " has elements of " << element << ", expected "
                             << (bytes ? "i8" : "f32") << " for " << stringifyAct(act) << " activations";
  if (act == Act::BF16T && !isa_and_nonnull<BufferOp>(buffer.getDefiningOp()))
    return op->emitOpError() << what << " is a part of a buffer, expected a whole one for bf16t activations";
  auto type = cast<MemRefType>(buffer.getType());
  if (act == Act::BF16T &&
      (type.getShape()[0] % gemmac::kTileRowGroup != 0 || type.getMemorySpace() || groups != 1))
    return op->emitOpError() << what << " has " << type.getShape()[0] << " rows"
                             << (type.getMemorySpace() ? " of private memory" : "") << " for " << groups
                             << " groups, expected a multiple of " << gemmac::kTileRowGroup
                             << " shared rows and one group for bf16t activations";
  std::optional<int64_t> columns = packedColumns(act, k, groups);
  if (columns && columnsOf(buffer) == *columns)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError()
                                  << what << " has " << columnsOf(buffer) << " columns, expected ";
  if (columns)
    diagnostic << *columns;
  else
    diagnostic << "fewer than 2^63";
  diagnostic << " for " << groups << " packed " << stringifyAct(act) << " vectors of " << k;
  return failure();
}

LogicalResult PackOp::verify() {
  int64_t groups = getGroups(), columns = columnsOf(getSrc());
  if (groups <= 0 || columns % groups != 0)
    return emitOpError() << "groups is " << groups << ", expected a positive divisor of the " << columns
                         << " columns of src";
  return verifyPacked(*this, "dst", getDst(), getAct(), columns / groups, groups);
}

LogicalResult PackTileOp::verify() {
  if (getAct() != Act::I8 && getAct() != Act::BF16T)
    return emitOpError() << "packs as " << stringifyAct(getAct()) << ", expected i8 or bf16t";
  Place place = placeOf(*this);
  if (place.prologue || place.phase.getByRow())
    return emitOpError() << "stands in " << (place.prologue ? "a prologue" : "a phase that is by_row")
                         << ", expected in the body of a phase that is not";
  if (!isa_and_nonnull<BufferOp>(getDst().getDefiningOp()) || isPrivate(getDst()))
    return emitOpError() << "dst is " << (isPrivate(getDst()) ? "private" : "a part of a buffer")
                         << ", expected a whole shared buffer";
  const int64_t width = columnsOf(getSrc()), tasks = place.end - place.begin;
  int64_t k;
  if (width % kScaleGroup != 0 || llvm::MulOverflow(width, tasks, k) || k % kSuperblockK != 0)
    return emitOpError() << "src has " << width << " columns in " << tasks
                         << " tasks, expected a multiple of " << kScaleGroup << ", and of " << kSuperblockK
                         << " in all";
  return verifyPacked(*this, "dst", getDst(), getAct(), k, 1);
}

/// The weight's format and experts suit the product.
static LogicalResult verifyProductWeight(Operation *op, WeightOp weight, Act act, bool experts) {
  Format format = weight.getFormat();
  bool fits = isPanelFormat(format) && (int64_t(weight.getExperts()) > 0) == experts;
  fits &= act != Act::I8 || hasCodes(format);
  fits &= act != Act::BF16T || format != Format::F32P16;
  if (fits)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError()
                                  << "weight @" << weight.getSymName() << " is " << stringifyFormat(format)
                                  << " with " << int64_t(weight.getExperts()) << " experts, expected "
                                  << (act == Act::I8      ? "a quantised p16 format"
                                      : act == Act::BF16T ? "a p16 format other than f32p16"
                                                          : "a p16 format")
                                  << " with " << (experts ? "some" : "none") << " for " << stringifyAct(act)
                                  << " activations";
  diagnostic.attachNote(weight.getLoc()) << "weight defined here";
  return failure();
}

/// The column tasks that run `op` are slots * n / tile.
static LogicalResult verifyTasks(Operation *op, WeightOp weight, int64_t slots) {
  Place place = placeOf(op);
  int64_t n = weight.getN(), tile = weight.getTile(), tasks = place.end - place.begin, expected;
  if (!llvm::MulOverflow(n / tile, slots, expected) && expected == tasks)
    return success();
  return op->emitOpError() << "runs in " << tasks << " column tasks, expected " << slots << " * " << n
                           << " / " << tile << " = slots * n / tile of weight @" << weight.getSymName();
}

LogicalResult MatmulOp::verify() {
  if (placeOf(*this).prologue)
    return emitOpError() << "stands in a prologue, expected in a phase's body";
  if (getFormat() != Act::BF16T)
    return success();
  if ((*this)->getParentOfType<PhaseOp>().getByRow())
    return emitOpError() << "stands in a by_row phase, expected one of column tasks for bf16t activations";
  if (rowsOf(getDst()) != rowsOf(getAct()))
    return emitOpError() << "dst has " << rowsOf(getDst()) << " rows, expected the " << rowsOf(getAct())
                         << " of the bf16t activations";
  return success();
}

LogicalResult MatmulOp::verifySymbolUses(SymbolTableCollection &symbols) {
  WeightOp weight = lookupWeight(*this, symbols, getWeightAttr(), "weight");
  if (!weight || failed(verifyProductWeight(*this, weight, getFormat(), false)) ||
      failed(verifyPacked(*this, "act", getAct(), getFormat(), weight.getK(), 1)) ||
      failed(verifyColumns(*this, "dst", getDst(), "tile of the weight", weight.getTile())) ||
      failed(verifyStreams(*this, weight)))
    return failure();
  return verifyTasks(*this, weight, 1);
}

LogicalResult ExpertMatmulOp::verify() {
  Place place = placeOf(*this);
  if (place.prologue || !place.phase.getByRow())
    return emitOpError() << "stands in " << (place.prologue ? "a prologue" : "a phase that is not by_row")
                         << ", expected in the body of a by_row phase";
  int64_t slots = getSlots();
  if (slots <= 0)
    return emitOpError() << "slots is " << slots << ", expected at least 1";
  auto entry = (*this)->getParentOfType<EntryOp>();
  if (getFormat() == Act::BF16T &&
      (place.phase.getRows() != Rows::All || entry.getRows() % gemmac::kTileRowGroup))
    return emitOpError() << "stands in a phase of rows(" << stringifyRows(place.phase.getRows())
                         << ") of an entry of " << entry.getRows()
                         << " rows, expected rows(all) of a multiple of " << gemmac::kTileRowGroup
                         << " for bf16t activations";
  if (getFormat() == Act::BF16T && groupedExperts(place.phase) != *this)
    return emitOpError()
           << "as bf16t shares its phase with a prologue, a case, attention or another op before it, "
              "expected it to come first, followed by ops on the task's own columns";
  return verifyColumns(*this, "indices", getIndices(), "slots", slots);
}

/// `buffer`, and the private ones that are published to it.
static llvm::SmallPtrSet<Operation *, 4> sourcesOf(BufferOp buffer) {
  llvm::SmallPtrSet<Operation *, 4> sources{buffer.getOperation()};
  buffer->getParentOp()->walk([&](PublishOp publish) {
    if (bufferOf(publish.getDst()) == buffer)
      sources.insert(bufferOf(publish.getSrc()).getOperation());
  });
  return sources;
}

/// Whoever writes the indices of `product` chooses among at most the weight's experts. Buffers of i32 are
/// written by top_k, by publish, which hands on what a private one has of it, and by select_top, whose ids
/// are of no experts and may be -1.
static LogicalResult verifyIndices(ExpertMatmulOp product, WeightOp weight) {
  BufferOp indices = bufferOf(product.getIndices());
  const llvm::SmallPtrSet<Operation *, 4> sources = sourcesOf(indices);
  int64_t experts = weight.getExperts();
  WalkResult result = indices->getParentOp()->walk([&](SelectTopOp writer) {
    if (!sources.contains(bufferOf(writer.getIds()).getOperation()))
      return WalkResult::advance();
    InFlightDiagnostic diagnostic = product.emitOpError() << "indices are ids of step.select_top, expected "
                                                             "those of step.top_k";
    diagnostic.attachNote(writer.getLoc()) << "indices written here";
    return WalkResult::interrupt();
  });
  if (result.wasInterrupted())
    return failure();
  result = indices->getParentOp()->walk([&](TopKOp writer) {
    int64_t choices = columnsOf(writer.getSrc());
    if (!sources.contains(bufferOf(writer.getIndices()).getOperation()) || choices <= experts)
      return WalkResult::advance();
    InFlightDiagnostic diagnostic = product.emitOpError()
                                    << "indices are of " << choices << " experts, expected at most the "
                                    << experts << " of weight @" << weight.getSymName();
    diagnostic.attachNote(writer.getLoc()) << "indices written here";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult ExpertMatmulOp::verifySymbolUses(SymbolTableCollection &symbols) {
  WeightOp weight = lookupWeight(*this, symbols, getWeightAttr(), "weight");
  int64_t slots = getSlots();
  if (!weight || failed(verifyProductWeight(*this, weight, getFormat(), true)) ||
      failed(verifyPacked(*this, "act", getAct(), gemmac::expertAct(getFormat()), weight.getK(),
                          getActPerSlot() ? slots : 1)) ||
      failed(verifyColumns(*this, "dst", getDst(), "tile of the weight", weight.getTile())) ||
      failed(verifyStreams(*this, weight)) || failed(verifyTasks(*this, weight, slots)))
    return failure();
  return verifyIndices(*this, weight);
}
