#include "dialect/interp/step/StepWeights.h"

#include "dialect/gemma/Quantize.h"
#include "dialect/step/Layout.h"
#include "frontend/Diagnostic.h"

using namespace gemmac;
using step::Format;

StepWeights::StepWeights(step::ProgramOp program, mlir::ModuleOp module, const TensorSource *source)
    : values(module, source) {
  for (step::WeightOp weight : program.getOps<step::WeightOp>())
    symbols[weight.getSymName()] = weight;
}

step::WeightOp StepWeights::find(llvm::StringRef symbol) const { return symbols.lookup(symbol); }

llvm::Expected<llvm::ArrayRef<StepWeights::Part>> StepWeights::partsOf(step::WeightOp weight) {
  std::vector<Part> &list = parts[weight];
  if (!list.empty())
    return list;
  bool halves = weight.getInterleave() && weight.getSources().size() == 1;
  for (mlir::Attribute symbol : weight.getSources()) {
    gemma::WeightOp source = values.find(llvm::cast<mlir::FlatSymbolRefAttr>(symbol).getValue());
    if (!source)
      return inputError("step", weight.getSymName(), "a source is no gemma.weight of the module");
    llvm::ArrayRef<int64_t> shape = source.getShape();
    int64_t rows = shape.size() == 1 ? 1 : shape[shape.size() - 2];
    for (int64_t half = 0; half < (halves ? 2 : 1); ++half)
      list.push_back({source, halves ? half * (rows / 2) : 0, halves ? rows / 2 : rows, rows});
  }
  return list;
}

llvm::Expected<llvm::ArrayRef<float>> StepWeights::row(step::WeightOp weight, int64_t expert, int64_t row) {
  auto list = partsOf(weight);
  if (!list)
    return list.takeError();
  int64_t tile = static_cast<int64_t>(weight.getTile()), count = static_cast<int64_t>(list->size()), part = 0;
  if (weight.getInterleave()) {
    int64_t share = tile / count, within = row % tile;
    part = within / share;
    row = row / tile * share + within % share;
  } else if (count > 1) {
    while (part + 1 < count && row >= roundUp((*list)[static_cast<size_t>(part)].rows, tile))
      row -= roundUp((*list)[static_cast<size_t>(part++)].rows, tile);
  }
  const Part &from = (*list)[static_cast<size_t>(part)];
  if (row >= from.rows) {
    rounded.assign(static_cast<size_t>(weight.getK()), 0.0f);
    return llvm::ArrayRef<float>(rounded);
  }
  auto stored = values.rows(from.source, expert * from.matrixRows + from.first + row, 1);
  Format format = weight.getFormat();
  bool bf16 = format == Format::BF16P16 || format == Format::RowsBF16;
  if (!stored || (!bf16 && format != Format::F16P16 && format != Format::RowsF16))
    return stored;
  rounded.assign(stored->begin(), stored->end());
  for (float &x : rounded)
    x = bf16 ? bf16ToF32(f32ToBF16(x)) : f16ToF32(f32ToF16(x));
  return llvm::ArrayRef<float>(rounded);
}

llvm::Expected<llvm::ArrayRef<float>> StepWeights::vec(step::WeightOp weight) {
  auto list = partsOf(weight);
  if (!list)
    return list.takeError();
  rounded.clear();
  for (const Part &part : *list) {
    auto one = values.all(part.source);
    if (!one)
      return one.takeError();
    rounded.insert(rounded.end(), one->begin(), one->end());
  }
  if (rounded.size() != weight.getN())
    return inputError("step", weight.getSymName(),
                      "sources have " + llvm::Twine(rounded.size()) +
                          " elements, expected n = " + llvm::Twine(weight.getN()));
  return llvm::ArrayRef<float>(rounded);
}
