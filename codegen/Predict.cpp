// See Predict.h.
#include "codegen/Predict.h"

#include "codegen/cpu/EmitMachine.h"
#include "codegen/cpu/StepToCpu.h"
#include "frontend/Json.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

namespace gemmac {

static const char *productWork(step::Act format) {
  return format == step::Act::F32 || format == step::Act::BF16 ? "f32-product" : "product";
}

static const char *workOf(mlir::Operation *op) {
  return llvm::TypeSwitch<mlir::Operation *, const char *>(op)
      .Case<step::AttentionOp, step::QkOp, step::PvOp>([](auto) { return "attention"; })
      .Case<step::MatmulOp, step::ExpertMatmulOp>(
          [](auto product) { return productWork(product.getFormat()); })
      .Default([](mlir::Operation *) { return nullptr; });
}

const char *workOf(step::PhaseOp phase) {
  const char *work = "rows";
  phase.getBody().walk([&](mlir::Operation *op) {
    const char *found = workOf(op);
    work = found ? found : work;
    return found ? mlir::WalkResult::interrupt() : mlir::WalkResult::advance();
  });
  return work;
}

Machine nominalMachine(const Target &target) {
  constexpr double kCores = 2, kHertz = 3e9;
  // Of f32; two units, each a product and a sum a cycle. A dot product of bytes has four of them in a lane,
  // smmla eight; vpmaddubsw and its sums come to two.
  const double lanes = static_cast<double>(target.vectorBytes) / 4;
  const bool dots = target.vnni || target.avxvnni || target.dotprod;
  Machine machine;
  machine.workers = static_cast<int>(kCores);
  machine.readRate = 25e9;
  machine.f32 = kCores * kHertz * lanes * 2 * 2;
  machine.int8 = machine.f32 * (target.i8mm ? 8 : dots ? 4 : 2);
  machine.tiles = target.amx ? kCores * kHertz * 1024 : 0; // 16 x 16 x 32 products in 16 cycles
  machine.barrierSeconds = 2e-6;
  return machine;
}

llvm::Expected<Machine> readMachine(llvm::StringRef path, bool tiles) {
  llvm::Expected<JsonDocument> document = JsonDocument::read(path, {});
  if (!document)
    return document.takeError();
  InputCheck check(path);
  JsonObject root(document->root(), "", "", check);
  if (!root.has("machine"))
    root.missing("machine", "what `EXE bench --phases -o json` measured");
  Machine machine;
  if (!check.failed()) {
    JsonObject fields = root.object("machine");
    const Interval rate{0, 1e18, true};
    machine.readRate = fields.number("read_bytes_per_s", rate);
    machine.f32 = fields.number("f32_flops_per_s", rate);
    machine.int8 = fields.number("int8_flops_per_s", rate);
    machine.tiles = fields.number("tiles_flops_per_s", {0, 1e18, tiles});
    machine.barrierSeconds = fields.number("barrier_s", {0, 1});
    machine.workers = static_cast<int>(fields.integer("workers", 1, 1024));
  }
  if (llvm::Error error = check.take())
    return error;
  return machine;
}

static mlir::DictionaryAttr describe(const Machine &machine, mlir::Builder &b) {
  auto number = [&](llvm::StringRef name, double x) { return b.getNamedAttr(name, b.getF64FloatAttr(x)); };
  return b.getDictionaryAttr(
      {number("barrier_s", machine.barrierSeconds), number("f32_flops_per_s", machine.f32),
       number("int8_flops_per_s", machine.int8), number("read_bytes_per_s", machine.readRate),
       number("tiles_flops_per_s", machine.tiles),
       b.getNamedAttr("workers", b.getI64IntegerAttr(machine.workers))});
}

/// A phase of a step of `rows` rows.
static double phaseSeconds(step::PhaseOp phase, int64_t rows, const Target &target,
                           const std::string &compute, const Machine &machine,
                           const mlir::SymbolTable &symbols) {
  const int64_t live = phase.getRows() == step::Rows::Last ? 1 : rows;
  const bool many = live > 1;
  const double more = static_cast<double>(live - 1);
  return predictSeconds(
      machine, {workOf(phase), productKind(target, compute, many), many,
                static_cast<double>(phase.getBytes()) + more * static_cast<double>(phase.getRowBytes()),
                static_cast<double>(phase.getFlops()) + more * static_cast<double>(phase.getRowFlops()),
                mostTasks(phase, live, target, symbols)});
}

double predictedSeconds(step::ProgramOp program, llvm::StringRef entry, const Target &target,
                        const std::string &compute, const Machine &machine) {
  const mlir::SymbolTable symbols(program);
  auto of = symbols.lookup<step::EntryOp>(entry);
  double seconds = 0;
  if (of)
    for (auto phase : of.getOps<step::PhaseOp>())
      seconds += phaseSeconds(phase, of.getRows(), target, compute, machine, symbols);
  return seconds;
}

void notePredictions(step::ProgramOp program, const Target &target, const std::string &compute,
                     const Machine &machine) {
  mlir::Builder b(program->getContext());
  const mlir::SymbolTable symbols(program);
  program->setAttr("step.machine", describe(machine, b));
  for (auto entry : program.getOps<step::EntryOp>())
    for (auto phase : entry.getOps<step::PhaseOp>()) {
      const double seconds = phaseSeconds(phase, entry.getRows(), target, compute, machine, symbols);
      if (seconds > 0) // tenths of a microsecond: more digits would only look exact
        phase->setAttr("step.predicted_us", b.getF64FloatAttr(std::round(seconds * 1e7) / 10));
    }
}

} // namespace gemmac
