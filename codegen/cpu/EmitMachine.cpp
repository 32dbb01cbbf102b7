// See EmitMachine.h. A run of the loop multiplies one vector (or pair of tiles) of weights, another each
// time, with all activations: results depend on it, so that no product can be moved out of the loop.
#include "codegen/cpu/EmitMachine.h"

#include "codegen/cpu/AmxTiles.h"
#include "codegen/cpu/PhaseEmitter.h"
#include "runtime/Abi.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace gemmac {
namespace cpu {
namespace {

constexpr int64_t kWeightsAt = 4096, kResultsAt = 8192, kWeightVectors = 16;
static_assert(GM_PEAK_BYTES == kResultsAt + 4 * 1024, "two tiles of each operand and four of sums");

/// Sums in registers: enough for two units of four cycles, and the operands beside them.
int64_t sumsOf(const Target &target) { return target.avx512 || target.arch == Arch::AArch64 ? 12 : 10; }

/// A vector's products: f32, or bytes to sums of eight (smmla), four (vpdpbusd, sdot) or two (vpmaddubsw).
struct Dot {
  KernelBuilder &k;
  bool bytes;

  int64_t size() const { return k.cpu().vectorBytes; }
  bool dots() const { return k.cpu().vnni || k.cpu().avxvnni || k.cpu().dotprod; }
  Type operand() const { return bytes ? k.vec(k.i8(), size()) : k.vec(k.f32(), size() / 4); }
  Type sum() const {
    return !bytes   ? k.vec(k.f32(), size() / 4)
           : dots() ? k.vec(k.i32(), size() / 4)
                    : k.vec(k.i16(), size() / 2);
  }
  Value zero() { return bytes ? k.cint(sum(), 0) : k.cf(sum(), 0); }
  Value add(Value sum, Value w, Value x) {
    if (!bytes)
      return k.fma(w, x, sum);
    if (k.cpu().i8mm) // as prompts are computed; it multiplies each half of w with each of x
      return k.intrinsic("llvm.aarch64.neon.smmla", this->sum(), {sum, w, x});
    if (k.cpu().dotprod)
      return k.intrinsic("llvm.aarch64.neon.sdot", this->sum(), {sum, w, x});
    if (dots())
      return k.intrinsic(size() == 64 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256",
                         this->sum(), {sum, w, x});
    return k.add(sum,
                 k.intrinsic(size() == 64 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw",
                             this->sum(), {w, x}));
  }
};

void emitVectors(KernelBuilder &k, Value scratch, Value times, bool bytes) {
  Dot dot{k, bytes};
  const int64_t count = sumsOf(k.cpu());
  SmallVector<Value> sums(count, dot.zero());
  sums = k.loop(k.c(0), times, 1, sums, [&](Value i, ValueRange now) {
    Value w =
        k.load(dot.operand(), k.at(scratch, k.add(k.mul(k.rem(i, kWeightVectors), 64), kWeightsAt)), 32);
    SmallVector<Value> next;
    for (int64_t j = 0; j < count; ++j)
      next.push_back(dot.add(now[j], w, k.load(dot.operand(), k.at(scratch, j * 64), 32)));
    return next;
  });
  for (int64_t j = 0; j < count; ++j)
    k.store(sums[j], k.at(scratch, kResultsAt + j * 64), 32);
}

void emitTiles(KernelBuilder &k, Value scratch, Value times) {
  AmxTiles tiles(k);
  Value line = k.c(64);
  SmallVector<Value> sums(4, tiles.zero());
  sums = k.loop(k.c(0), times, 1, sums, [&](Value i, ValueRange now) {
    Value weights = k.at(scratch, k.add(k.mul(k.rem(i, 2), 2048), kWeightsAt));
    Value w[] = {tiles.load(weights, line), tiles.load(k.at(weights, 1024), line)};
    Value x[] = {tiles.load(scratch, line), tiles.load(k.at(scratch, 1024), line)};
    SmallVector<Value> next;
    for (int64_t j = 0; j < 4; ++j)
      next.push_back(tiles.multiply(now[j], x[j / 2], w[j % 2]));
    return next;
  });
  for (int64_t j = 0; j < 4; ++j)
    tiles.store(sums[j], k.at(scratch, kResultsAt + j * 1024), line);
}

/// Block after block of the weights, claimed like tasks, in four sums of words.
void emitStream(KernelBuilder &k, Value step) {
  constexpr int64_t kSums = 4;
  const int64_t bytes = k.cpu().vectorBytes;
  OpBuilder &b = k.builder();
  Type words = k.vec(k.i64(), bytes / 8);
  Value weights = k.load(k.ptr(), k.at(step, Weights)), scratch = k.load(k.ptr(), k.at(step, Scratch));
  Value counter = k.load(k.ptr(), k.at(step, Counters)), blocks = k.load(k.i64(), k.at(step, Rows));
  auto loop = scf::WhileOp::create(b, k.location(), TypeRange{k.i64()}, ValueRange{k.c(0)});
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&loop.getBefore(), {}, {k.i64()}, {k.location()});
  Value block = LLVM::AtomicRMWOp::create(b, k.location(), LLVM::AtomicBinOp::add, counter, k.c(1),
                                          LLVM::AtomicOrdering::monotonic);
  scf::ConditionOp::create(b, k.location(), k.lt(block, blocks), ValueRange{block});
  Block *after = b.createBlock(&loop.getAfter(), {}, {k.i64()}, {k.location()});
  Value from = k.at(weights, k.mul(after->getArgument(0), GM_STREAM_BLOCK));
  SmallVector<Value> sums(kSums, k.cint(words, 0));
  sums[0] = k.load(words, scratch, 32);
  sums = k.loop(k.c(0), k.c(GM_STREAM_BLOCK), kSums * bytes, sums, [&](Value at, ValueRange now) {
    SmallVector<Value> next;
    for (int64_t j = 0; j < kSums; ++j)
      next.push_back(k.add(now[j], k.load(words, k.at(from, k.add(at, j * bytes)), 32)));
    return next;
  });
  k.store(k.add(k.add(sums[0], sums[1]), k.add(sums[2], sums[3])), scratch, 32);
  scf::YieldOp::create(b, k.location(), ValueRange{k.c(0)});
}

} // namespace
} // namespace cpu

