// See WeightPack.h. Layouts: docs/architecture.md, sizes: dialect/step/Layout.h.
#include "codegen/WeightPack.h"

#include "codegen/WeightPanels.h"
#include "dialect/gemma/Gemma.h"
#include "dialect/gemma/Quantize.h"
#include "dialect/step/Layout.h"
#include "frontend/Diagnostic.h"
#include "frontend/GgmlBlocks.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Parallel.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

namespace gemmac {

PackedRow packedRow(step::WeightOp weight, llvm::ArrayRef<int64_t> sourceRows, int64_t r) {
  int64_t parts = static_cast<int64_t>(sourceRows.size()), tile = weight.getTile();
  if (weight.getInterleave()) {
    int64_t share = tile / parts, within = r % tile, part = within / share,
            row = r / tile * share + within % share;
    return {part, row < sourceRows[part] ? row : -1};
  }
  if (parts == 1)
    return {0, r < sourceRows[0] ? r : -1};
  for (int64_t part = 0; part < parts; ++part) {
    int64_t padded = roundUp(sourceRows[part], tile);
    if (r < padded)
      return {part, r < sourceRows[part] ? r : -1};
    r -= padded;
  }
  return {0, -1};
}

namespace {

/// One part of a packed matrix: `rows` rows from row `first` of each matrix of a tensor.
struct Part {
  const TensorInfo *tensor;
  int64_t first, rows, matrixRows, columns;
};

/// Collects bytes and writes them in 16 MiB pieces at multiples of 2 MiB (see docs/architecture.md,
/// executable).
class BlockWriter {
public:
  BlockWriter(OutputFile &out, uint64_t base, llvm::function_ref<void(llvm::ArrayRef<char>)> hash)
      : out(out), at(base), hash(hash) {
    block.reserve(kBlock);
  }
  uint64_t written() const { return total; }
  llvm::Error append(llvm::ArrayRef<char> bytes) {
    total += bytes.size();
    while (!bytes.empty()) {
      size_t take = std::min(kBlock - block.size(), bytes.size());
      block.insert(block.end(), bytes.begin(), bytes.begin() + take);
      bytes = bytes.drop_front(take);
      if (block.size() == kBlock)
        if (llvm::Error error = flush())
          return error;
    }
    return llvm::Error::success();
  }
  llvm::Error zeros(uint64_t count) {
    static const char zero[4096] = {};
    for (; count; count -= std::min<uint64_t>(count, sizeof zero))
      if (llvm::Error error = append({zero, static_cast<size_t>(std::min<uint64_t>(count, sizeof zero))}))
        return error;
    return llvm::Error::success();
  }
  llvm::Error flush() {
    hash(block);
    llvm::Error error = out.writeAt(at, block);
    at += block.size();
    block.clear();
    return error;
  }

private:
  static constexpr size_t kBlock = 16u << 20;
  OutputFile &out;
  uint64_t at, total = 0;
  llvm::function_ref<void(llvm::ArrayRef<char>)> hash;
  std::vector<char> block;
};

/// Sums of squares over some elements: of what rounding changed, and of the elements.
struct Rounding {
  double change = 0, size = 0;
};

double squares(const float *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

/// The largest magnitude that a format holds without becoming an infinity or being cut.
float largestOf(step::Format format) {
  constexpr float kF16 = 65504;
  switch (format) {
  case step::Format::BF16P16:
  case step::Format::RowsBF16:
    return 3.3895314e38f;
  case step::Format::F16P16:
  case step::Format::RowsF16:
    return kF16;
  case step::Format::Q8P16:
  case step::Format::RowsQ8:
    return 127 * kF16; // the scale is f16
  case step::Format::Q4P16:
    return 8 * kF16;
  default:
    return std::numeric_limits<float>::max();
  }
}

class Packer {
public:
  Packer(step::WeightOp weight, mlir::ModuleOp module, const TensorSource &tensors)
      : weight(weight), module(module), tensors(tensors) {}
  llvm::Error run(BlockWriter &writer, llvm::function_ref<void(uint64_t)> progress);
  PackedWeightInfo info();

private:
  llvm::Error resolve();
  llvm::Error addSource(gemma::WeightOp source, bool halves);
  void readRow(const Part &part, int64_t matrix, int64_t row, float *out);
  llvm::ArrayRef<uint8_t> bytesOf(const Part &part, int64_t matrix, int64_t row) const;
  void packBlocks(int64_t matrix, int64_t panel, char *out);
  Rounding packPanel(int64_t matrix, int64_t panel, char *out);
  Rounding packTableRow(int64_t row, char *out);
  void packVector(std::vector<char> &out);

  step::WeightOp weight;
  mlir::ModuleOp module;
  const TensorSource &tensors;
  std::vector<Part> parts;
  std::vector<int64_t> partRows;
  Rounding rounding; ///< of all panels or rows, added in their order
  std::atomic<bool> nonFinite{false}, tooLarge{false};
};

llvm::Error Packer::addSource(gemma::WeightOp source, bool halves) {
  llvm::StringRef name = source.getTensor().value_or("");
  const TensorInfo *tensor = tensors.find(name);
  if (!tensor)
    return inputError(tensors.primaryFile(), name, "tensor is missing");
  const size_t rank = tensor->shape.size();
  const int64_t rows = rank == 1 ? 1 : tensor->shape[rank - 2], columns = tensor->shape.back();
  for (int64_t half = 0; half < (halves ? 2 : 1); ++half) {
    int64_t count = halves ? rows / 2 : rows;
    parts.push_back({tensor, half * count, count, rows, columns});
    partRows.push_back(count);
  }
  return llvm::Error::success();
}

llvm::Error Packer::resolve() {
  mlir::ArrayAttr sources = weight.getSources();
  for (mlir::Attribute attr : sources) {
    auto symbol = mlir::cast<mlir::FlatSymbolRefAttr>(attr);
    auto source = module.lookupSymbol<gemma::WeightOp>(symbol.getAttr());
    if (!source)
      return inputError(tensors.primaryFile(), symbol.getValue(),
                        "the program names a weight that the module lacks");
    if (llvm::Error error = addSource(source, weight.getInterleave() && sources.size() == 1))
      return error;
  }
  return llvm::Error::success();
}

void Packer::readRow(const Part &part, int64_t matrix, int64_t row, float *out) {
  llvm::MutableArrayRef<float> values(out, part.columns);
  decodeToF32(part.tensor->dtype, bytesOf(part, matrix, row), 0, values);
  uint32_t largest = 0;
  for (float value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    largest = std::max(largest, bits & 0x7fffffffu);
  }
  if (largest >= 0x7f800000u)
    nonFinite = true;
  else if (float magnitude; std::memcpy(&magnitude, &largest, 4), magnitude > largestOf(weight.getFormat()))
    tooLarge = true;
}

/// The bytes of a row as the checkpoint stores it.
llvm::ArrayRef<uint8_t> Packer::bytesOf(const Part &part, int64_t matrix, int64_t row) const {
  return rowBytes(tensors, *part.tensor, matrix * part.matrixRows + part.first + row);
}

void Packer::packBlocks(int64_t matrix, int64_t panel, char *out) {
  for (int64_t lane = 0; lane < kPanelRows; ++lane) {
    PackedRow from = packedRow(weight, partRows, panel * kPanelRows + lane);
    const Part &part = parts[from.source];
    BlockRow row(part.tensor->dtype, from.row < 0 ? nullptr : bytesOf(part, matrix, from.row).data(),
                 weight.getK());
    if (!row.finite())
      nonFinite = true;
    row.pack(weight.getFormat(), lane, out);
  }
}

Rounding Packer::packPanel(int64_t matrix, int64_t panel, char *out) {
  if (isBlockType(parts[0].tensor->dtype)) {
    packBlocks(matrix, panel, out);
    return {};
  }
  int64_t kp = paddedK(weight.getK());
  std::vector<float> rows(16 * kp, 0.0f);
  for (int64_t lane = 0; lane < 16; ++lane) {
    PackedRow from = packedRow(weight, partRows, panel * 16 + lane);
    if (from.row >= 0)
      readRow(parts[from.source], matrix, from.row, rows.data() + lane * kp);
  }
  int64_t step = superblockBytes(weight.getFormat());
  Rounding result{0, hasCodes(weight.getFormat()) ? squares(rows.data(), 16 * kp) : 0};
  for (int64_t k0 = 0; k0 < kp; k0 += kSuperblockK, out += step)
    result.change += packSuperblock(weight.getFormat(), rows.data(), kp, k0, out);
  return result;
}

Rounding Packer::packTableRow(int64_t row, char *out) {
  int64_t k = weight.getK();
  if (rowBlocks(weight.getFormat()).elements > 0) { // as stored
    PackedRow from = packedRow(weight, partRows, row);
    if (from.row < 0) {
      std::memset(out, 0, static_cast<size_t>(rowStrideBytes(weight.getFormat(), k)));
      return {};
    }
    const Part &part = parts[from.source];
    llvm::ArrayRef<uint8_t> stored = bytesOf(part, 0, from.row);
    if (firstNonFinite(part.tensor->dtype, stored) >= 0)
      nonFinite = true;
    std::memcpy(out, stored.data(), stored.size());
    return {};
  }
  std::vector<float> values(roundUp(k, kScaleGroup), 0.0f);
  PackedRow from = packedRow(weight, partRows, row);
  if (from.row >= 0)
    readRow(parts[from.source], 0, from.row, values.data());
  Rounding result;
  switch (weight.getFormat()) {
  case step::Format::RowsF32:
    std::memcpy(out, values.data(), k * 4);
    break;
  case step::Format::RowsQ8:
    result.size = squares(values.data(), k);
    for (int64_t group = 0; group * kScaleGroup < k; ++group) {
      const float *x = values.data() + group * kScaleGroup;
      int8_t *q = reinterpret_cast<int8_t *>(out) + group * kScaleGroup;
      uint16_t scale;
      quantizeQ8(x, kScaleGroup, q, &scale);
      std::memcpy(out + rowsQ8ScaleOffset(k) + 2 * group, &scale, 2);
      for (int64_t i = 0; i < kScaleGroup; ++i) {
        const double change = static_cast<double>(q[i]) * f16ToF32(scale) - x[i];
        result.change += change * change;
      }
    }
    break;
  default:
    for (int64_t i = 0; i < k; ++i) {
      uint16_t half =
          weight.getFormat() == step::Format::RowsBF16 ? f32ToBF16(values[i]) : f32ToF16(values[i]);
      std::memcpy(out + 2 * i, &half, 2);
    }
  }
  return result;
}

void Packer::packVector(std::vector<char> &out) {
  std::vector<float> values(weight.getN(), 0.0f);
  int64_t at = 0;
  for (const Part &part : parts) {
    std::vector<float> one(part.columns * part.rows);
    for (int64_t row = 0; row < part.rows; ++row)
      readRow(part, 0, row, one.data() + row * part.columns);
    for (size_t i = 0; i < one.size() && at < static_cast<int64_t>(values.size()); ++i)
      values[at++] = one[i];
  }
  std::memcpy(out.data(), values.data(), values.size() * 4);
}

llvm::Error Packer::run(BlockWriter &writer, llvm::function_ref<void(uint64_t)> progress) {
  if (llvm::Error error = resolve())
    return error;
  step::Format format = weight.getFormat();
  bool panels = isPanelFormat(format), table = isRowsFormat(format);
  int64_t unit = panels  ? panelBytes(format, weight.getK())
                 : table ? rowStrideBytes(format, weight.getK())
                         : 0;
  int64_t perMatrix = panels ? weight.getN() / 16 : weight.getN();
  int64_t matrices = std::max<int64_t>(1, weight.getExperts());
  std::vector<char> bytes;
  if (!panels && !table) {
    bytes.assign(packedBytes(weight), 0);
    packVector(bytes);
    if (llvm::Error error = writer.append(bytes))
      return error;
  } else {
    int64_t batch = std::max<int64_t>(1, (4 << 20) / unit);
    for (int64_t matrix = 0; matrix < matrices; ++matrix)
      for (int64_t first = 0; first < perMatrix; first += batch) {
        int64_t count = std::min(batch, perMatrix - first);
        bytes.assign(count * unit, 0);
        std::vector<Rounding> changes(count);
        llvm::parallelFor(0, count, [&](size_t i) {
          char *to = bytes.data() + i * unit;
          changes[i] = panels ? packPanel(matrix, first + i, to) : packTableRow(first + i, to);
        });
        for (const Rounding &one : changes) {
          rounding.change += one.change;
          rounding.size += one.size;
        }
        if (llvm::Error error = writer.append(bytes))
          return error;
        progress(writer.written());
      }
    int64_t tail = packedBytes(weight) - matrices * perMatrix * unit;
    if (llvm::Error error = writer.zeros(tail))
      return error;
  }
  if (nonFinite) {
    for (const Part &part : parts)
      if (llvm::Error error = checkFinite(tensors, *part.tensor)) // says where
        return error;
    return inputError(parts[0].tensor->file, parts[0].tensor->name,
                      "holds a value that is not finite (NaN or infinity)",
                      "the checkpoint is damaged: fetch it again");
  }
  if (tooLarge)
    return inputError(parts[0].tensor->file, parts[0].tensor->name,
                      "holds a value beyond " +
                          llvm::Twine(llvm::formatv("{0:e}", largestOf(weight.getFormat())).str()) +
                          ", the most that " + step::stringifyFormat(weight.getFormat()) + " can hold",
                      "the checkpoint is damaged, or needs another --quantize or --compute");
  return llvm::Error::success();
}

PackedWeightInfo Packer::info() {
  PackedWeightInfo info;
  info.name = weight.getSymName().str();
  info.from = dtypeName(parts[0].tensor->dtype).str();
  info.to = step::stringifyFormat(weight.getFormat()).str();
  const double elements = static_cast<double>(std::max<int64_t>(1, weight.getExperts())) *
                          static_cast<double>(weight.getN()) * static_cast<double>(weight.getK());
  info.bits = 8 * static_cast<double>(packedBytes(weight)) / elements;
  info.error = rounding.size > 0 ? std::sqrt(rounding.change / rounding.size) : 0;
  return info;
}

} // namespace

llvm::Error packWeights(step::ProgramOp program, const TensorSource &tensors, OutputFile &out, uint64_t base,
                        llvm::function_ref<void(llvm::ArrayRef<char>)> hash,
                        llvm::function_ref<void(uint64_t)> progress, WeightReport &report) {
  auto module = program->getParentOfType<mlir::ModuleOp>();
  std::vector<step::WeightOp> weights(program.getOps<step::WeightOp>().begin(),
                                      program.getOps<step::WeightOp>().end());
  std::stable_sort(weights.begin(), weights.end(),
                   [](step::WeightOp a, step::WeightOp b) { return a.getOffset() < b.getOffset(); });
  BlockWriter writer(out, base, hash);
  for (step::WeightOp weight : weights) {
    if (llvm::Error error = writer.zeros(*weight.getOffset() - writer.written()))
      return error;
    Packer packer(weight, module, tensors);
    if (llvm::Error error = packer.run(writer, progress))
      return error;
    report.push_back(packer.info());
  }
  if (llvm::Error error = writer.zeros(*program.getWeightBytes() - writer.written()))
    return error;
  return writer.flush();
}

} // namespace gemmac
