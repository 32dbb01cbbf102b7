// Runs small step programs given as text. Inputs come in as rows of an embedding table: token t is row t of
// it.
#pragma once

#include "InterpTest.h"

#include "dialect/interp/step/StepInterpreter.h"

#include <map>

namespace gemmac {

class StepTest : public InterpTest {
protected:
  StepTest() { context.loadDialect<step::StepDialect>(); }

  /// A gemma.weight with these rows of k values.
  static std::string literal(const std::string &name, const std::vector<std::vector<float>> &rows,
                             const std::string &more = "") {
    std::string text = "gemma.weight @" + name + " {" + more + "literal = dense<[";
    for (size_t r = 0; r < rows.size(); ++r) {
      text += r ? ", [" : "[";
      for (size_t c = 0; c < rows[r].size(); ++c)
        text += (c ? ", " : "") + std::to_string(rows[r][c]);
      text += "]";
    }
    std::string type = std::to_string(rows.size()) + "x" + std::to_string(rows[0].size()) + "xf32>";
    return text + "]> : tensor<" + type + "} : tensor<" + type + "\n";
  }
  static std::string vector(const std::string &name, const std::vector<float> &values) {
    std::string n = std::to_string(values.size()), text;
    for (float x : values)
      text += (text.empty() ? "" : ", ") + std::to_string(x);
    return "gemma.weight @" + name + " {literal = dense<[" + text + "]> : tensor<" + n + "xf32>} : tensor<" +
           n + "xf32>\n";
  }
  static std::string stepVector(const std::string &name, size_t n) {
    return "step.weight @" + name + " vec {n = " + std::to_string(n) +
           " : i64, k = 1 : i64, tile = " + std::to_string(n) + " : i64, sources = [@" + name + "]}\n";
  }
  static std::string stepTable(const std::string &name, const std::string &format, size_t n, size_t k) {
    return "step.weight @" + name + " " + format + " {n = " + std::to_string(n) +
           " : i64, k = " + std::to_string(k) + " : i64, tile = 1 : i64, sources = [@" + name + "]}\n";
  }

  /// A program of one entry @e of at most 4 tokens whose buffer %x holds the rows of `input` that the tokens
  /// name.
  void loadStep(const std::vector<std::vector<float>> &input, const std::string &weights,
                const std::string &stepSymbols, const std::string &body) {
    step.reset();
    buffers.clear();
    std::string k = std::to_string(input[0].size()), type = "memref<4x" + k + "xf32>";
    load(literal("in", input) + weights +
         "step.program @p attributes {context = 32 : i64, chunk = 4 : i64, batch = 1 : i64} {\n" +
         stepTable("in", "rows_f32", input.size(), input[0].size()) + stepSymbols +
         "step.entry @e logits(none) attributes {rows = 4 : i64} {\n%x = step.buffer \"x\" : " + type +
         "\nstep.phase \"in\" rows(all) cols(1) by_row do {\nstep.embed %x, @in {scale = 1.0 : f64} : " +
         type + "\n}\nstep.barrier\n" + body + "}\n}\n");
  }
  step::ProgramOp program() { return *module->getOps<step::ProgramOp>().begin(); }

  /// Runs @e on these tokens at positions from `first` on; what phases wrote is in `buffers`, by name.
  std::string run(std::vector<int32_t> tokens, int32_t first = 0, StepRunOptions options = {}) {
    if (!step || options.workers != lastWorkers || options.order != lastOrder)
      step = std::make_unique<StepInterpreter>(program(), *module, nullptr, options);
    lastWorkers = options.workers;
    lastOrder = options.order;
    step->setObserver([&](step::PhaseOp phase, llvm::ArrayRef<PhaseResult> results) {
      phases.push_back(phase.getName().str());
      for (const PhaseResult &result : results)
        buffers[result.name.str()] = result.value;
      return phase.getName() != stopAfter;
    });
    std::vector<int32_t> positions;
    for (size_t i = 0; i < tokens.size(); ++i)
      positions.push_back(first + static_cast<int32_t>(i));
    auto result = step->run("e", tokens, positions);
    if (!result)
      return llvm::toString(result.takeError());
    logits = *result;
    return "ok";
  }
  /// One by_row phase with `op` from %x of n columns to %y of m; the rows of %y for the tokens 0, 1, ...
  std::vector<float> rowOp(const std::string &op, size_t m, const std::vector<std::vector<float>> &input,
                           const std::string &weights = "", const std::string &stepSymbols = "") {
    std::string out = "memref<4x" + std::to_string(m) + "xf32>",
                in = "memref<4x" + std::to_string(input[0].size()) + "xf32>";
    loadStep(input, weights, stepSymbols,
             "%y = step.buffer \"y\" : " + out + "\nstep.phase \"op\" rows(all) cols(1) by_row do {\n" + op +
                 " : " + out + ", " + in + "\n}\n");
    if (!module)
      return {};
    std::vector<int32_t> tokens;
    for (size_t i = 0; i < input.size(); ++i)
      tokens.push_back(static_cast<int32_t>(i));
    EXPECT_EQ(run(tokens), "ok");
    return buffers["y"].f32;
  }

  std::unique_ptr<StepInterpreter> step;
  std::map<std::string, Tensor> buffers;
  std::vector<std::string> phases;
  std::vector<float> logits;
  std::string stopAfter = "never";

private:
  int64_t lastWorkers = 1;
  TaskOrder lastOrder = TaskOrder::Ascending;
};

} // namespace gemmac