std::vector<Peak> peaksOf(const Target &target) {
  const int64_t sums = cpu::sumsOf(target), bytes = target.vectorBytes;
  std::vector<Peak> peaks{{"f32", "gm_peak_f32", 2 * sums * bytes / 4},
                          {"int8", "gm_peak_int8", 2 * sums * bytes * (target.i8mm ? 2 : 1)}};
  if (target.amx)
    peaks.push_back({"bf16-tiles", "gm_peak_tiles", 2 * 4 * 16 * 16 * 32});
  return peaks;
}

std::string productKind(const Target &target, const std::string &compute, bool manyRows) {
  if (manyRows && target.amx && compute != "f32")
    return "bf16-tiles";
  return compute == "int8" ? "int8" : "f32"; // bf16 activations are f32 in memory
}

void emitPeaks(ModuleOp dst, const Target &target, llvm::StringRef suffix) {
  cpu::KernelLibrary library(dst, target);
  Type pointer = LLVM::LLVMPointerType::get(dst.getContext());
  {
    func::FuncOp function =
        library.declare((llvm::Twine(kStreamSymbol) + suffix).str(), {pointer}, /*exported=*/true);
    OpBuilder builder = OpBuilder::atBlockBegin(function.addEntryBlock());
    cpu::KernelBuilder k(builder, dst.getLoc(), target);
    cpu::emitStream(k, function.getArgument(0));
    func::ReturnOp::create(builder, dst.getLoc());
  }
  for (const Peak &peak : peaksOf(target)) {
    func::FuncOp function =
        library.declare((llvm::Twine(peak.symbol) + suffix).str(), {pointer}, /*exported=*/true);
    OpBuilder builder = OpBuilder::atBlockBegin(function.addEntryBlock());
    cpu::KernelBuilder k(builder, dst.getLoc(), target);
    Value step = function.getArgument(0);
    Value scratch = k.load(k.ptr(), k.at(step, cpu::Scratch)), times = k.load(k.i64(), k.at(step, cpu::Rows));
    if (peak.kind == "bf16-tiles")
      cpu::emitTiles(k, scratch, times);
    else
      cpu::emitVectors(k, scratch, times, peak.kind == "int8");
    func::ReturnOp::create(builder, dst.getLoc());
  }
}

} // namespace gemmac
