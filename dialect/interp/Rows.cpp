// take_rows.
#include "dialect/interp/Evaluation.h"

#include <algorithm>

using namespace gemmac;

static llvm::Error evalTakeRows(Evaluation &e, gemma::TakeRowsOp op) {
  const Tensor &x = e.get(op.getX()), &seq = e.get(op.getSeq());
  int64_t batch = static_cast<int64_t>(op.getBatch()), size = x.rowSize();
  Tensor y;
  y.shape = x.shape;
  y.shape.front() = batch;
  (x.i32.empty() ? y.f32.resize(static_cast<size_t>(batch * size))
                 : y.i32.resize(static_cast<size_t>(batch * size)));
  for (int64_t b = 0; b < batch; ++b) {
    int64_t r = seq.rows() - 1;
    while (r >= 0 && seq.i32[static_cast<size_t>(r)] != b)
      --r;
    if (r < 0)
      return opError(op, "sequence " + llvm::Twine(b) + " has no row");
    if (x.i32.empty())
      std::copy_n(x.f32.data() + r * size, size, y.f32.data() + b * size);
    else
      std::copy_n(x.i32.data() + r * size, size, y.i32.data() + b * size);
  }
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

void gemmac::addRowsHandlers(HandlerTable &table) { table.add<gemma::TakeRowsOp, evalTakeRows>(); }
