// The interpreter itself: arguments, unknown functions, the observer.
#include "InterpTest.h"

using namespace gemmac;

namespace {
class Whole : public InterpTest {
protected:
  Whole() {
    load(
        "gemma.weight @t {literal = dense<[[1.0], [2.0]]> : tensor<2x1xf32>} : tensor<2x1xf32>\n"
        "func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> "
        "tensor<?x1xf32> {\n"
        "%x = gemma.embed %tokens, @t {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x1xf32> loc(\"embed\")\n"
        "%y = gemma.add %x, %x : tensor<?x1xf32> loc(\"twice\")\n"
        "%z = gemma.add %y, %x : tensor<?x1xf32> loc(\"thrice\")\n"
        "return %z : tensor<?x1xf32> }\n"
        "func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) { return }");
  }
  std::string run(llvm::StringRef function, llvm::ArrayRef<int32_t> tokens, llvm::ArrayRef<int32_t> pos,
                  llvm::ArrayRef<int32_t> seq) {
    auto results = interpreter->run(function, tokens, pos, seq);
    return results ? "ok" : llvm::toString(results.takeError());
  }
};
} // namespace

TEST_F(Whole, Runs) {
  auto results = interpreter->run("forward", {1, 0}, {0, 1}, {0, 0});
  ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
  expectNear(results->front().f32, {6, 3});
}

TEST_F(Whole, RefusesWrongCalls) {
  EXPECT_EQ(run("forwards", {1}, {0}, {0}), "no function @forwards in the module");
  EXPECT_EQ(run("forward", {}, {}, {}),
            "expected the same positive number of tokens, positions and sequences");
  EXPECT_EQ(run("forward", {1}, {0, 1}, {0}),
            "expected the same positive number of tokens, positions and sequences");
  EXPECT_EQ(run("forward", {1}, {-1}, {0}), "position -1 is out of range");
  EXPECT_EQ(run("decode", {1, 1}, {0, 1}, {0, 0}),
            "@decode: argument 0: found shape [2], expected tensor<1xi32>");
  auto results = interpreter->call("forward", {});
  EXPECT_EQ(llvm::toString(results.takeError()), "@forward takes 3 arguments, found 0");
}

TEST_F(Whole, ObserverSeesEachOpAndStops) {
  std::vector<std::string> seen;
  interpreter->setObserver([&](mlir::Operation *op, llvm::ArrayRef<Tensor> results) {
    seen.push_back(placeOf(op).str() + " " + std::to_string(results[0].f32[0]));
    return placeOf(op) != "twice";
  });
  auto results = interpreter->run("forward", {1}, {0}, {0});
  ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
  EXPECT_TRUE(results->empty());
  EXPECT_EQ(seen, (std::vector<std::string>{"embed 2.000000", "twice 4.000000"}));
}
