// gemma-print-live-rows and its analysis.
#include "passes/prune/LiveRows.h"

#include "passes/Passes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

#include <set>

namespace gemmac {
#define GEN_PASS_DEF_GEMMAPRINTLIVEROWS
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;

/// "layers.12.q" -> 12 and "q".
static bool splitLayer(llvm::StringRef symbol, int64_t &layer, llvm::StringRef &name) {
  if (!symbol.consume_front("layers."))
    return false;
  auto [number, rest] = symbol.split('.');
  name = rest;
  return !rest.empty() && !number.getAsInteger(10, layer);
}

/// Multiplications for one row; 0 for anything but a matrix product.
static double flopsOf(mlir::Operation *op) {
  auto columns = [](mlir::Value x) {
    return static_cast<double>(llvm::cast<mlir::RankedTensorType>(x.getType()).getShape().back());
  };
  if (auto linear = llvm::dyn_cast<gemma::LinearOp>(op))
    return columns(linear.getX()) * columns(linear.getResult());
  if (auto expert = llvm::dyn_cast<gemma::ExpertLinearOp>(op))
    return columns(expert.getX()) * columns(expert.getResult()) * columns(expert.getIndices());
  return 0;
}

namespace {
/// Names of a layer's weights that are used for some rows.
using Uses = std::map<int64_t, std::set<std::string>>;
} // namespace

static LayerPart partOf(const std::set<std::string> &names) {
  // The last ops of a layer and its first projection: with both, there is nothing between them left out.
  if (names.count("ln_post_mlp") && names.count("q"))
    return LayerPart::Full;
  for (const std::string &name : names)
    if (name != "k" && name != "v" && name != "k_norm" && name != "ln_attn")
      return LayerPart::Part;
  return LayerPart::Kv;
}

LiveRows gemmac::analyseLiveRows(mlir::func::FuncOp function) {
  LiveRows live;
  if (function.isExternal() || function.getNumArguments() == 0)
    return live;
  auto rowsOf = [](mlir::Type type) {
    auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
    return tensor && tensor.getRank() > 0 ? tensor.getShape().front() : int64_t(-2);
  };
  int64_t everyRow = rowsOf(function.getArgumentTypes().front());
  Uses all, taken;
  function.walk([&](mlir::Operation *op) {
    if (op->getNumResults() == 0)
      return;
    bool isAll = rowsOf(op->getResult(0).getType()) == everyRow;
    bool counted = false;
    for (mlir::NamedAttribute attribute : op->getAttrs()) {
      auto symbol = llvm::dyn_cast<mlir::FlatSymbolRefAttr>(attribute.getValue());
      int64_t layer = 0;
      llvm::StringRef name;
      if (!symbol || !splitLayer(symbol.getValue(), layer, name))
        continue;
      (isAll ? all : taken)[layer].insert(name.str());
      if (isAll && !counted)
        live.allFlops += flopsOf(op);
      counted = true;
    }
  });
  for (const auto &[layer, names] : all)
    live.all[layer] = partOf(names);
  for (const auto &[layer, names] : taken)
    live.taken[layer] = partOf(names);
  return live;
}

static llvm::StringRef partName(LayerPart part) {
  switch (part) {
  case LayerPart::None:
    return "none";
  case LayerPart::Kv:
    return "kv";
  case LayerPart::Part:
    return "part";
  case LayerPart::Full:
    return "full";
  }
  return "none";
}

std::string gemmac::describeLayers(const std::map<int64_t, LayerPart> &layers, int64_t count) {
  auto partAt = [&](int64_t layer) {
    auto found = layers.find(layer);
    return found == layers.end() ? LayerPart::None : found->second;
  };
  llvm::SmallVector<std::string> runs;
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1;
    while (end < count && partAt(end) == partAt(begin))
      ++end;
    std::string run = std::to_string(begin);
    if (end - begin > 1)
      run += "-" + std::to_string(end - 1);
    runs.push_back(run + " " + partName(partAt(begin)).str());
    begin = end;
  }
  return "layers " + llvm::join(runs, ", ");
}

namespace {
struct PrintLiveRowsPass : impl::GemmaPrintLiveRowsBase<PrintLiveRowsPass> {
  using GemmaPrintLiveRowsBase::GemmaPrintLiveRowsBase;

  void runOnOperation() override {
    llvm::SmallVector<std::pair<mlir::StringRef, LiveRows>> entries;
    int64_t layers = 0;
    double most = 0;
    for (auto function : getOperation().getOps<mlir::func::FuncOp>()) {
      LiveRows live = analyseLiveRows(function);
      for (const auto *part : {&live.all, &live.taken})
        if (!part->empty())
          layers = std::max(layers, part->rbegin()->first + 1);
      most = std::max(most, live.allFlops);
      entries.emplace_back(function.getName(), std::move(live));
    }
    for (const auto &[name, live] : entries) {
      llvm::errs() << "@" << name << ": all rows: " << describeLayers(live.all, layers);
      if (most > 0)
        llvm::errs() << llvm::format(" (%.1f %% of the layer flops)", 100 * live.allFlops / most);
      if (!live.taken.empty())
        llvm::errs() << "; taken rows: " << describeLayers(live.taken, layers);
      llvm::errs() << "\n";
    }
    markAllAnalysesPreserved();
  }
};
} // namespace
