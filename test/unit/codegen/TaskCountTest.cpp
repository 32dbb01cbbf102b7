// How many tasks the emitter makes of a phase, as predictions and manifests count them.
#include "test/unit/codegen/PackedWeight.h"
#include "test/unit/codegen/TestProgram.h"

#include "codegen/cpu/StepToCpu.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

namespace gemmac::test {

namespace {

/// Tasks of the last phase of `program` for `rows` live rows.
int64_t tasks(const TestProgram &program, int64_t rows, const std::string &march) {
  mlir::MLIRContext context;
  context.loadDialect<step::StepDialect>();
  // Not verified: buffers that no phase writes, weights without a source.
  auto module = mlir::parseSourceString<mlir::ModuleOp>(program.text(), mlir::ParserConfig(&context, false));
  llvm::Expected<Target> target = lookupTarget(march);
  if (!module || !target) {
    ADD_FAILURE() << program.text();
    return 0;
  }
  auto planned = *module->getOps<step::ProgramOp>().begin();
  step::PhaseOp last;
  planned.walk([&](step::PhaseOp phase) { last = phase; });
  return mostTasks(last, rows, *target, mlir::SymbolTable(planned));
}

TEST(TaskCount, IsTheGridOfMostPhases) {
  for (bool byRow : {false, true}) {
    TestProgram p(Options{64, 8});
    Buffer x = p.buffer("x", 8, 48), t = p.tile("t", x, 0, 16, 16);
    p.phase("\"scale\" rows(all) cols(3) " + std::string(byRow ? "by_row " : "") + "do {\n  " + t.name +
            "\n  step.scale " + operands({t, t}, "factor = 2.0") + "\n}");
    EXPECT_EQ(tasks(p, 8, "x86-64-v3"), byRow ? 24 : 3);
    EXPECT_EQ(tasks(p, 5, "x86-64-v3"), byRow ? 15 : 3);
  }
}

/// Four query heads of one KV head, behind a product whose activations are tiles if `tiles`.
void addAttention(TestProgram &p, int64_t rows, bool tiles) {
  Buffer q = p.buffer("q", rows, 256), y = p.buffer("y", rows, 256);
  p.cache("kv", 1, 64, 0, 1024, "bf16");
  PackedWeight w = randomWeight("bf16p16", 16, 64, 1);
  if (tiles) {
    p.weight("w", w.fields(16), w.bytes);
    Buffer packed = p.buffer("packed", rows, 128, "i8"), out = p.buffer("out", rows, 16);
    p.phase("\"product\" rows(all) cols(1) do {\n  step.matmul " +
            operands({out, packed}, "", ", @w as bf16t") + "\n}");
  }
  p.phase("\"attention\" rows(all) cols(4) by_row do {\n  step.attention " +
          operands({y, q}, "heads = 4, window = 0, scale = 1.0", ", @kv") + "\n}");
}

/// A row's positions are split, 1024 of them in four parts; all four heads are one group where registers are
/// wide.
TEST(TaskCount, OfAttentionIsOfGroupsAndParts) {
  TestProgram one(Options{1024, 1}), many(Options{1024, 64});
  addAttention(one, 1, false);
  addAttention(many, 64, false);
  EXPECT_EQ(tasks(one, 1, "x86-64-v3"), 4 * 4);
  EXPECT_EQ(tasks(one, 1, "x86-64-v4"), 4);
  EXPECT_EQ(tasks(many, 64, "x86-64-v3"), 4 * 64);
  EXPECT_EQ(tasks(many, 40, "x86-64-v4"), 40);
}

TEST(TaskCount, OfAttentionOnTilesIsOf32Rows) {
  TestProgram p(Options{1024, 64});
  addAttention(p, 64, true);
  EXPECT_EQ(tasks(p, 64, kTilesTarget), 2 * 4);
  EXPECT_EQ(tasks(p, 33, kTilesTarget), 2 * 4);
  EXPECT_EQ(tasks(p, 32, kTilesTarget), 4);
}

/// 48 tasks of 32 columns, four at a time.
TEST(TaskCount, OfATileProductIsOfSeveralTasksAtOnce) {
  TestProgram p(Options{64, 32});
  PackedWeight w = randomWeight("q8p16", 1536, 64, 1);
  p.weight("w", w.fields(32), w.bytes);
  Buffer packed = p.buffer("packed", 32, 128, "i8"), y = p.buffer("y", 32, 1536);
  Buffer t = p.tile("t", y, 0, 32, 32);
  p.phase("\"product\" rows(all) cols(48) do {\n  " + t.name + "\n  step.matmul " +
          operands({t, packed}, "", ", @w as bf16t") + "\n}");
  EXPECT_EQ(tasks(p, 32, kTilesTarget), 12);
}

/// Five experts of three tiles each; two slots of one row choose two of them.
TEST(TaskCount, OfExpertsIsOfThoseThatRowsCanChoose) {
  TestProgram p(Options{64, 32});
  PackedWeight w = randomWeight("q8p16", 48, 64, 1, 5);
  p.weight("w", w.fields(16), w.bytes);
  Buffer x = p.buffer("x", 32, 64), idx = p.buffer("idx", 32, 2, "i32"), y = p.buffer("y", 32, 96);
  Buffer t = p.tile("t", y, 0, 16, 16);
  p.phase("\"experts\" rows(all) cols(6) by_row do {\n  " + t.name + "\n  step.expert_matmul " +
          operands({t, x, idx}, "slots = 2", ", @w as f32") + "\n}");
  EXPECT_EQ(tasks(p, 32, "x86-64-v3"), 5 * 3);
  EXPECT_EQ(tasks(p, 1, "x86-64-v3"), 2 * 3);
}

} // namespace
} // namespace gemmac::test
