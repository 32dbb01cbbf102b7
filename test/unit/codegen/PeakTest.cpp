// The functions that measure peaks: each does the sums that it says, as often as it says, in every target.
#include "test/unit/codegen/TestProgram.h"

#include "codegen/cpu/EmitMachine.h"
#include "codegen/cpu/LowerToLLVM.h"

#include "mlir/IR/Builders.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/TargetSelect.h"

using namespace gemmac;

namespace {

class Peaks : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    mlir::DialectRegistry registry;
    registerCpuDialects(registry);
    mlir::MLIRContext context(registry);
    context.loadAllAvailableDialects();
    target = llvm::cantFail(lookupTarget(GetParam()));
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
    emitPeaks(*module, target);
    auto object = llvm::cantFail(compileToObject(*module, target, 3));
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
    llvm::cantFail(jit->addObjectFile(std::move(object)));
  }
  /// The scratch after `times` runs on operands of ones (f32 1.0, bf16 1.0, or bytes 0x01).
  std::vector<char> run(const Peak &peak, int64_t times) {
    const uint32_t one = peak.kind == "f32" ? 0x3f800000 : peak.kind == "int8" ? 0x01010101 : 0x3f803f80;
    alignas(64) static char memory[GM_PEAK_BYTES];
    std::memset(memory, 0, sizeof memory);
    for (size_t i = 0; i < 8192; i += 4)
      std::memcpy(memory + i, &one, 4);
    GmStep step = {};
    step.scratch = memory;
    step.rows = times;
    llvm::cantFail(jit->lookup(peak.symbol)).toPtr<GmEntry>()(&step);
    return {memory, memory + sizeof memory};
  }
  /// The sum of all results, each of them `width` bytes.
  static double total(const std::vector<char> &memory, bool isFloat, size_t width) {
    double sum = 0;
    for (size_t i = 8192; i < memory.size(); i += width) {
      float f;
      int32_t n = 0;
      std::memcpy(&f, &memory[i], std::min<size_t>(4, width));
      std::memcpy(&n, &memory[i], width);
      sum += isFloat ? f : n;
    }
    return sum;
  }

  Target target;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

TEST_P(Peaks, countWhatTheyDo) {
  for (const Peak &peak : peaksOf(target)) {
    if (peak.kind == "bf16-tiles")
      continue; // needs permission from the kernel: the executable's own test
    const bool bytes = peak.kind == "int8";
    const size_t width = bytes && !target.vnni && !target.avxvnni ? 2 : 4;
    const int64_t times = 37;
    // Each product of ones adds one; a product and its sum are two operations.
    EXPECT_EQ(total(run(peak, times), !bytes, width) * 2, static_cast<double>(peak.flops * times))
        << peak.kind;
    EXPECT_EQ(total(run(peak, 0), !bytes, width), 0) << peak.kind;
  }
}

TEST_P(Peaks, streamAddsUpEveryWordOnce) {
  constexpr int64_t kBlocks = 3;
  std::vector<uint64_t> weights(kBlocks * GM_STREAM_BLOCK / 8 + 8);
  auto *first = reinterpret_cast<uint64_t *>((reinterpret_cast<uintptr_t>(weights.data()) + 63) / 64 * 64);
  uint64_t want = 0;
  for (int64_t i = 0; i < kBlocks * GM_STREAM_BLOCK / 8; ++i)
    want += first[i] = static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15ull;
  alignas(64) uint64_t scratch[8] = {};
  int64_t counters[16] = {};
  GmStep step = {};
  step.weights = reinterpret_cast<const char *>(first);
  step.scratch = reinterpret_cast<char *>(scratch);
  step.counters = counters;
  step.rows = kBlocks;
  llvm::cantFail(jit->lookup(kStreamSymbol)).toPtr<GmEntry>()(&step);
  uint64_t sum = 0;
  for (uint64_t word : scratch)
    sum += word;
  EXPECT_EQ(sum, want);
  EXPECT_EQ(counters[0], kBlocks + 1) << "each claimed once, and one claim that finds nothing";
}

INSTANTIATE_TEST_SUITE_P(Targets, Peaks, testing::ValuesIn(test::runnableTargets()), [](const auto &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(PeakKinds, followComputeAndTarget) {
  const Target amx = llvm::cantFail(lookupTarget("sapphirerapids")),
               v3 = llvm::cantFail(lookupTarget("x86-64-v3"));
  EXPECT_EQ(peaksOf(amx).size(), 3u);
  EXPECT_EQ(peaksOf(v3).size(), 2u);
  EXPECT_EQ(productKind(amx, "int8", true), "bf16-tiles");
  EXPECT_EQ(productKind(amx, "f32", true), "f32");
  EXPECT_EQ(productKind(amx, "int8", false), "int8");
  EXPECT_EQ(productKind(v3, "int8", true), "int8");
  EXPECT_EQ(productKind(v3, "bf16", true), "f32");
  // Twelve sums: sdot multiplies 16 pairs of bytes, smmla 32.
  EXPECT_EQ(peaksOf(llvm::cantFail(lookupTarget("armv8.2-a+dotprod"))).at(1).flops, 12 * 16 * 2);
  EXPECT_EQ(peaksOf(llvm::cantFail(lookupTarget("armv8.2-a+dotprod+i8mm"))).at(1).flops, 12 * 32 * 2);
}

} // namespace
