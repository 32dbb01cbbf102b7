// Verifier of step.weight: sizes that fit its layout, and the very ones that its sources have.
#include "dialect/step/Layout.h"
#include "dialect/step/Verify.h"

#include "dialect/gemma/Gemma.h"
#include "dialect/gemma/Verify.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;
using namespace gemmac::step;

/// Padding included: what the layouts make of so many elements is far from wrapping.
static constexpr int64_t kMaxElements = int64_t(1) << 44;

/// Inputs of a block of those formats that only a file's blocks have, 1 of others: what the packer rounds it
/// pads as well.
static int64_t wholeInputs(Format format) {
  switch (format) {
  case Format::Q5P16:
  case Format::Q4MP16:
  case Format::Q5MP16:
    return 32;
  case Format::Q4KP16:
  case Format::Q5KP16:
  case Format::Q6KP16:
    return 256;
  default:
    return std::max<int64_t>(1, gemmac::rowBlocks(format).elements);
  }
}

/// C1, C4, the elements of C6 and the blocks of C7.
static LogicalResult verifySizes(WeightOp op) {
  int64_t n = op.getN(), k = op.getK(), tile = op.getTile(), experts = op.getExperts();
  bool panels = isPanelFormat(op.getFormat());
  if (n <= 0 || k <= 0 || tile <= 0)
    return op.emitOpError() << "n is " << n << ", k " << k << " and tile " << tile
                            << ", expected all at least 1";
  if (panels && (tile % 16 != 0 || n % tile != 0))
    return op.emitOpError() << "tile is " << tile << " and n " << n
                            << ", expected a tile that is a multiple of 16 and divides n";
  if (experts < 0 || (experts > 0 && !panels))
    return op.emitOpError() << "experts is " << experts << " with format " << stringifyFormat(op.getFormat())
                            << ", expected at least 0, and 0 unless the format is p16";
  if (op.getFormat() == Format::Vec && k != 1)
    return op.emitOpError() << "k is " << k << ", expected 1 for format vec";
  if (k % wholeInputs(op.getFormat()) != 0)
    return op.emitOpError() << "k is " << k << ", expected a multiple of " << wholeInputs(op.getFormat())
                            << " for format " << stringifyFormat(op.getFormat());
  int64_t total = std::min(k, kMaxElements + 1);
  if (panels)
    total = static_cast<int64_t>(llvm::alignTo(total, 64));
  if (llvm::MulOverflow(n, total, total) || llvm::MulOverflow(total, std::max<int64_t>(experts, 1), total) ||
      total > kMaxElements)
    return op.emitOpError() << "n is " << n << ", k " << k << " and experts " << experts
                            << ", expected at most 2^44 elements, k padded";
  return success();
}

LogicalResult WeightOp::verify() {
  if (failed(verifySizes(*this)))
    return failure();
  if (getSources().empty())
    return emitOpError() << "has 0 sources, expected at least 1";
  for (Attribute source : getSources())
    if (!isa<FlatSymbolRefAttr>(source))
      return emitOpError() << "source is " << source << ", expected the name of a gemma.weight";
  if (getInterleave() && !isPanelFormat(getFormat()))
    return emitOpError() << "interleaves a weight of format " << stringifyFormat(getFormat())
                         << ", expected a p16 format";
  // One source of experts is interleaved with itself: gate rows are its first half, up rows its second.
  if (getInterleave() && getSources().size() < 2 && getExperts() == 0)
    return emitOpError() << "interleaves " << getSources().size() << " source, expected at least 2";
  int64_t parts = std::max<int64_t>(getSources().size(), 2), tile = getTile();
  if (getInterleave() && tile % (16 * parts) != 0)
    return emitOpError() << "tile is " << tile << ", expected a multiple of 16 for each of " << parts
                         << " interleaved parts";
  if (IntegerAttr bytes = getBytesAttr(); bytes && bytes.getInt() != gemmac::packedBytes(*this))
    return emitOpError() << "bytes is " << bytes.getInt() << ", expected " << gemmac::packedBytes(*this)
                         << " for " << int64_t(getN()) << " rows of " << int64_t(getK()) << " in "
                         << stringifyFormat(getFormat());
  return verifyOffset(*this, "offset", getOffsetAttr());
}

namespace {
/// Compares a weight with its sources.
class SourceCheck {
public:
  SourceCheck(WeightOp op, ArrayRef<gemmac::gemma::WeightOp> sources) : op(op), sources(sources) {}

