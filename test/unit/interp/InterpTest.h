// Runs functions given as text, with weights given as literals.
#pragma once

#include "dialect/interp/Interpreter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <string>

namespace gemmac {

class InterpTest : public ::testing::Test {
protected:
  InterpTest() : context(mlir::MLIRContext::Threading::DISABLED) {
    context.loadDialect<gemma::GemmaDialect, mlir::func::FuncDialect>();
  }

  /// Parses `text`; later calls run its functions.
  void load(const std::string &text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    interpreter = std::make_unique<Interpreter>(*module, nullptr);
  }
  /// The results of @f, or none and a failed test.
  std::vector<Tensor> call(std::vector<Tensor> arguments) {
    auto results = interpreter->call("f", std::move(arguments));
    if (results)
      return std::move(*results);
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  /// The message of the error that @f ends with.
  std::string failure(std::vector<Tensor> arguments) {
    auto results = interpreter->call("f", std::move(arguments));
    return results ? "no error" : llvm::toString(results.takeError());
  }
  /// Runs `@f(%x: tensor<?xNxf32>) -> tensor<?xMxf32> { %y = <op> return %y }` on rows of n columns.
  std::vector<float> unary(const std::string &op, int64_t n, int64_t m, std::vector<float> x,
                           const std::string &weights = "") {
    std::string in = "tensor<?x" + std::to_string(n) + "xf32>",
                out = "tensor<?x" + std::to_string(m) + "xf32>";
    load(weights + "\nfunc.func @f(%x: " + in + ") -> " + out + " {\n%y = " + op + "\nreturn %y : " + out +
         "\n}");
    if (!module)
      return {};
    int64_t rows = static_cast<int64_t>(x.size()) / n;
    std::vector<Tensor> results = call({Tensor::ofFloats({rows, n}, std::move(x))});
    return results.empty() ? std::vector<float>() : results.front().f32;
  }

  static void expectNear(llvm::ArrayRef<float> got, llvm::ArrayRef<float> want, float tolerance = 1e-6f) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], want[i], tolerance * std::max(1.0f, std::abs(want[i]))) << "element " << i;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<Interpreter> interpreter;
};

} // namespace gemmac
