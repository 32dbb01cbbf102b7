#include "dialect/interp/WeightValues.h"

#include "dialect/gemma/Quantize.h"
#include "dialect/interp/Tensor.h"
#include "frontend/BlockTypes.h"
#include "frontend/Diagnostic.h"

#include <algorithm>
#include <cmath>

using namespace gemmac;

static uint64_t splitmix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

float gemmac::randomWeight(int64_t seed, int64_t index, llvm::ArrayRef<int64_t> shape) {
  uint64_t bits = splitmix64((static_cast<uint64_t>(seed) << 40) + static_cast<uint64_t>(index)) >> 40;
  float u = static_cast<float>(static_cast<int64_t>(bits) - (1 << 23)) / static_cast<float>(1 << 23);
  if (shape.size() == 1)
    return 1.0f + 0.5f * u;
  return u * static_cast<float>(std::sqrt(3.0 / static_cast<double>(shape.back())));
}

/// The value nearest to x that `type` holds.
static float roundTo(mlir::Type type, float x) {
  if (type.isBF16())
    return bf16ToF32(f32ToBF16(x));
  return type.isF16() ? f16ToF32(f32ToF16(x)) : x;
}

static void quantizeRow(gemma::Quant quant, float *x, int64_t n) {
  for (int64_t at = 0; at < n; at += kQuantGroup) {
    int size = static_cast<int>(std::min(kQuantGroup, n - at));
    uint16_t scale;
    if (quant == gemma::Quant::Q8) {
      int8_t q[kQuantGroup];
      quantizeQ8(x + at, size, q, &scale);
      for (int i = 0; i < size; ++i)
        x[at + i] = static_cast<float>(q[i]) * f16ToF32(scale);
    } else {
      uint8_t q[kQuantGroup];
      quantizeQ4(x + at, size, q, &scale);
      for (int i = 0; i < size; ++i)
        x[at + i] = static_cast<float>(q[i] - 8) * f16ToF32(scale);
    }
  }
}

WeightValues::WeightValues(mlir::ModuleOp module, const TensorSource *source) : source(source) {
  for (gemma::WeightOp weight : module.getOps<gemma::WeightOp>())
    symbols[weight.getSymName()] = weight;
}

gemma::WeightOp WeightValues::find(llvm::StringRef symbol) const { return symbols.lookup(symbol); }

bool WeightValues::fits(gemma::WeightOp weight) const {
  return keptElements + elementCount(weight.getShape()) <= kKeptElements;
}

int64_t WeightValues::blockRows(gemma::WeightOp weight) const {
  int64_t columns = weight.getShape().back(), rows = elementCount(weight.getShape()) / columns;
  if (kept.count(weight) || fits(weight))
    return rows;
  return std::clamp<int64_t>((int64_t(1) << 22) / columns, 1, rows);
}

llvm::Error WeightValues::decodeFile(gemma::WeightOp weight, int64_t first,
                                     llvm::MutableArrayRef<float> out) const {
  llvm::StringRef name = weight.getTensor().value_or(weight.getSymName()), file = *weight.getFile();
  if (!source)
    return inputError(file, name, "no checkpoint is open",
                      "run with the model that this module was imported from");
  const TensorInfo *info = source->find(name);
  if (!info)
    return inputError(source->primaryFile(), name,
                      "missing, expected the tensor of weight @" + weight.getSymName());
  mlir::Type type = weight.getTensorType().getElementType();
  DType expected = type.isBF16() ? DType::BF16 : type.isF16() ? DType::F16 : DType::F32;
  if (weight.getBlocks() != gemma::Blocks::None)
    expected = dtypeOf(weight.getBlocks());
  if (info->dtype != expected || llvm::ArrayRef<int64_t>(info->shape) != weight.getShape())
    return inputError(source->primaryFile(), name,
                      "dtype or shape is not that of weight @" + weight.getSymName());
  const auto columns = static_cast<size_t>(weight.getShape().back());
  for (int64_t row = first / static_cast<int64_t>(columns); !out.empty(); out = out.drop_front(columns))
    decodeToF32(info->dtype, rowBytes(*source, *info, row++), 0, out.take_front(columns));
  return llvm::Error::success();
}

/// Elements [first, first + out.size()), whole rows, with quant.
llvm::Error WeightValues::decode(gemma::WeightOp weight, int64_t first,
                                 llvm::MutableArrayRef<float> out) const {
  if (auto literal = weight.getLiteral()) {
    auto values = literal->tryGetValues<llvm::APFloat>();
    if (!values)
      return inputError("module", weight.getSymName(), "literal holds no floating-point values");
    auto it = values->begin() + first;
    for (float &x : out) {
      llvm::APFloat value = *it++;
      bool inexact;
      value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &inexact);
      x = value.convertToFloat();
    }
  } else if (auto seed = weight.getRandom()) {
    mlir::Type type = weight.getTensorType().getElementType();
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = roundTo(type, randomWeight(static_cast<int64_t>(*seed), first + static_cast<int64_t>(i),
                                          weight.getShape()));
  } else if (llvm::Error error = decodeFile(weight, first, out)) {
    return error;
  }
  int64_t columns = weight.getShape().back();
  if (weight.getQuant() != gemma::Quant::None)
    for (size_t at = 0; at < out.size(); at += static_cast<size_t>(columns))
      quantizeRow(weight.getQuant(), out.data() + at, columns);
  return llvm::Error::success();
}

llvm::Expected<llvm::ArrayRef<float>> WeightValues::all(gemma::WeightOp weight) {
  return rows(weight, 0, elementCount(weight.getShape()) / weight.getShape().back());
}

llvm::Expected<llvm::ArrayRef<float>> WeightValues::rows(gemma::WeightOp weight, int64_t first,
                                                         int64_t count) {
  size_t columns = static_cast<size_t>(weight.getShape().back());
  auto it = kept.find(weight);
  if (it == kept.end() && fits(weight)) {
    std::vector<float> values(static_cast<size_t>(elementCount(weight.getShape())));
    if (llvm::Error error = decode(weight, 0, values))
      return error;
    keptElements += static_cast<int64_t>(values.size());
    it = kept.try_emplace(weight, std::move(values)).first;
  }
  if (it != kept.end())
    return llvm::ArrayRef<float>(it->second)
        .slice(static_cast<size_t>(first) * columns, static_cast<size_t>(count) * columns);
  scratch.resize(static_cast<size_t>(count) * columns);
  if (llvm::Error error = decode(weight, first * static_cast<int64_t>(columns), scratch))
    return error;
  return llvm::ArrayRef<float>(scratch);
}
