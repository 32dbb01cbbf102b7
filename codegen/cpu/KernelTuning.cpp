// See KernelTuning.h.
#include "codegen/cpu/KernelTuning.h"

#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace gemmac {

namespace {

FlatSymbolRefAttr weightOf(Operation *product) {
  if (auto matmul = dyn_cast<step::MatmulOp>(product))
    return matmul.getWeightAttr();
  return cast<step::ExpertMatmulOp>(product).getWeightAttr();
}

step::Act formatOf(Operation *product) {
  if (auto matmul = dyn_cast<step::MatmulOp>(product))
    return matmul.getFormat();
  return cast<step::ExpertMatmulOp>(product).getFormat();
}

} // namespace

std::string Product::text() const {
  std::string text = (step::stringifyFormat(format) + " x " + step::stringifyAct(act)).str() + ", k " +
                     std::to_string(k) + ", ";
  text += tasks ? std::to_string(tasks) + (tasks == 1 ? " task of " : " tasks of ") : "tasks of ";
  return text + std::to_string(tile) + " columns, " + std::to_string(rows) + (rows == 1 ? " row" : " rows");
}

/// More columns than these do not change how a task of the phase is computed.
static constexpr int64_t kMostColumns = 8192;

std::optional<Product> productOf(Operation *op, const SymbolTable &symbols) {
  auto phase = op->getParentOfType<step::PhaseOp>();
  if (!isa<step::MatmulOp, step::ExpertMatmulOp>(op) || !phase)
    return std::nullopt;
  const int64_t entryRows = cast<step::EntryOp>(phase->getParentOp()).getRows();
  const int64_t rows = phase.getRows() == step::Rows::Last ? 1 : entryRows;
  if (rows > 1 && (phase.getByRow() || isa<step::ExpertMatmulOp>(op)))
    return std::nullopt;
  auto weight = symbols.lookup<step::WeightOp>(weightOf(op).getAttr());
  const auto k = static_cast<int64_t>(weight.getK()), tile = static_cast<int64_t>(weight.getTile());
  const step::Act act = formatOf(op);
  const bool tiles = act == step::Act::BF16T;
  const step::Act held = isByteAct(act) ? act : step::Act::F32; // bf16 lies in memory as f32
  if (rows == 1 && !tiles)
    return Product{weight.getFormat(), held, k, tile, 0, 1};
  const int64_t tasks = std::min(static_cast<int64_t>(phase.getCols()), kMostColumns / tile);
  return Product{weight.getFormat(), held, k, tile, tasks, tiles ? entryRows : rows};
}

/// Those widths of tasks that make several tasks one in another way than the model's.
static std::vector<KernelTuning> columnCandidates(Operation *op, const SymbolTable &symbols) {
  auto phase = op->getParentOfType<step::PhaseOp>();
  const KernelTuning before = tuningOf(op);
  std::vector<KernelTuning> candidates{{}};
  setTuning(op, {});
  std::vector<cpu::TasksAtOnce> counts{cpu::tileTasksAtOnce(phase, symbols)};
  for (int64_t columns : {64, 128, 256, 512}) {
    KernelTuning tuning;
    tuning.columns = columns;
    setTuning(op, tuning);
    const cpu::TasksAtOnce count = cpu::tileTasksAtOnce(phase, symbols);
    if (llvm::is_contained(counts, count))
      continue;
    counts.push_back(count);
    candidates.push_back(tuning);
  }
  setTuning(op, before);
  return candidates;
}

std::vector<KernelTuning> tuningCandidates(Operation *op, const SymbolTable &symbols, const Target &target) {
  const Product product = *productOf(op, symbols);
  if (product.act == step::Act::BF16T)
    return columnCandidates(op, symbols);
  std::vector<KernelTuning> candidates{{}};
  auto add = [&](auto change) { change(candidates.emplace_back()); };
  const int64_t panels = product.tile / kPanelRows;
  const int64_t streams = cpu::panelStreams(target, product.format, product.act, panels);
  if (product.rows == 1) {
    for (int64_t other : {1, 2, 4, 8})
      if (other != streams && panels % other == 0)
        add([&](KernelTuning &tuning) { tuning.streams = other; });
    for (int64_t ahead : {512, 2048, 4096})
      add([&](KernelTuning &tuning) { tuning.ahead = ahead; });
    return candidates;
  }
  using Shape = std::pair<int64_t, int64_t>;
  const auto model = cpu::bigBlock(target, product.act);
  const std::vector<Shape> shapes = target.avx512
                                        ? std::vector<Shape>{{4, 2}, {2, 2}, {8, 1}, {6, 2}, {4, 4}, {8, 2}}
                                        : std::vector<Shape>{{2, 1}, {4, 1}, {1, 2}, {2, 2}, {3, 1}};
  for (auto [rows, wide] : shapes)
    if (Shape(rows, wide) != model && wide <= streams)
      add([&, rows = rows, wide = wide](KernelTuning &tuning) {
        tuning.blockRows = rows;
        tuning.blockPanels = wide;
      });
  return candidates;
}

} // namespace gemmac
