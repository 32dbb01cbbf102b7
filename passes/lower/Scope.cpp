// Where the tile ops of a region read and write. See Scope.h; the ops themselves are in RowOps.cpp.
#include "passes/lower/Scope.h"

#include "dialect/step/Layout.h"
#include "passes/lower/Names.h"

namespace gemmac::lower {

const View *Scope::find(mlir::Value value) const {
  if (auto local = phase.local.find(value); local != phase.local.end())
    return &local->second;
  auto shared = entry.views.find(value);
  return shared == entry.views.end() ? nullptr : &shared->second;
}

mlir::Value Scope::tileOf(mlir::Value buffer, int64_t offset, int64_t stride, int64_t width) {
  // A tile is a tile of a buffer: of a tile, it is one of the buffer behind it.
  if (auto outer = buffer.getDefiningOp<step::TileOp>())
    return tileOf(outer.getBuffer(), outer.getOffset() + offset, outer.getStride() + stride, width);
  auto type = llvm::cast<mlir::MemRefType>(buffer.getType());
  auto view = mlir::MemRefType::get({type.getDimSize(0), width}, type.getElementType(),
                                    mlir::MemRefLayoutAttrInterface(), type.getMemorySpace());
  return step::TileOp::create(b, phase.op.getLoc(), view, buffer, offset, stride, width);
}

mlir::FailureOr<mlir::Value> Scope::operand(mlir::Operation *user, mlir::Value value) {
  if (mlir::Value made = tiles.lookup(value))
    return made;
  if (mlir::Value known = memo.lookup(value))
    return known;
  const View *view = find(value);
  if (!view)
    return user->emitOpError("reads a value that no phase before it has made");
  mlir::Value result;
  switch (kind) {
  case Kind::Row:
  case Kind::Prologue:
    if (view->whole())
      result = view->buffer;
    else if (view->groups == 1)
      result = tileOf(view->buffer, view->offset, 0, view->width);
    else
      return user->emitOpError("reads pieces of ")
             << view->width << " columns that lie " << view->stride << " apart";
    break;
  case Kind::Group:
    result = tileOf(view->buffer, view->offset, view->stride, view->width);
    break;
  case Kind::Tile:
    result = tileOf(view->buffer, view->offset, tile.columns, tile.columns);
    break;
  }
  memo[value] = result;
  return result;
}

/// Somebody outside of the phase reads `value`, and not just its packed form.
bool Scope::isExternal(mlir::Value value) const {
  return entry.isExternal(phase, value) && !packedHere.contains(value);
}

/// A private buffer whose last reader is the op that makes `value`, if one of `reusable` lies in such.
mlir::Value Scope::reuse(mlir::Value value, llvm::ArrayRef<mlir::Value> reusable) {
  for (mlir::Value candidate : reusable) {
    if (phase.uses.lookup(candidate) != 1)
      continue;
    if (kind == Kind::Row || kind == Kind::Prologue) {
      auto local = phase.local.find(candidate);
      if (local == phase.local.end() || !local->second.whole() || local->second.groups != 1 ||
          phase.pinned.contains(local->second.buffer.getAsOpaquePointer()))
        continue;
      View view = local->second;
      phase.local[value] = view;
      return view.buffer;
    }
    mlir::Value made = tiles.lookup(candidate);
    if (!made || !llvm::cast<mlir::MemRefType>(made.getType()).getMemorySpace())
      continue;
    tiles[value] = made;
    return made;
  }
  return {};
}

/// A new buffer of `columns` for all of a row's `value` (kinds Row and Prologue).
mlir::Value Scope::place(mlir::Operation *op, mlir::Value value, int64_t columns, mlir::Type element) {
  bool isPrivate = kind == Kind::Prologue || !isExternal(value);
  mlir::Value buffer = isPrivate ? entry.makeBuffer(phase, phase.name, 1, columns, element, true)
                                 : entry.shared(phase, nameOf(op), columns, element);
  View view{buffer, 0, 1, 0, entry.widthOf(value)};
  (isPrivate ? phase.local : entry.views)[value] = view;
  return buffer;
}

mlir::Value Scope::destination(mlir::Operation *op, mlir::Value value, llvm::ArrayRef<mlir::Value> reusable) {
  mlir::Type element = mlir::getElementTypeOrSelf(value.getType());
  const int64_t width = entry.widthOf(value);
  const bool external = isExternal(value);
  if (kind == Kind::Prologue || !external)
    if (mlir::Value reused = reuse(value, reusable))
      return reused;
  if (kind == Kind::Row || kind == Kind::Prologue)
    return place(op, value, width, element);

  const int64_t columns = kind == Kind::Tile ? tile.columns : width;
  if (!external) {
    int64_t rows = kind == Kind::Tile ? tile.rows : 1;
    return tiles[value] = entry.makeBuffer(phase, phase.name, rows, columns, element, true);
  }
  int64_t groups = kind == Kind::Tile ? tile.groups : groupsOf(op);
  int64_t all = kind == Kind::Tile ? tile.tasks * columns : groups * columns;
  mlir::Value buffer = entry.shared(phase, nameOf(op), all, element);
  entry.views[value] = View{buffer, 0, groups, groups == 1 ? 0 : all / groups, width};
  return tiles[value] = all == columns ? buffer : tileOf(buffer, 0, columns, columns);
}

mlir::FailureOr<mlir::Value> Scope::pack(mlir::Operation *user, mlir::Value x, step::Act act,
                                         bool isPrivate) {
  const View *view = find(x);
  if (!view)
    return user->emitOpError("reads a value that no phase before it has made");
  int64_t k = view->groups == 1 ? view->width : view->stride;
  if (paddedK(k) != paddedK(view->width))
    return user->emitOpError("cannot pack vectors of ")
           << view->width << " columns that lie " << k << " apart";
  mlir::Value source = view->buffer;
  if (view->groups == 1 || !view->whole()) {
    mlir::FailureOr<mlir::Value> found = operand(user, x);
    if (mlir::failed(found))
      return mlir::failure();
    source = *found;
  }
  mlir::Type element = isByteAct(act) ? mlir::Type(b.getI8Type()) : mlir::Type(b.getF32Type());
  int64_t columns = view->groups * actColumns(act, k);
  mlir::Value buffer = entry.makeBuffer(
      phase, phase.name + ".act", isPrivate ? 1 : entry.rowCount(phase.rows), columns, element, isPrivate);
  step::PackOp::create(b, phase.op.getLoc(), buffer, source, act, view->groups);
  return buffer;
}

} // namespace gemmac::lower
