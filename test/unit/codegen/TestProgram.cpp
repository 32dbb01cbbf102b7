// See TestProgram.h.
#include "test/unit/codegen/TestProgram.h"

#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StepToCpu.h"
#include "dialect/gemma/Quantize.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace {

/// All workers of a step wait for each other; passed through GmStep::pool.
struct Barrier {
  explicit Barrier(int n) : workers(n) {}
  void wait() {
    std::unique_lock<std::mutex> lock(mutex);
    int mine = generation;
    if (++arrived == workers) {
      arrived = 0;
      ++generation;
      all.notify_all();
      return;
    }
    all.wait(lock, [&] { return generation != mine; });
  }
  std::mutex mutex;
  std::condition_variable all;
  int workers, arrived = 0, generation = 0;
};

void testBarrier(const GmStep *step) { static_cast<Barrier *>(step->pool)->wait(); }

} // namespace

namespace gemmac::test {

/// Room for what emitted code keeps behind the planned arena.
static constexpr size_t kBehindArena = 4 << 20;

/// What lies behind scratch and arena: bytes that no code may change, and that are no sensible numbers.
struct Guard {
  static constexpr size_t kBytes = 4096;
  static constexpr int kByte = 0xff;
  char *at;

  explicit Guard(char *at) : at(at) { std::memset(at, kByte, kBytes); }
  bool isWhole() const {
    return std::all_of(at, at + kBytes, [](char c) { return c == static_cast<char>(kByte); });
  }
};

std::vector<std::string> runnableTargets() {
  auto host = llvm::sys::getHostCPUFeatures();
  std::vector<std::string> names{"x86-64-v3"};
  if (host.lookup("avx512bw") && host.lookup("avx512vl") && host.lookup("avx512dq"))
    names.push_back("x86-64-v4");
  if (host.lookup("avx512vnni"))
    names.push_back("icelake-server");
  return names;
}

bool haveTiles() {
  constexpr long kRequest = 0x1023, kTileData = 18; // ARCH_REQ_XCOMP_PERM
  auto host = llvm::sys::getHostCPUFeatures();
  return host.lookup("amx-bf16") && host.lookup("amx-tile") && host.lookup("avx512bf16") &&
         syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

struct TestProgram::Code {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  GmEntry entry = nullptr;
  int64_t scratchBytes = 0, arenaBytes = 0, counterLines = 0;
};

Buffer TestProgram::buffer(const std::string &name, int64_t rows, int64_t columns, const std::string &element,
                           bool isPrivate) {
  int64_t &end = isPrivate ? scratchSize : arenaSize;
  Buffer b{"%" + name,
           "memref<" + std::to_string(rows) + "x" + std::to_string(columns) + "x" + element +
               (isPrivate ? ", \"private\">" : ">"),
           end, rows, columns};
  buffers += "    %" + name + " = step.buffer \"" + name + "\" {offset = " + std::to_string(end) +
             "} : " + b.type + "\n";
  end += (rows * columns * (element == "i8" ? 1 : 4) + 63) / 64 * 64;
  return b;
}

Buffer TestProgram::tile(const std::string &name, const Buffer &of, int64_t offset, int64_t stride,
                         int64_t width) {
  std::string tail = of.type.substr(of.type.find('x', of.type.find('x') + 1));
  std::string type = "memref<" + std::to_string(of.rows) + "x" + std::to_string(width) + tail;
  Buffer b{"%" + name, type, 0, of.rows, width};
  b.name += " = step.tile " + of.name + " {offset = " + std::to_string(offset) +
            ", stride = " + std::to_string(stride) + ", width = " + std::to_string(width) + "} : " + of.type +
            " -> " + type;
  return b;
}

void TestProgram::weight(const std::string &name, const std::string &fields, const std::vector<char> &bytes) {
  weights.resize((weights.size() + 63) / 64 * 64);
  symbols += "  step.weight @" + name + " " + fields +
             ", sources = [@source], offset = " + std::to_string(weights.size()) +
             ", bytes = " + std::to_string((bytes.size() + 63) / 64 * 64) + "}\n";
  weights.insert(weights.end(), bytes.begin(), bytes.end());
}

void TestProgram::vec(const std::string &name, const std::vector<float> &values) {
  std::vector<char> bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  weight(name, "vec {n = " + std::to_string(values.size()) + ", k = 1, tile = 1", bytes);
}

std::pair<Buffer, Buffer> TestProgram::cache(const std::string &name, int64_t heads, int64_t headDim,
                                             int64_t window, int64_t slots, const std::string &type) {
  const int64_t row = type == "f32" ? headDim * 4 : type == "bf16" ? headDim * 2 : headDim + headDim / 16;
  int64_t bytes = (heads * slots * row + 63) / 64 * 64;
  Buffer k{"", "", arenaSize, 1, bytes}, v{"", "", arenaSize + bytes, 1, bytes};
  symbols += "  step.cache @" + name + " " + type + " {heads = " + std::to_string(heads) +
             ", head_dim = " + std::to_string(headDim) + ", window = " + std::to_string(window) +
             ", slots = " + std::to_string(slots) + ", k_offset = " + std::to_string(k.offset) +
             ", v_offset = " + std::to_string(v.offset) + "}\n";
  arenaSize += 2 * bytes;
  return {k, v};
}

void TestProgram::phase(const std::string &text) {
  if (phases++ > 0)
    line("step.barrier");
  body += "    step.phase " + text + "\n";
}

std::string TestProgram::text() const {
  return "step.program @test attributes {context = " + std::to_string(options.context) +
         ", chunk = " + std::to_string(options.rows) +
         ", batch = 1, arena_bytes = " + std::to_string(arenaSize) +
         ", scratch_bytes = " + std::to_string(scratchSize) +
         ", weight_bytes = " + std::to_string(weights.size()) + "} {\n" + symbols + others +
         "  step.entry @test logits(none) attributes {rows = " + std::to_string(options.rows) + "} {\n" +
         buffers + body + "    step.yield\n  }\n}\n";
}

void TestProgram::compile(const std::string &targetName, unsigned level) {
  mlir::DialectRegistry registry;
  registerCpuDialects(registry);
  registry.insert<step::StepDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  // Not verified: the test fills buffers that no phase writes, and weights have no source.
  std::string source = text();
  mlir::ParserConfig config(&context, /*verifyAfterParse=*/false);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(source, config);
  ASSERT_TRUE(module) << source;
  llvm::Expected<Target> target = lookupTarget(targetName);
  ASSERT_TRUE(static_cast<bool>(target)) << llvm::toString(target.takeError());
  auto program = *module->getOps<step::ProgramOp>().begin();
  auto dst = mlir::OwningOpRef<mlir::ModuleOp>(mlir::ModuleOp::create(module->getLoc()));
  ASSERT_TRUE(mlir::succeeded(emitCpu(program, *dst, *target)));
  ASSERT_TRUE(mlir::succeeded(mlir::verify(*dst)));
  auto object = compileToObject(*dst, *target, level);
  ASSERT_TRUE(static_cast<bool>(object)) << llvm::toString(object.takeError());
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  code = std::make_shared<Code>();
  code->jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  auto &library = code->jit->getMainJITDylib();
  llvm::orc::SymbolMap provided;
  auto provide = [&](const char *name, auto *function) {
    provided[code->jit->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(function),
                                                  llvm::JITSymbolFlags::Exported};
  };
  provide("gm_barrier", &testBarrier);
  provide("memcpy", &std::memcpy);
  provide("memset", &std::memset);
  llvm::cantFail(library.define(llvm::orc::absoluteSymbols(std::move(provided))));
  llvm::cantFail(code->jit->addObjectFile(std::move(*object)));
  code->entry = llvm::cantFail(code->jit->lookup("gm_entry_test")).toPtr<GmEntry>();
  code->scratchBytes = totalScratchBytes(program);
  for (auto entry : program.getOps<step::EntryOp>())
    code->counterLines = std::max(code->counterLines, counterLines(entry));
  code->arenaBytes = totalArenaBytes(program);
  ASSERT_LE(code->arenaBytes, arenaSize + static_cast<int64_t>(kBehindArena - Guard::kBytes));
  packed.allocate(weights.size());
  if (!weights.empty())
    std::memcpy(packed.data(), weights.data(), weights.size());
}

void TestProgram::ensureArena() {
  if (!arena.start)
    arena.allocate(static_cast<size_t>(arenaSize) + kBehindArena);
}

std::vector<float> TestProgram::fill(const Buffer &b, float scale) {
  ensureArena();
  std::uniform_real_distribution<float> values(-scale, scale);
  std::vector<float> result;
  for (int64_t i = 0; i < b.rows * b.columns; ++i)
    result.push_back(f32(b)[i] = values(random));
  return result;
}

void TestProgram::run(int64_t rows, int workers, int64_t first, std::vector<int32_t> tokens) {
  ensureArena();
  ASSERT_TRUE(code && code->entry);
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < rows; ++i)
    positions.push_back(static_cast<int32_t>(first + i));
  tokens.resize(static_cast<size_t>(rows));
  std::vector<int64_t> counters(static_cast<size_t>(code->counterLines) * 8, 0);
  Barrier barrier(workers), start(workers); // together: else the first one may do it all
  const Guard behindArena(arena.data() + code->arenaBytes);
  auto work = [&](int worker) {
    const auto scratchBytes = static_cast<size_t>(code->scratchBytes);
    Aligned scratch;
    scratch.allocate(scratchBytes + Guard::kBytes);
    std::memset(scratch.data(), 0xff, scratchBytes); // NaN: nobody may rely on what scratch holds
    const Guard behindScratch(scratch.data() + scratchBytes);
    GmStep step{arena.data(), packed.data(),   scratch.data(), tokens.data(), positions.data(),
                rows,         counters.data(), worker,         &barrier,      workers,
                nullptr};
    start.wait();
    code->entry(&step);
    EXPECT_TRUE(behindScratch.isWhole()) << "worker " << worker << " wrote behind its scratch";
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < workers; ++i)
    threads.emplace_back(work, i);
  work(0);
  for (std::thread &t : threads)
    t.join();
  EXPECT_TRUE(behindArena.isWhole()) << "something was written behind the arena";
}

std::string testName(std::string text) {
  for (char &c : text)
    c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return text;
}

std::string operands(const std::vector<Buffer> &buffers, const std::string &attributes,
                     const std::string &symbols) {
  std::string names, types;
  for (const Buffer &b : buffers) {
    names += (names.empty() ? "" : ", ") + b.name.substr(0, b.name.find(' '));
    types += (types.empty() ? "" : ", ") + b.type;
  }
  return names + symbols + (attributes.empty() ? "" : " {" + attributes + "}") + " : " + types;
}

std::vector<double> held(const float *x, int64_t n, const std::string &type) {
  std::vector<double> values(x, x + n);
  if (type == "bf16")
    for (double &value : values)
      value = bf16ToF32(f32ToBF16(static_cast<float>(value)));
  for (int64_t i = 0; type == "q8" && i < n; i += kQuantGroup) {
    int8_t q[kQuantGroup];
    uint16_t scale;
    quantizeQ8(x + i, kQuantGroup, q, &scale);
    for (int64_t j = 0; j < kQuantGroup; ++j)
      values[static_cast<size_t>(i + j)] = static_cast<double>(q[j]) * f16ToF32(scale);
  }
  return values;
}

void expectClose(const float *x, const std::vector<double> &y, double bound, const std::string &what) {
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    double error = std::fabs(x[i] - y[i]) / std::max(1.0, std::fabs(y[i]));
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
  }
  EXPECT_LE(worst, bound) << what << ": element " << at << " is " << x[at] << ", expected " << y[at];
}

} // namespace gemmac::test
