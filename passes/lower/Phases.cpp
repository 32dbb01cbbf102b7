// Pieces that every phase is made of: rows, buffers, and what a product needs before it. See EntryLowering.h.
#include "dialect/step/Layout.h"
#include "passes/lower/Names.h"
#include "passes/lower/Scope.h"

namespace gemmac::lower {

using mlir::failed;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;
using mlir::Value;

bool isIndexOp(mlir::Operation *op) {
  auto take = llvm::dyn_cast<gemma::TakeRowsOp>(op);
  return take && llvm::cast<mlir::RankedTensorType>(take.getResult().getType()).getRank() == 1;
}

int64_t groupsOf(mlir::Operation *op) {
  auto type = op->getNumResults() ? llvm::dyn_cast<mlir::RankedTensorType>(op->getResult(0).getType())
                                  : mlir::RankedTensorType();
  return type && type.getRank() == 3 ? type.getDimSize(1) : 1;
}

Split splitGroup(llvm::ArrayRef<mlir::Operation *> ops, llvm::ArrayRef<mlir::Operation *> cores) {
  Split split;
  split.cores.assign(cores.begin(), cores.end());
  llvm::SmallPtrSet<mlir::Operation *, 16> ofCores(cores.begin(), cores.end()), ofOthers;
  for (mlir::Operation *op : ops) {
    if (llvm::is_contained(cores, op))
      continue;
    auto dependsOn = [&](auto &set) {
      return llvm::any_of(op->getOperands(),
                          [&](Value value) { return set.contains(value.getDefiningOp()); });
    };
    if (isProduct(op) || dependsOn(ofOthers)) {
      ofOthers.insert(op);
      split.others.push_back(op);
    } else if (dependsOn(ofCores)) {
      ofCores.insert(op);
      split.after.push_back(op);
    } else {
      split.pre.push_back(op);
    }
  }
  return split;
}

step::Rows EntryLowering::rowsOf(mlir::Operation *op) const {
  if (decode)
    return step::Rows::All;
  mlir::Type type = op->getNumResults() ? op->getResult(0).getType() : mlir::Type();
  if (auto update = llvm::dyn_cast<gemma::CacheUpdateOp>(op))
    type = update.getK().getType();
  auto tensor = llvm::dyn_cast_or_null<mlir::RankedTensorType>(type);
  return tensor && !tensor.isDynamicDim(0) ? step::Rows::Last : step::Rows::All;
}

int64_t EntryLowering::rowCount(step::Rows kind) const { return kind == step::Rows::All ? rows : batch; }

int64_t EntryLowering::widthOf(Value value) const {
  auto type = llvm::cast<mlir::RankedTensorType>(value.getType());
  int64_t last = type.getShape().back();
  return mlir::ShapedType::isDynamic(last) ? roundUp(info.options.context, 16) : last;
}

Phase EntryLowering::beginPhase(llvm::StringRef name, step::Rows kind, int64_t cols, bool byRow,
                                mlir::Location loc) {
  if (phases++ > 0)
    step::BarrierOp::create(builder, loc);
  Phase phase;
  phase.rows = kind;
  phase.name = name.str();
  if (int seen = ++names[name]; seen > 1)
    phase.name += "." + std::to_string(seen);
  phase.op = step::PhaseOp::create(builder, loc, phase.name, kind, cols, byRow);
  for (mlir::Region *region : {&phase.op.getPrologue(), &phase.op.getBody()})
    if (region->empty())
      region->emplaceBlock();
  return phase;
}

void EntryLowering::setInside(Phase &phase, llvm::ArrayRef<mlir::Operation *> ops) {
  for (mlir::Operation *op : ops) {
    if (!phase.inside.insert(op).second)
      continue;
    llvm::SmallPtrSet<void *, 4> seen;
    for (Value value : op->getOperands())
      if (seen.insert(value.getAsOpaquePointer()).second)
        ++phase.uses[value];
  }
}

bool EntryLowering::isExternal(const Phase &phase, Value value) const {
  if (phase.handedOn.contains(value.getAsOpaquePointer()))
    return true;
  for (mlir::OpOperand &use : value.getUses()) {
    mlir::Operation *user = use.getOwner();
    if (phase.inside.contains(user)) {
      // A slice is a view of its source.
      if (auto slice = llvm::dyn_cast<gemma::SliceOp>(user); slice && isExternal(phase, slice.getResult()))
        return true;
      continue;
    }
    if (llvm::isa<gemma::YieldOp>(user) && user->getParentOp()->getResult(use.getOperandNumber()).use_empty())
      continue;
    return true;
  }
  return false;
}

Value EntryLowering::makeBuffer(const Phase &phase, llvm::StringRef name, int64_t rowsOfBuffer,
                                int64_t columns, mlir::Type element, bool isPrivate) {
  step::PhaseOp op = phase.op;
  mlir::OpBuilder before(op);
  mlir::Attribute space = isPrivate ? before.getStringAttr("private") : mlir::Attribute();
  auto type =
      mlir::MemRefType::get({rowsOfBuffer, columns}, element, mlir::MemRefLayoutAttrInterface(), space);
  return step::BufferOp::create(before, op.getLoc(), type, name, mlir::IntegerAttr());
}

Value EntryLowering::shared(const Phase &phase, llvm::StringRef name, int64_t columns, mlir::Type element) {
  return makeBuffer(phase, name, rowCount(phase.rows), columns, element ? element : builder.getF32Type(),
                    false);
}

Value EntryLowering::privateTile(const Phase &phase, int64_t rowsOfTile, int64_t columns) {
  return makeBuffer(phase, phase.name + ".tile", rowsOfTile, columns, builder.getF32Type(), true);
}

/// A buffer that holds `value` and nothing else, as attention reads it: copied there if it is a part of one.
FailureOr<Value> EntryLowering::wholeBuffer(mlir::Operation *user, Value value) {
  auto found = views.find(value);
  if (found == views.end())
    return user->emitOpError("reads a value that no phase before it has made");
  if (found->second.whole())
    return found->second.buffer;
  View view = found->second;
  if (view.groups != 1)
    return user->emitOpError("reads pieces of ")
           << view.width << " columns that lie " << view.stride << " apart";
  Phase phase = beginPhase(nameOf(user) + ".copy", rowsOf(user), 1, true, user->getLoc());
  Scope scope(*this, phase, Scope::Kind::Row, phase.op.getBody().front());
  FailureOr<Value> source = scope.operand(user, value);
  if (failed(source))
    return failure();
  Value copy = makeBuffer(phase, phase.name, rowCount(phase.rows), view.width, builder.getF32Type(), false);
  step::CopyOp::create(scope.builder(), user->getLoc(), copy, *source);
  views[value] = View{copy, 0, 1, 0, view.width};
  return copy;
}

FailureOr<llvm::StringRef> EntryLowering::cacheOf(mlir::Operation *user, Value kv) const {
  auto found = kvs.find(kv);
  if (found == kvs.end())
    return user->emitOpError("reads a cache that no cache_update before it has made");
  return found->second;
}

Value EntryLowering::Packed::of(step::Act act) const {
  for (auto &[have, buffer] : buffers)
    if (have == act)
      return buffer;
  return {};
}

/// Leaves in `pre` what the phase of the product itself (or the phase that packs for it) can compute:
/// row-wise ops on the product's rows. What stands before those becomes phases of its own.
LogicalResult EntryLowering::beforeProduct(Ops &pre, llvm::ArrayRef<mlir::Operation *> cores,
                                           llvm::StringRef name) {
  const step::Rows kind = rowsOf(cores.front());
  const bool prologue = rowCount(kind) == 1;
  // A prologue runs once for every worker: it must not write caches.
  auto fits = [&](mlir::Operation *op) {
    return rowsOf(op) == kind && groupsOf(op) == 1 && !(prologue && llvm::isa<gemma::CacheUpdateOp>(op));
  };
  auto last = pre.end();
  while (last != pre.begin() && fits(*std::prev(last)))
    --last;
  Ops earlier(pre.begin(), last);
  pre.erase(pre.begin(), last);
  if (earlier.empty())
    return success();
  return lowerChain(earlier, (name + ".before").str());
}

/// Slices of what lies in shared buffers: nothing is computed, a slice is a view of where its source lies.
LogicalResult EntryLowering::noteSlices(llvm::ArrayRef<mlir::Operation *> slices) {
  for (mlir::Operation *op : slices) {
    auto slice = llvm::cast<gemma::SliceOp>(op);
    auto source = views.find(slice.getX());
    if (source == views.end())
      return op->emitOpError("reads a value that no phase before it has made");
    View part = source->second;
    part.offset += static_cast<int64_t>(slice.getOffset());
    part.width = static_cast<int64_t>(slice.getSize());
    views[slice.getResult()] = part;
  }
  return success();
}

FailureOr<EntryLowering::Packed> EntryLowering::packInPrologue(Phase &phase,
                                                               llvm::ArrayRef<mlir::Operation *> pre, Value x,
                                                               llvm::ArrayRef<step::Act> acts) {
  Scope scope(*this, phase, Scope::Kind::Prologue, phase.op.getPrologue().front());
  if (failed(scope.emitAll(pre)))
    return failure();
  Packed result;
  for (step::Act act : acts) {
    FailureOr<Value> buffer = scope.pack(phase.op, x, act, true);
    if (failed(buffer))
      return failure();
    result.buffers.emplace_back(act, *buffer);
  }
  return result;
}

/// Who reads `value`, out of the fusions that yield it too.
static void addReaders(Value value, Ops &readers) {
  for (mlir::OpOperand &use : value.getUses())
    if (llvm::isa<gemma::YieldOp>(use.getOwner()))
      addReaders(use.getOwner()->getParentOp()->getResult(use.getOperandNumber()), readers);
    else
      readers.push_back(use.getOwner());
}

std::optional<step::Act> EntryLowering::packedByTasks(const Phase &phase, Value value, int64_t columns,
                                                      int64_t tasks) const {
  auto type = llvm::dyn_cast<mlir::RankedTensorType>(value.getType());
  if (!type || type.getRank() != 2)
    return std::nullopt;
  const int64_t count = rowCount(phase.rows), width = type.getDimSize(1);
  // Tasks of a weight that is padded hold more columns than the value.
  if (count == 1 || columns % kScaleGroup != 0 || tasks * columns != width || width % kSuperblockK != 0)
    return std::nullopt;
  Ops readers;
  addReaders(value, readers);
  std::optional<step::Act> form;
  for (mlir::Operation *user : readers) {
    if (phase.inside.contains(user))
      continue;
    auto linear = llvm::dyn_cast<gemma::LinearOp>(user);
    if (!linear || rowsOf(linear) != phase.rows)
      return std::nullopt;
    const step::Act act = info.weights.act(info.weights.format(linear.getWeight()), count);
    if (form.value_or(act) != act || !isByteAct(act))
      return std::nullopt;
    form = act;
  }
  return form;
}

Value EntryLowering::packedBuffer(const Phase &phase, Value value, step::Act act) {
  Value buffer = shared(phase, phase.name + ".act", actColumns(act, widthOf(value)), builder.getI8Type());
  packed[{value.getAsOpaquePointer(), act}] = buffer;
  return buffer;
}

FailureOr<EntryLowering::Packed> EntryLowering::packInPhase(llvm::ArrayRef<mlir::Operation *> pre,
                                                            llvm::ArrayRef<mlir::Operation *> cores, Value x,
                                                            llvm::ArrayRef<step::Act> acts,
                                                            llvm::StringRef name) {
  auto known = [&](step::Act act) { return packed.find({x.getAsOpaquePointer(), act}); };
  bool needed = llvm::any_of(pre, [](mlir::Operation *op) { return !llvm::isa<gemma::SliceOp>(op); });
  const bool chain = needed;
  for (step::Act act : acts)
    needed |= known(act) == packed.end();
  Packed result;
  Phase phase;
  if (needed) {
    phase = beginPhase((name + (chain ? ".rows" : ".pack")).str(), rowsOf(cores.front()), 1, true,
                       cores.front()->getLoc());
    setInside(phase, pre);
    setInside(phase, cores);
    for (mlir::Operation *core : cores) // only their x is packed; a choice of experts is read as it is
      for (Value operand : core->getOperands())
        if (operand != x)
          phase.handedOn.insert(operand.getAsOpaquePointer());
    Scope scope(*this, phase, Scope::Kind::Row, phase.op.getBody().front());
    if (failed(scope.emitAll(pre)))
      return failure();
    for (step::Act act : acts) {
      if (known(act) != packed.end())
        continue;
      FailureOr<Value> buffer = scope.pack(phase.op, x, act, false);
      if (failed(buffer))
        return failure();
      packed[{x.getAsOpaquePointer(), act}] = *buffer;
    }
  } else if (failed(noteSlices(pre))) {
    return failure();
  }
  for (step::Act act : acts)
    result.buffers.emplace_back(act, known(act)->second);
  return result;
}

} // namespace gemmac::lower