  /// C5, C7
  LogicalResult check() {
    for (gemmac::gemma::WeightOp source : sources)
      if (failed(checkFormat(source)))
        return failure();
    bool single = op.getExperts() > 0 || !isPanelFormat(op.getFormat());
    if (single && sources.size() != 1)
      return op.emitOpError() << "has " << sources.size() << " sources, expected 1 for "
                              << (op.getExperts() > 0 ? StringRef("experts")
                                                      : stringifyFormat(op.getFormat()));
    if (op.getFormat() == Format::Vec)
      return checkVec();
    return isPanelFormat(op.getFormat())
               ? checkPanels()
               : checkShape(sources.front(), {int64_t(op.getN()), int64_t(op.getK())});
  }

private:
  /// C7: the packer copies blocks as they are, rounds what has `quant`, and nothing else.
  LogicalResult checkFormat(gemmac::gemma::WeightOp source) {
    const Format format = op.getFormat();
    bool fits = true;
    std::string expected = "format f32p16, bf16p16, f16p16, rows_f32, rows_bf16, rows_f16 or vec";
    if (source.getBlocks() != gemmac::gemma::Blocks::None) {
      const gemmac::BlockFormats blocks = gemmac::blockFormats(source.getBlocks());
      fits = format == blocks.panels || format == blocks.rows || format == Format::Vec;
      expected =
          ("format " + stringifyFormat(blocks.panels) + ", " + stringifyFormat(blocks.rows) + " or vec")
              .str();
    } else if (source.getQuant() == gemmac::gemma::Quant::Q8) {
      fits = format == Format::Q8P16 || format == Format::RowsQ8;
      expected = "format q8p16 or rows_q8";
    } else if (source.getQuant() == gemmac::gemma::Quant::Q4) {
      fits = format == Format::Q4P16;
      expected = "format q4p16";
    } else {
      fits = !hasCodes(format) && format != Format::RowsQ8 && gemmac::rowBlocks(format).elements == 0;
    }
    if (fits)
      return success();
    InFlightDiagnostic diagnostic =
        op.emitOpError() << "format is " << stringifyFormat(format) << ", but source @" << source.getSymName()
                         << " has quant " << stringifyQuant(source.getQuant()) << " and blocks "
                         << stringifyBlocks(source.getBlocks()) << ", expected " << expected;
    diagnostic.attachNote(source.getLoc()) << "source defined here";
    return failure();
  }

  LogicalResult checkShape(gemmac::gemma::WeightOp source, ArrayRef<int64_t> expected) {
    if (source.getShape() == expected)
      return success();
    return report(source, gemmac::gemma::shapeText(expected));
  }

  LogicalResult checkVec() {
    gemmac::gemma::WeightOp source = sources.front();
    int64_t n = op.getN();
    if (source.getTensorType().getNumElements() == n)
      return success();
    return report(source, std::to_string(n) + " elements");
  }

  LogicalResult checkPanels() {
    int64_t experts = op.getExperts(), k = op.getK(), tile = op.getTile(), n = op.getN(), padded = 0;
    size_t rank = experts > 0 ? 3 : 2;
    gemmac::gemma::WeightOp first = sources.front();
    for (gemmac::gemma::WeightOp source : sources) {
      ArrayRef<int64_t> shape = source.getShape();
      if (shape.size() != rank || shape.back() != k || (experts > 0 && shape.front() != experts))
        return report(source, (experts > 0 ? std::to_string(experts) + "x" : "") + "Nx" + std::to_string(k));
      // The padded rows of each part: no more than n of them before, and n is at most 2^44.
      int64_t rows = shape[rank - 2], parts = op.getInterleave() && experts > 0 ? 2 : 1;
      int64_t each = static_cast<int64_t>(llvm::alignTo(rows / parts, tile));
      bool uneven = op.getInterleave() &&
                    each != static_cast<int64_t>(llvm::alignTo(first.getShape()[rank - 2] / parts, tile));
      if (rows % parts != 0 || uneven)
        return report(source,
                      uneven ? "as many rows, padded, as the first source" : "an even number of rows");
      padded += parts * each;
      if (padded > n)
        break;
    }
    if (padded == n)
      return success();
    return op.emitOpError() << "n is " << n << ", expected the sources' rows, each padded to a multiple of "
                            << tile << ": " << (padded > n ? "at least " : "") << padded;
  }

  LogicalResult report(gemmac::gemma::WeightOp source, const Twine &expected) {
    InFlightDiagnostic diagnostic = op.emitOpError() << "source @" << source.getSymName() << " has shape "
                                                     << gemmac::gemma::shapeText(source.getShape())
                                                     << ", expected " << expected;
    diagnostic.attachNote(source.getLoc()) << "source defined here";
    return failure();
  }

  WeightOp op;
  ArrayRef<gemmac::gemma::WeightOp> sources;
};
} // namespace

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *above = (*this)->getParentOp()->getParentOp();
  Operation *module = above ? SymbolTable::getNearestSymbolTable(above) : nullptr;
  SmallVector<gemmac::gemma::WeightOp> sources;
  for (Attribute source : getSources()) {
    auto ref = cast<FlatSymbolRefAttr>(source);
    Operation *found = module ? symbols.lookupSymbolIn(module, ref) : nullptr;
    if (!isa_and_nonnull<gemmac::gemma::WeightOp>(found))
      return emitOpError() << "source " << ref << " is "
                           << (found ? "no gemma.weight"
                                     : "not defined, expected the name of a gemma.weight");
    sources.push_back(cast<gemmac::gemma::WeightOp>(found));
  }
  return SourceCheck(*this, sources).check();
}
