// What the step interpreter is for: wrong plans, races and rings that are too small must show. The faults are
// made after parsing, because the verifiers refuse them.
#include "StepTest.h"

#include <cmath>

using namespace gemmac;

namespace {
class StepPlan : public StepTest {
protected:
  step::BufferOp bufferNamed(llvm::StringRef name) {
    step::BufferOp found;
    program().walk([&](step::BufferOp buffer) {
      if (buffer.getName() == name)
        found = buffer;
    });
    return found;
  }
  mlir::IntegerAttr i64(int64_t x) { return mlir::IntegerAttr::get(mlir::IntegerType::get(&context, 64), x); }
};

/// %y = 2 x, %z = x + y, each in a phase of its own.
const char *const kChain = "%y = step.buffer \"y\" {offset = 128 : i64} : memref<4x2xf32>\n"
                           "%z = step.buffer \"z\" {offset = 192 : i64} : memref<4x2xf32>\n"
                           "step.phase \"twice\" rows(all) cols(1) by_row do {\n"
                           "step.scale %y, %x {factor = 2.0 : f64} : memref<4x2xf32>, memref<4x2xf32>\n"
                           "}\nstep.barrier\nstep.phase \"sum\" rows(all) cols(1) by_row do {\n"
                           "step.add %z, %x, %y : memref<4x2xf32>, memref<4x2xf32>, memref<4x2xf32>\n}\n";
} // namespace

TEST_F(StepPlan, BuffersLieAtTheirOffsets) {
  loadStep({{1, 2}, {3, 4}}, "", "", kChain);
  program().setArenaBytes(256);
  ASSERT_EQ(run({0, 1}), "ok");
  expectNear(buffers["z"].f32, {3, 6, 9, 12});
}

TEST_F(StepPlan, OverlappingBuffersGiveWrongNumbers) {
  loadStep({{1, 2}, {3, 4}}, "", "", kChain);
  program().setArenaBytes(256);
  bufferNamed("x").setOffset(128); // where y lies
  ASSERT_EQ(run({0, 1}), "ok");
  expectNear(buffers["z"].f32, {4, 8, 12, 16});
}

TEST_F(StepPlan, BufferOutsideOfTheArena) {
  loadStep({{1, 2}, {3, 4}}, "", "", kChain);
  program().setArenaBytes(192);
  EXPECT_EQ(run({0}), "memory plan: z: ends at byte 224, expected at most 192");
}

TEST_F(StepPlan, ArenaThatIsTooLarge) {
  loadStep({{1, 2}, {3, 4}}, "", "", kChain);
  program().setArenaBytes(int64_t(1) << 50);
  EXPECT_EQ(run({0}),
            "memory plan: p: needs 1125899906842624 bytes, expected at most 8589934592; choose a smaller "
            "context or chunk");
}

TEST_F(StepPlan, UnwrittenMemoryIsNaN) {
  loadStep({{1, 2}}, "", "", kChain);
  program().setArenaBytes(256);
  llvm::SmallVector<step::ScaleOp> scales;
  program().walk([&](step::ScaleOp op) { scales.push_back(op); });
  ASSERT_EQ(scales.size(), 1u);
  scales.front()->erase();
  ASSERT_EQ(run({0}), "ok");
  EXPECT_TRUE(std::isnan(buffers["z"].f32[0]));
}

TEST_F(StepPlan, RacesDependOnTheOrderOfTasks) {
  loadStep({{1, 10, 100}}, "", "",
           "step.phase \"race\" rows(all) cols(2) do {\n"
           "%0 = step.tile %x {offset = 0 : i64, stride = 1 : i64, width = 1 : i64} : memref<4x3xf32> -> "
           "memref<4x1xf32>\n"
           "%1 = step.tile %x {offset = 0 : i64, stride = 1 : i64, width = 1 : i64} : memref<4x3xf32> -> "
           "memref<4x1xf32>\n"
           "step.scale %1, %0 {factor = 2.0 : f64} : memref<4x1xf32>, memref<4x1xf32>\n}\n");
  ASSERT_EQ(run({0}), "ok");
  expectNear(buffers["x"].f32, {2, 20, 100});
  StepRunOptions reverse;
  reverse.order = TaskOrder::Descending;
  ASSERT_EQ(run({0}, 0, reverse), "ok");
  expectNear(buffers["x"].f32, {2, 20, 100});
  // now task c writes column c + 1, which task c + 1 reads
  program().walk([&](step::ScaleOp op) { op.getDst().getDefiningOp<step::TileOp>().setOffset(1); });
  ASSERT_EQ(run({0}, 0, reverse), "ok");
  expectNear(buffers["x"].f32, {1, 2, 20});
  ASSERT_EQ(run({0}), "ok");
  expectNear(buffers["x"].f32, {1, 2, 4});
}

