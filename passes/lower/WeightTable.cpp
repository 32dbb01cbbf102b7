// The packed weights of the program. See WeightTable.h.
#include "passes/lower/WeightTable.h"

#include "dialect/step/Layout.h"
#include "passes/lower/Names.h"
#include "passes/lower/Tiles.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

namespace gemmac::lower {

using step::Act;
using step::Format;

static std::string join(llvm::ArrayRef<llvm::StringRef> names) { return llvm::join(names, "|"); }

void WeightTable::noteUses(mlir::Block &body) {
  // Linears of one x in one fusion (or alone) are read together: see EntryLowering::lowerGroup.
  llvm::MapVector<std::pair<mlir::Operation *, mlir::Value>, llvm::SmallVector<llvm::StringRef>> sets;
  body.walk([&](mlir::Operation *op) {
    if (auto linear = llvm::dyn_cast<gemma::LinearOp>(op)) {
      streamed.insert(linear.getWeight());
      mlir::Operation *parent = op->getParentOp();
      sets[{llvm::isa<gemma::FusionOp>(parent) ? parent : op, linear.getX()}].push_back(linear.getWeight());
    } else if (auto expert = llvm::dyn_cast<gemma::ExpertLinearOp>(op)) {
      streamed.insert(expert.getWeight());
    }
  });
  for (auto &set : sets)
    for (llvm::StringRef symbol : set.second)
      groups[symbol].insert(join(set.second));
}

gemma::WeightOp WeightTable::source(llvm::StringRef symbol) const {
  // The gemma ops' own verifiers have made sure that it is there.
  return llvm::cast<gemma::WeightOp>(symbols.lookup(symbol));
}

Format WeightTable::format(llvm::StringRef symbol) const {
  gemma::WeightOp weight = source(symbol);
  if (weight.getBlocks() != gemma::Blocks::None)
    return blockFormats(weight.getBlocks()).panels;
  if (weight.getQuant() == gemma::Quant::Q8)
    return Format::Q8P16;
  if (weight.getQuant() == gemma::Quant::Q4)
    return Format::Q4P16;
  mlir::Type type = weight.getTensorType().getElementType();
  return type.isF32() ? Format::F32P16 : type.isBF16() ? Format::BF16P16 : Format::F16P16;
}

Act WeightTable::act(Format format) const {
  if (options.compute == Compute::F32)
    return Act::F32;
  if (options.compute == Compute::BF16)
    return Act::BF16;
  if (step::hasCodes(format))
    return Act::I8;
  return format == Format::F32P16 ? Act::F32 : Act::BF16;
}

Act WeightTable::act(Format format, int64_t rows) const {
  const Act single = act(format);
  const bool rounds = single != Act::F32 && format != Format::F32P16;
  return options.tiles && rounds && rows % kTileRowGroup == 0 ? Act::BF16T : single;
}

bool WeightTable::mergeable(llvm::ArrayRef<llvm::StringRef> sources) const {
  std::string key = join(sources);
  llvm::StringSet<> seen;
  for (llvm::StringRef symbol : sources) {
    auto found = groups.find(symbol);
    if (found == groups.end() || found->second.size() != 1 || !found->second.contains(key) ||
        !seen.insert(symbol).second || format(symbol) != format(sources.front()))
      return false;
  }
  return true;
}

int64_t WeightTable::plainTile(llvm::StringRef symbol) const {
  auto found = plain.find(symbol);
  return found == plain.end() ? 0 : static_cast<int64_t>(step::WeightOp(found->second).getTile());
}

step::WeightOp WeightTable::add(llvm::StringRef key, llvm::StringRef name, Format format, int64_t n,
                                int64_t k, const MatrixSpec &spec, int64_t experts, mlir::Location loc) {
  mlir::OpBuilder builder = mlir::OpBuilder::atBlockEnd(&program.getBody().front());
  llvm::SmallVector<mlir::Attribute> sources;
  for (llvm::StringRef symbol : spec.sources)
    sources.push_back(mlir::FlatSymbolRefAttr::get(builder.getContext(), symbol));
  std::string unique = name.str();
  for (int i = 2; mlir::SymbolTable::lookupSymbolIn(program, unique); ++i)
    unique = name.str() + "." + std::to_string(i);
  auto op =
      step::WeightOp::create(builder, loc, unique, format, n, k, spec.tile, builder.getArrayAttr(sources),
                             spec.interleave, experts, mlir::IntegerAttr(), mlir::IntegerAttr());
  return byKey[key.str()] = op;
}

step::WeightOp WeightTable::vec(llvm::StringRef symbol, mlir::Location loc) {
  std::string key = ("vec|" + symbol).str();
  if (auto found = byKey.find(key); found != byKey.end())
    return found->second;
  MatrixSpec spec;
  spec.sources = {symbol};
  spec.tile = source(symbol).getTensorType().getNumElements();
  return add(key, symbol, Format::Vec, spec.tile, 1, spec, 0, loc);
}

step::WeightOp WeightTable::matrix(const MatrixSpec &spec, mlir::Location loc) {
  std::string key = join(spec.sources) + "|" + std::to_string(spec.tile) + (spec.interleave ? "i" : "");
  if (auto found = byKey.find(key); found != byKey.end())
    return found->second;
  llvm::ArrayRef<int64_t> shape = source(spec.sources.front()).getShape();
  int64_t k = shape.back(), experts = spec.experts ? shape.front() : 0;
  llvm::SmallVector<int64_t> n;
  for (llvm::StringRef symbol : spec.sources)
    n.push_back(*(source(symbol).getShape().end() - 2));
  if (spec.experts && spec.interleave)
    n.assign(2, n.front() / 2);
  step::WeightOp op = add(key, joinNames(spec.sources, "_"), format(spec.sources.front()),
                          paddedRows(n, spec.tile), k, spec, experts, loc);
  if (spec.sources.size() == 1 && !spec.interleave)
    plain.try_emplace(spec.sources.front(), op);
  return op;
}

mlir::FlatSymbolRefAttr WeightTable::table(llvm::StringRef symbol, mlir::Location loc) {
  mlir::FlatSymbolRefAttr reference = mlir::FlatSymbolRefAttr::get(program->getContext(), symbol);
  gemma::WeightOp weight = source(symbol);
  if (streamed.contains(symbol) || weight.getQuant() == gemma::Quant::Q4) {
    pendingTables.try_emplace(symbol, loc);
    return reference;
  }
  std::string key = ("rows|" + symbol).str();
  if (byKey.count(key))
    return reference;
  mlir::Type type = weight.getTensorType().getElementType();
  Format format = weight.getBlocks() != gemma::Blocks::None ? blockFormats(weight.getBlocks()).rows
                  : weight.getQuant() == gemma::Quant::Q8   ? Format::RowsQ8
                  : type.isF32()                            ? Format::RowsF32
                  : type.isBF16()                           ? Format::RowsBF16
                                                            : Format::RowsF16;
  MatrixSpec spec;
  spec.sources = {symbol};
  spec.tile = 1;
  add(key, symbol, format, weight.getShape()[0], weight.getShape()[1], spec, 0, loc);
  return reference;
}

void WeightTable::finish() {
  llvm::SmallVector<std::pair<llvm::StringRef, mlir::Location>> missing;
  for (auto &pending : pendingTables)
    if (!plain.count(pending.first()))
      missing.emplace_back(pending.first(), pending.second);
  // StringMap has no order of its own that outlives a change of its hash: sort, so that two compilations
  // agree.
  llvm::sort(missing, [](auto &a, auto &b) { return a.first < b.first; });
  for (auto &[symbol, loc] : missing) {
    MatrixSpec spec;
    spec.sources = {symbol};
    llvm::ArrayRef<int64_t> shape = source(symbol).getShape();
    spec.tile = pickTile({shape[0]}, shape[1], format(symbol), options.tasks);
    matrix(spec, loc);
  }
}

} // namespace gemmac::lower
