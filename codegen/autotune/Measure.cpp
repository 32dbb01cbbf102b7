// See Measure.h.
#include "codegen/autotune/Measure.h"

#include "codegen/autotune/HostCpu.h"
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StepToCpu.h"
#include "dialect/step/Layout.h"
#include "frontend/Diagnostic.h"
#include "runtime/Abi.h"

#include "mlir/Parser/Parser.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

namespace gemmac {

namespace {

/// What a single row streams in a run: so much that starting the threads does not count.
constexpr int64_t kStreamBytes = 64 << 20;
/// Runs read parts of so many weights by turns: more than the caches keep, of a server's third level too.
constexpr int64_t kMostBytes = 1 << 30, kLeastPart = 1 << 20;

/// The phase as a program: rows, arena, weight bytes, format, n, k, tile, activations, dst's offset, tasks,
/// act.
constexpr const char *kProgram = R"(
step.program @measured attributes {{context = 64, chunk = {0}, batch = 1, arena_bytes = {1}, scratch_bytes = 0, weight_bytes = {2}} {{
  step.weight @w {3} {{n = {4}, k = {5}, tile = {6}, sources = [@source], offset = 0, bytes = {2}}
  step.entry @product logits(none) attributes {{rows = {0}} {{
    %act = step.buffer "act" {{offset = 0} : {7}
    %dst = step.buffer "dst" {{offset = {8}} : memref<{0}x{4}xf32>
    step.phase "product" rows(all) cols({9}) do {{
      %t = step.tile %dst {{offset = 0, stride = {6}, width = {6}} : memref<{0}x{4}xf32> -> memref<{0}x{6}xf32>
      step.matmul %t, %act, @w as {10} : memref<{0}x{6}xf32>, {7}
    }
    step.yield
  }
}
)";

/// A single row reads weights task by task, however many there are: as many as kStreamBytes have.
int64_t tasksOf(const Product &product) {
  if (product.tasks)
    return product.tasks;
  const int64_t bytes = product.tile / kPanelRows * panelBytes(product.format, product.k);
  return std::max<int64_t>(1, kStreamBytes / bytes);
}

std::string programText(const Product &product, int64_t &weightBytes) {
  const int64_t tasks = tasksOf(product), n = tasks * product.tile;
  const int64_t actBytes = roundUp(product.rows * actRowBytes(product.act, product.k), kAlign);
  weightBytes = matrixBytes(product.format, n, product.k);
  std::string act = llvm::formatv("memref<{0}x{1}x{2}>", product.rows, actColumns(product.act, product.k),
                                  isByteAct(product.act) ? "i8" : "f32");
  return llvm::formatv(kProgram, product.rows, actBytes + roundUp(product.rows * n * 4, kAlign), weightBytes,
                       step::stringifyFormat(product.format), n, product.k, product.tile, act, actBytes,
                       tasks, step::stringifyAct(product.act));
}

void noBarrier(const GmStep *) {}

} // namespace

std::string CandidateCode::text() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  mlir::ModuleOp(code.get()).print(os);
  return text;
}

llvm::Expected<CandidateCode> emitCandidate(mlir::MLIRContext &context, const Product &product,
                                            const KernelTuning &tuning, const Target &target) {
  CandidateCode result;
  // Not verified: nobody writes the activations, and the weight has no source.
  mlir::ParserConfig config(&context, /*verifyAfterParse=*/false);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(programText(product, result.weightBytes), config);
  if (!module)
    return machineError("the program of a product cannot be read: this is a defect of gemmac");
  auto program = *module->getOps<step::ProgramOp>().begin();
  program.walk([&](step::MatmulOp op) { setTuning(op, tuning); });
  result.code = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  if (mlir::failed(emitCpu(program, *result.code, target)))
    return machineError("the program of a product cannot be compiled: this is a defect of gemmac");
  result.arenaBytes = totalArenaBytes(program);
  result.scratchBytes = totalScratchBytes(program);
  return result;
}

/// Zeroed memory of its own, in large pages where there are; null `start` where it cannot be had.
struct KernelTimer::Memory {
  explicit Memory(int64_t wanted) : bytes(static_cast<size_t>(wanted)) {
    void *at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    start = at == MAP_FAILED ? nullptr : static_cast<char *>(at);
    if (start)
      madvise(start, bytes, MADV_HUGEPAGE);
  }
  ~Memory() {
    if (start)
      munmap(start, bytes);
  }
  Memory(const Memory &) = delete;
  /// Every 16 bits are a number of moderate size, as f16, as bf16 and as a half of f32: neither tiny ones,
  /// which some CPUs are slow with, nor infinite ones come up in any format.
  void fillRandom() {
    uint64_t state = 0x9E3779B97F4A7C15;
    for (size_t at = 0; at + 8 <= bytes; at += 8) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      const uint64_t word = (state & 0x83FF83FF83FF83FF) | 0x2C002C002C002C00;
      std::memcpy(start + at, &word, 8);
    }
  }
  char *start;
  size_t bytes;
};

KernelTimer::KernelTimer(const Target &target, unsigned level) : target(target), level(level) {}
KernelTimer::~KernelTimer() = default;

namespace {

/// Code that can be called, while `jit` lives.
struct Runnable {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  GmEntry entry = nullptr;
};

llvm::Expected<Runnable> load(mlir::ModuleOp code, const Target &target, unsigned level) {
  auto object = compileToObject(code, target, level);
  if (!object)
    return object.takeError();
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();
  llvm::orc::SymbolMap provided;
  auto provide = [&](const char *name, auto *function) {
    provided[(*jit)->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(function),
                                               llvm::JITSymbolFlags::Exported};
  };
  provide("gm_barrier", &noBarrier);
  provide("memcpy", &std::memcpy);
  provide("memset", &std::memset);
  if (llvm::Error error = (*jit)->getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(provided))))
    return error;
  if (llvm::Error error = (*jit)->addObjectFile(std::move(*object)))
    return error;
  auto entry = (*jit)->lookup("gm_entry_product");
  if (!entry)
    return entry.takeError();
  return Runnable{std::move(*jit), entry->toPtr<GmEntry>()};
}

double threadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// A thread of a run, and what it spent.
struct Share {
  GmEntry entry = nullptr;
  GmStep step = {};
  std::atomic<unsigned> *ready = nullptr;
  std::atomic<bool> *go = nullptr;
  double seconds = 0;
};

void *work(void *argument) {
  auto *share = static_cast<Share *>(argument);
  ++*share->ready;
  while (!*share->go)
    sched_yield();
  const double before = threadSeconds();
  share->entry(&share->step);
  share->seconds = threadSeconds() - before;
  return nullptr;
}

/// One run by `threads` threads (fewer where the system gives no more), which start together; `scratch` has a
/// part for each. The sum of their time.
double run(GmEntry entry, const GmStep &common, int64_t scratchBytes, unsigned threads) {
  std::atomic<unsigned> ready{0};
  std::atomic<bool> go{false};
  std::vector<Share> shares(threads);
  for (unsigned worker = 0; worker < threads; ++worker) {
    Share &share = shares[worker];
    share.entry = entry;
    share.step = common;
    share.step.scratch += worker * scratchBytes;
    share.step.worker = worker;
    share.ready = &ready;
    share.go = &go;
  }
  std::vector<pthread_t> others;
  for (unsigned worker = 1; worker < threads; ++worker)
    if (pthread_t thread; pthread_create(&thread, nullptr, work, &shares[worker]) == 0)
      others.push_back(thread);
  while (ready < others.size())
    sched_yield();
  go = true;
  work(shares.data());
  for (pthread_t thread : others)
    pthread_join(thread, nullptr);
  double sum = 0;
  for (const Share &share : shares)
    sum += share.seconds;
  return sum;
}

} // namespace

/// Candidates with the memory that they work on.
struct KernelTimer::Prepared {
  Prepared(const Product &product, int64_t arenaBytes, int64_t scratchBytes, int64_t weightBytes)
      : rows(product.rows), scratchBytes(scratchBytes), weightBytes(weightBytes), threads(hostThreads()),
        arena(arenaBytes), scratch(scratchBytes * threads), tokens(rows), positions(rows) {}

  double run(size_t candidate) {
    std::fill(std::begin(counter), std::end(counter), 0);
    const GmStep step{arena.start,      weights->start + runs++ % parts * weightBytes,
                      scratch.start,    tokens.data(),
                      positions.data(), rows,
                      counter,          0,
                      nullptr,          threads,
                      nullptr};
    return gemmac::run(candidates[candidate].entry, step, scratchBytes, threads);
  }

  int64_t rows, scratchBytes, weightBytes, parts = 1, runs = 0;
  unsigned threads;
  Memory arena, scratch;
  std::shared_ptr<Memory> weights;
  std::vector<int32_t> tokens, positions;
  std::vector<Runnable> candidates;
  alignas(64) int64_t counter[8];
};

llvm::Expected<RunCandidate>
KernelTimer::prepare(const Product &product, llvm::MutableArrayRef<CandidateCode> candidates, bool streams) {
  int64_t arenaBytes = 0, scratchBytes = 0;
  for (const CandidateCode &candidate : candidates) {
    arenaBytes = std::max(arenaBytes, candidate.arenaBytes + 4096);
    scratchBytes = std::max(scratchBytes, roundUp(candidate.scratchBytes + kAlign, 4096));
  }
  auto prepared = std::make_shared<Prepared>(product, arenaBytes, scratchBytes,
                                             roundUp(candidates.front().weightBytes, kAlign));
  if (streams) {
    const int64_t cache = std::max<int64_t>(0, sysconf(_SC_LEVEL3_CACHE_SIZE));
    prepared->parts = std::clamp<int64_t>(std::min(2 * cache, kMostBytes) / prepared->weightBytes, 1,
                                          kMostBytes / kLeastPart);
  }
  const int64_t weightBytes = prepared->parts * prepared->weightBytes;
  if (!weights || weights->bytes < static_cast<size_t>(weightBytes)) {
    weights = std::make_shared<Memory>(weightBytes);
    if (weights->start)
      weights->fillRandom();
  }
  prepared->weights = weights;
  if (!weights->start || !prepared->arena.start || !prepared->scratch.start)
    return machineError("no memory for the operands of a product");
  prepared->arena.fillRandom();
  for (CandidateCode &candidate : candidates) {
    auto runnable = load(*candidate.code, target, level);
    if (!runnable)
      return machineError("code cannot be loaded: " + llvm::toString(runnable.takeError()));
    prepared->candidates.push_back(std::move(*runnable));
    prepared->run(prepared->candidates.size() - 1);
  }
  return [prepared](size_t candidate) { return prepared->run(candidate); };
}

} // namespace gemmac
