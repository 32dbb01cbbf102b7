// gemma-print-live-rows and its analysis.
#include "passes/prune/LiveRows.h"

#include "passes/Passes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

#include <map>
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

/// The layer whose weight an op uses; none for other ops.
static std::optional<int64_t> layerOf(mlir::Operation *op, std::string &weight) {
  for (mlir::NamedAttribute attribute : op->getAttrs()) {
    auto symbol = llvm::dyn_cast<mlir::FlatSymbolRefAttr>(attribute.getValue());
    int64_t layer = 0;
    llvm::StringRef name;
    if (!symbol || !splitLayer(symbol.getValue(), layer, name))
      continue;
    weight = name.str();
    return layer;
  }
  return std::nullopt;
}

namespace {
/// Weights of each layer that something uses.
using Uses = std::map<int64_t, std::set<std::string>>;

/// Which ops do nothing but what caches store.
class CacheFeeders {
public:
  explicit CacheFeeders(mlir::func::FuncOp function) {
    llvm::SmallVector<mlir::Operation *> ops;
    function.walk<mlir::WalkOrder::PreOrder>([&](mlir::Operation *op) { ops.push_back(op); });
    // Users stand behind what they use: last first.
    for (mlir::Operation *op : llvm::reverse(ops))
      if (op->getNumResults() > 0 && llvm::all_of(op->getResults(), [&](auto value) { return only(value); }))
        feeders.insert(op);
  }
  bool contains(mlir::Operation *op) const { return feeders.contains(op); }

private:
  bool only(mlir::Value value) const {
    return !value.use_empty() && llvm::all_of(value.getUses(), [&](mlir::OpOperand &use) {
      mlir::Operation *user = use.getOwner();
      if (llvm::isa<gemma::YieldOp>(user))
        return only(user->getParentOp()->getResult(use.getOperandNumber()));
      return llvm::isa<gemma::CacheUpdateOp>(user) || feeders.contains(user);
    });
  }

  llvm::SmallPtrSet<mlir::Operation *, 32> feeders;
};
} // namespace

/// All that any function of the module does with the weights of its layers.
static Uses wholeLayers(mlir::func::FuncOp function) {
  Uses whole;
  function->getParentOp()->walk([&](mlir::Operation *op) {
    std::string name;
    if (std::optional<int64_t> layer = layerOf(op, name))
      whole[*layer].insert(name);
  });
  return whole;
}

LiveRows gemmac::analyseLiveRows(mlir::func::FuncOp function) {
  LiveRows live;
  if (function.isExternal() || function.getNumArguments() == 0)
    return live;
  auto rowsOf = [](mlir::Type type) {
    auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
    return tensor && tensor.getRank() > 0 ? tensor.getShape().front() : int64_t(-2);
  };
  const int64_t everyRow = rowsOf(function.getArgumentTypes().front());
  const CacheFeeders feeders(function);
  Uses whole = wholeLayers(function), all, taken;
  std::set<int64_t> beyondCaches; // layers with something for all rows that is not only stored
  function.walk([&](mlir::Operation *op) {
    std::string name;
    std::optional<int64_t> layer = layerOf(op, name);
    if (!layer || op->getNumResults() == 0)
      return;
    const bool isAll = rowsOf(op->getResult(0).getType()) == everyRow;
    (isAll ? all : taken)[*layer].insert(name);
    if (!isAll)
      return;
    live.allFlops += flopsOf(op);
    if (!feeders.contains(op))
      beyondCaches.insert(*layer);
  });
  for (const auto &[layer, names] : all)
    live.all[layer] = names == whole[layer]           ? LayerPart::Full
                      : beyondCaches.count(layer) > 0 ? LayerPart::Part
                                                      : LayerPart::Kv;
  for (const auto &[layer, names] : taken) {
    std::set<std::string> both = names;
    if (auto stored = live.all.find(layer); stored != live.all.end() && stored->second == LayerPart::Kv)
      both.insert(all[layer].begin(), all[layer].end());
    live.taken[layer] = both == whole[layer] ? LayerPart::Full : LayerPart::Part;
  }
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
