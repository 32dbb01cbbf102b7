// See KernelTuning.h.
#include "dialect/step/KernelTuning.h"

#include "dialect/step/Layout.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gemmac {

namespace {

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
  if (auto chosen = product->getAttrOfType<DictionaryAttr>(step::kKernelAttr))
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
    product->removeAttr(step::kKernelAttr);
  else
    product->setAttr(step::kKernelAttr, builder.getDictionaryAttr(chosen));
}

namespace step {

/// What kernels of the product read. Tiles of bf16 are multiplied in one order; of experts nobody takes
/// several tasks at once.
static StringRef choicesOf(Operation *product) {
  auto matmul = dyn_cast<MatmulOp>(product);
  const Act act = matmul ? matmul.getFormat() : cast<ExpertMatmulOp>(product).getFormat();
  if (act != Act::BF16T)
    return "streams, ahead, block_rows or block_panels";
  return matmul ? "columns" : "none for experts as bf16t";
}

static LogicalResult verifyChoice(Operation *product, NamedAttribute choice) {
  const Field *field = fieldNamed(choice.getName());
  if (!field || !choicesOf(product).contains(field->name))
    return product->emitOpError() << kKernelAttr << ": found " << choice.getName() << ", expected "
                                  << choicesOf(product);
  auto value = dyn_cast<IntegerAttr>(choice.getValue());
  if (value && value.getType().isSignlessInteger(64) && value.getInt() >= field->least &&
      value.getInt() <= field->most && (!field->power || llvm::isPowerOf2_64(value.getInt())))
    return success();
  return product->emitOpError() << kKernelAttr << ": " << field->name << ": found " << choice.getValue()
                                << ", expected " << (field->power ? "a power of two" : "an i64") << " from "
                                << field->least << " to " << field->most;
}

LogicalResult verifyKernelAttr(Operation *op, Attribute value) {
  if (!isa<MatmulOp, ExpertMatmulOp>(op))
    return op->emitOpError() << kKernelAttr
                             << ": stands on no product, expected step.matmul or step.expert_matmul";
  auto chosen = dyn_cast<DictionaryAttr>(value);
  if (!chosen)
    return op->emitOpError() << kKernelAttr << ": found " << value << ", expected a dictionary";
  for (NamedAttribute choice : chosen)
    if (failed(verifyChoice(op, choice)))
      return failure();
  if (chosen.contains("block_rows") != chosen.contains("block_panels"))
    return op->emitOpError() << kKernelAttr << ": expected block_rows and block_panels together";
  return success();
}

LogicalResult verifyStreams(Operation *product, WeightOp weight) {
  const int64_t streams = tuningOf(product).streams;
  const int64_t panels = static_cast<int64_t>(weight.getTile()) / kPanelRows;
  if (streams == 0 || panels % streams == 0)
    return success();
  return product->emitOpError() << kKernelAttr << ": streams: found " << streams
                                << ", expected a divisor of the " << panels << " panels of a task";
}

} // namespace step
} // namespace gemmac
