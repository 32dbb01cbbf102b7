// embed and linear.
#include "dialect/interp/Evaluation.h"

#include <algorithm>

using namespace gemmac;

template <typename T> static double dotOf(const T *a, const T *b, int64_t n) {
  double part[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j)
      part[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
  for (; i < n; ++i)
    part[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

double gemmac::dot(const double *a, const double *b, int64_t n) { return dotOf(a, b, n); }
double gemmac::dot(const float *a, const float *b, int64_t n) { return dotOf(a, b, n); }

static llvm::Error evalEmbed(Evaluation &e, gemma::EmbedOp op) {
  gemma::WeightOp table = e.weight(op.getTableAttr());
  const Tensor &tokens = e.get(op.getTokens());
  int64_t columns = table.getShape()[1];
  double scale = op.getScale().convertToDouble();
  Tensor y = Tensor::ofFloats({tokens.rows(), columns});
  for (int64_t r = 0; r < tokens.rows(); ++r) {
    int64_t token = tokens.i32[static_cast<size_t>(r)];
    if (token < 0 || token >= table.getShape()[0])
      return opError(op, "token " + llvm::Twine(token) + " is not in [0, " +
                             llvm::Twine(table.getShape()[0]) + ")");
    auto row = e.weights().rows(table, token, 1);
    if (!row)
      return row.takeError();
    for (int64_t c = 0; c < columns; ++c)
      y.row(r)[c] = static_cast<float>(scale * (*row)[static_cast<size_t>(c)]);
  }
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

static llvm::Error evalLinear(Evaluation &e, gemma::LinearOp op) {
  gemma::WeightOp weight = e.weight(op.getWeightAttr());
  const Tensor &x = e.get(op.getX());
  int64_t n = weight.getShape()[0], k = weight.getShape()[1];
  Tensor y = Tensor::ofFloats({x.rows(), n});
  std::vector<double> wide(x.f32.begin(), x.f32.end()), w(static_cast<size_t>(k));
  for (int64_t first = 0, block = e.weights().blockRows(weight); first < n; first += block) {
    int64_t count = std::min(block, n - first);
    auto rows = e.weights().rows(weight, first, count);
    if (!rows)
      return rows.takeError();
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(rows->data() + i * k, k, w.data());
      for (int64_t r = 0; r < x.rows(); ++r)
        y.row(r)[first + i] = static_cast<float>(dot(wide.data() + r * k, w.data(), k));
    }
  }
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

void gemmac::addLinearHandlers(HandlerTable &table) {
  table.add<gemma::EmbedOp, evalEmbed>();
  table.add<gemma::LinearOp, evalLinear>();
}
