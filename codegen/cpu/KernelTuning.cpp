// See KernelTuning.h.
#include "codegen/cpu/KernelTuning.h"

#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gemmac {

namespace {

constexpr const char *kAttribute = "step.kernel";

struct Field {
  const char *name;
  int64_t KernelTuning::*value;
  int64_t least, most;
  bool power; ///< of two
};
constexpr Field kFields[] = {{"streams", &KernelTuning::streams, 1, 8, true},
                             {"ahead", &KernelTuning::ahead, 64, 1 << 16, true},
                             {"block_rows", &KernelTuning::blockRows, 1, 16, false},
                             {"block_panels", &KernelTuning::blockPanels, 1, 8, true},
                             {"columns", &KernelTuning::columns, 16, 1024, true}};

const Field *fieldNamed(StringRef name) {
  const auto *found = llvm::find_if(kFields, [&](const Field &field) { return name == field.name; });
  return found == std::end(kFields) ? nullptr : found;
}

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

bool KernelTuning::operator==(const KernelTuning &other) const {
  return llvm::all_of(kFields, [&](const Field &field) { return this->*field.value == other.*field.value; });
}

std::string KernelTuning::text() const {
  std::string text;
  for (const Field &field : kFields)
    if (this->*field.value)
      text += (text.empty() ? "" : " ") + std::string(field.name) + "=" + std::to_string(this->*field.value);
  return text.empty() ? "model" : text;
}

KernelTuning tuningOf(Operation *product) {
  KernelTuning tuning;
  if (auto chosen = product->getAttrOfType<DictionaryAttr>(kAttribute))
    for (const Field &field : kFields)
      if (auto value = chosen.getAs<IntegerAttr>(field.name))
        tuning.*field.value = value.getInt();
  return tuning;
}

void setTuning(Operation *product, const KernelTuning &tuning) {
  Builder builder(product->getContext());
  SmallVector<NamedAttribute> chosen;
  for (const Field &field : kFields)
    if (tuning.*field.value)
      chosen.push_back(builder.getNamedAttr(field.name, builder.getI64IntegerAttr(tuning.*field.value)));
  if (chosen.empty())
    product->removeAttr(kAttribute);
  else
    product->setAttr(kAttribute, builder.getDictionaryAttr(chosen));
}

LogicalResult verifyTuning(Operation *product, const SymbolTable &symbols) {
  Attribute attribute = product->getAttr(kAttribute);
  if (!attribute)
    return success();
  auto chosen = dyn_cast<DictionaryAttr>(attribute);
  if (!chosen)
    return product->emitOpError() << kAttribute << ": found " << attribute << ", expected a dictionary";
  for (NamedAttribute named : chosen) {
    const Field *field = fieldNamed(named.getName());
    if (!field)
      return product->emitOpError() << kAttribute << ": found " << named.getName()
                                    << ", expected streams, ahead, block_rows, block_panels or columns";
    auto value = dyn_cast<IntegerAttr>(named.getValue());
    if (!value || !value.getType().isSignlessInteger(64) || value.getInt() < field->least ||
        value.getInt() > field->most || (field->power && !llvm::isPowerOf2_64(value.getInt())))
      return product->emitOpError() << kAttribute << ": " << field->name << ": found " << named.getValue()
                                    << ", expected " << (field->power ? "a power of two" : "an i64")
                                    << " from " << field->least << " to " << field->most;
  }
  const KernelTuning tuning = tuningOf(product);
  if ((tuning.blockRows == 0) != (tuning.blockPanels == 0))
    return product->emitOpError() << kAttribute << ": expected block_rows and block_panels together";
  auto weight = symbols.lookup<step::WeightOp>(weightOf(product).getAttr());
  const int64_t panels = static_cast<int64_t>(weight.getTile()) / kPanelRows;
  if (tuning.streams && panels % tuning.streams != 0)
    return product->emitOpError() << kAttribute << ": streams: found " << tuning.streams
                                  << ", expected a divisor of the " << panels << " panels of a task";
  return success();
}

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
  if (act == step::Act::BF16T)
    return Product{weight.getFormat(),
                   act,
                   k,
                   tile,
                   std::min(static_cast<int64_t>(phase.getCols()), kMostColumns / tile),
                   entryRows};
  const step::Act held = act == step::Act::I8 ? act : step::Act::F32; // bf16 lies in memory as f32
  if (rows == 1)
    return Product{weight.getFormat(), held, k, tile, 0, 1};
  return Product{weight.getFormat(),
                 held,
                 k,
                 tile,
                 std::min(static_cast<int64_t>(phase.getCols()), kMostColumns / tile),
                 rows};
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
