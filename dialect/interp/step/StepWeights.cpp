#include "dialect/interp/step/StepWeights.h"

#include "dialect/gemma/Quantize.h"
#include "frontend/Diagnostic.h"

using namespace gemmac;
using step::Format;

StepWeights::StepWeights(step::ProgramOp program, mlir::ModuleOp module, const TensorSource *source)
    : values(module, source) {
  for (step::WeightOp weight : program.getOps<step::WeightOp>())
    symbols[weight.getSymName()] = weight;
}

step::WeightOp StepWeights::find(llvm::StringRef symbol) const { return symbols.lookup(symbol); }

/// Whether rows of `source` may be packed as `format`: what the packer does not change is what is read here.
static bool suits(gemma::WeightOp source, Format format) {
  using gemma::Blocks;
  using gemma::Quant;
  Quant quant = source.getQuant();
  switch (source.getBlocks()) {
  case Blocks::None:
    if (format == Format::Q8P16 || format == Format::RowsQ8)
      return quant == Quant::Q8;
    return quant == (format == Format::Q4P16 ? Quant::Q4 : Quant::None);
  case Blocks::Q4_0:
    return format == Format::Q4P16 || format == Format::RowsQ4_0;
  case Blocks::Q4_1:
    return format == Format::Q4MP16 || format == Format::RowsQ4_1;
  case Blocks::Q5_0:
    return format == Format::Q5P16 || format == Format::RowsQ5_0;
  case Blocks::Q5_1:
    return format == Format::Q5MP16 || format == Format::RowsQ5_1;
  case Blocks::Q8_0:
    return format == Format::Q8P16 || format == Format::RowsQ8_0;
  case Blocks::Q4_K:
    return format == Format::Q4KP16 || format == Format::RowsQ4_K;
  case Blocks::Q5_K:
    return format == Format::Q5KP16 || format == Format::RowsQ5_K;
  case Blocks::Q6_K:
    return format == Format::Q6KP16 || format == Format::RowsQ6_K;
  }
  return false;
}

llvm::Expected<llvm::ArrayRef<StepWeights::Part>> StepWeights::partsOf(step::WeightOp weight) {
  std::vector<Part> &list = parts[weight];
  if (!list.empty())
    return list;
  bool halves = weight.getInterleave() && weight.getSources().size() == 1;
  for (mlir::Attribute symbol : weight.getSources()) {
    gemma::WeightOp source = values.find(llvm::cast<mlir::FlatSymbolRefAttr>(symbol).getValue());
    if (!source)
      return inputError("step", weight.getSymName(), "a source is no gemma.weight of the module");
    if (!suits(source, weight.getFormat()) && weight.getFormat() != Format::Vec)
      return inputError("step", weight.getSymName(),
                        "format " + step::stringifyFormat(weight.getFormat()) + " for the source @" +
                            source.getSymName() +
                            ", which has quant = " + gemma::stringifyQuant(source.getQuant()) +
                            " and blocks = " + gemma::stringifyBlocks(source.getBlocks()));
    llvm::ArrayRef<int64_t> shape = source.getShape();
    int64_t rows = shape.size() == 1 ? 1 : shape[shape.size() - 2];
    for (int64_t half = 0; half < (halves ? 2 : 1); ++half)
      list.push_back({source, halves ? half * (rows / 2) : 0, halves ? rows / 2 : rows, rows});
  }
  return list;
}

static int64_t roundUp(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

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