TEST_F(StepPlan, RingThatIsTooSmall) {
  loadStep(
      {{1}}, "",
      "step.cache @kv f32 {heads = 1 : i64, head_dim = 1 : i64, window = 16 : i64, slots = 32 : i64}\n",
      "%y = step.buffer \"y\" : memref<4x1xf32>\nstep.phase \"kv\" rows(all) cols(1) by_row do {\n"
      "step.cache_write @kv k, %x : memref<4x1xf32>\nstep.cache_write @kv v, %x : memref<4x1xf32>\n"
      "}\nstep.barrier\nstep.phase \"attention\" rows(all) cols(1) by_row do {\n"
      "step.attention %y, %x, @kv {heads = 1 : i64, window = 16 : i64, scale = 1.0 : f64} : memref<4x1xf32>,"
      " memref<4x1xf32>\n}\n");
  for (int32_t first = 0; first < 20; first += 4)
    ASSERT_EQ(run({0, 0, 0, 0}, first), "ok") << first;
  (*program().getOps<step::CacheOp>().begin()).setSlots(16);
  step.reset();
  for (int32_t first = 0; first < 16; first += 4)
    ASSERT_EQ(run({0, 0, 0, 0}, first), "ok") << first;
  // position 16 needs 1, whose slot 17 has taken
  EXPECT_EQ(run({0, 0, 0, 0}, 16),
            "phase attention: step.attention: position 1 of sequence 0 is not in the cache, "
            "while position 16 reads it");
}

TEST_F(StepPlan, PrologueRunsForEachWorkerAndPublishesOnce) {
  loadStep({{1, 2}}, "", "",
           "%p = step.buffer \"p\" : memref<4x2xf32, \"private\">\n%shared = step.buffer \"shared\" : "
           "memref<4x2xf32>\n"
           "%y = step.buffer \"y\" : memref<4x2xf32>\n"
           "step.phase \"op\" rows(all) cols(2) prologue {\n"
           "step.scale %p, %x {factor = 3.0 : f64} : memref<4x2xf32, \"private\">, memref<4x2xf32>\n"
           "step.publish %shared, %p : memref<4x2xf32>, memref<4x2xf32, \"private\">\n} do {\n"
           "%0 = step.tile %p {offset = 0 : i64, stride = 1 : i64, width = 1 : i64}"
           " : memref<4x2xf32, \"private\"> -> memref<4x1xf32, \"private\">\n"
           "%1 = step.tile %y {offset = 0 : i64, stride = 1 : i64, width = 1 : i64} : memref<4x2xf32> -> "
           "memref<4x1xf32>\n"
           "step.copy %1, %0 : memref<4x1xf32>, memref<4x1xf32, \"private\">\n}\n");
  for (int64_t workers : {1, 2, 3}) {
    StepRunOptions options;
    options.workers = workers;
    ASSERT_EQ(run({0}, 0, options), "ok");
    expectNear(buffers["y"].f32, {3, 6});
    expectNear(buffers["shared"].f32, {3, 6});
  }
}

TEST_F(StepPlan, CasesCountFromTheirBegin) {
  loadStep({{1, 2, 3, 4}}, "", "",
           "%y = step.buffer \"y\" : memref<4x4xf32>\nstep.phase \"op\" rows(all) cols(4) do {\n"
           "step.case 0 to 1 {\n"
           "%0 = step.tile %x {offset = 3 : i64, stride = 1 : i64, width = 1 : i64} : memref<4x4xf32> -> "
           "memref<4x1xf32>\n"
           "%1 = step.tile %y {offset = 0 : i64, stride = 1 : i64, width = 1 : i64} : memref<4x4xf32> -> "
           "memref<4x1xf32>\n"
           "step.copy %1, %0 : memref<4x1xf32>, memref<4x1xf32>\n}\n"
           "step.case 1 to 4 {\n"
           "%0 = step.tile %x {offset = 0 : i64, stride = 1 : i64, width = 1 : i64} : memref<4x4xf32> -> "
           "memref<4x1xf32>\n"
           "%1 = step.tile %y {offset = 1 : i64, stride = 1 : i64, width = 1 : i64} : memref<4x4xf32> -> "
           "memref<4x1xf32>\n"
           "step.copy %1, %0 : memref<4x1xf32>, memref<4x1xf32>\n}\n}\n");
  ASSERT_EQ(run({0}), "ok");
  expectNear(buffers["y"].f32, {4, 1, 2, 3});
}

TEST_F(StepPlan, StopsAfterAPhase) {
  loadStep({{1, 2}}, "", "", kChain);
  program().setArenaBytes(256);
  stopAfter = "twice";
  ASSERT_EQ(run({0}), "ok");
  EXPECT_EQ(phases, (std::vector<std::string>{"in", "twice"}));
  expectNear(buffers["y"].f32, {2, 4});
}

TEST_F(StepPlan, RefusesWrongCalls) {
  loadStep({{1, 2}}, "", "", kChain);
  program().setArenaBytes(256);
  EXPECT_EQ(run({}), "@e takes 1 to 4 tokens, found 0");
  EXPECT_EQ(run({0, 0, 0, 0, 0}), "@e takes 1 to 4 tokens, found 5");
  EXPECT_EQ(run({0}, 32), "@e: position 32 is not in the context of 32");
  auto unknown = step->run("f", {0}, {0});
  EXPECT_EQ(llvm::toString(unknown.takeError()), "no entry @f in the program");
  auto sequence = step->run("e", {0}, {0}, {1});
  EXPECT_EQ(llvm::toString(sequence.takeError()), "@e: sequence 1 is not in [0, 1)");
}
