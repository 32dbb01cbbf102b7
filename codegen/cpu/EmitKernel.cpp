// The loop nest around a product kernel. A single row is bound by memory: as many panels side by side as the
// registers allow, each a stream of its own, each fetched a little ahead (measured: one stream reaches 0.6 of
// the machine's streaming read rate, two 0.75, eight 0.9 and, fetched ahead, 0.95). Many rows are bound by
// arithmetic: blocks of rows that share the unpacking of two panels.
#include "codegen/cpu/Kernel.h"
#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

/// How far ahead of a stream's use its lines are fetched. Less does not cover the memory's latency, more
/// crowds out the hardware's own prefetching.
constexpr int64_t kBytesAhead = 1024;

struct Nest {
  KernelBuilder &k;
  const MatmulArgs &args;
  Kernel &kernel;
  const KernelTuning &tuning; ///< every choice made
  Value panelBytes, steps;

  /// rows x panels of the result, from `row` and the panels at `weights` on.
  void block(Value row, Value weights, Value dst, int64_t rows, int64_t panels);
  /// All rows of `panels` panels from panel `p` on.
  void allRows(Value p, int64_t panels);
  void fetchAhead(const Block &b, Value t);
};

/// The lines that the step `ahead` bytes further on reads. Past a panel's end lies the next one; past the
/// last, nothing that faults.
void Nest::fetchAhead(const Block &b, Value t) {
  const int64_t bytes = kernel.stepBytes(), ahead = roundUp(tuning.ahead, bytes);
  for (Value panel : b.panels)
    for (int64_t line = 0; line < bytes; line += 64)
      LLVM::Prefetch::create(k.builder(), k.location(), k.at(panel, k.add(k.mul(t, bytes), ahead + line)),
                             /*rw=*/0, /*hint=*/3, /*cache=*/1);
}

void Nest::block(Value row, Value weights, Value dst, int64_t rows, int64_t panels) {
  Block b;
  b.superblocks = args.superblocks;
  for (int64_t i = 0; i < rows; ++i)
    b.act.push_back(k.at(args.act, k.mul(k.add(row, i), args.actLd)));
  for (int64_t p = 0; p < panels; ++p)
    b.panels.push_back(p == 0 ? weights : k.at(weights, k.mul(panelBytes, p)));
  int64_t chains = kernel.chains();
  SmallVector<Value> start(rows * panels * chains, k.vf(0));
  auto acc = k.loop(k.c(0), steps, 1, start, [&](Value t, ValueRange now) {
    if (rows == 1)
      fetchAhead(b, t);
    return kernel.step(b, t, now);
  });
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t p = 0; p < panels; ++p) {
      Value y = acc[(i * panels + p) * chains];
      for (int64_t c = 1; c < chains; ++c)
        y = k.fadd(y, acc[(i * panels + p) * chains + c]);
      k.store(y, k.at(k.at(dst, k.mul(k.add(row, i), args.dstLd)), p * kLanes * 4));
    }
}

void Nest::allRows(Value p, int64_t panels) {
  auto weightsOf = [&](Value p) { return k.at(args.weights, k.mul(p, panelBytes)); };
  auto dstOf = [&](Value p) { return k.at(args.dst, k.mul(p, kLanes * 4)); };
  const int64_t bigRows = tuning.blockRows, bigPanels = tuning.blockPanels;
  Value end = k.mul(k.div(args.rows, bigRows), bigRows);
  auto rowBlocks = [&](Value q, int64_t wide, int64_t rows) {
    k.loop(k.c(0), end, rows, [&](Value row) { block(row, weightsOf(q), dstOf(q), rows, wide); });
  };
  if (panels <= bigPanels)
    rowBlocks(p, panels, bigRows);
  else
    k.loop(p, k.add(p, panels), bigPanels, [&](Value q) { rowBlocks(q, bigPanels, bigRows); });
  k.loop(end, args.rows, 1, [&](Value row) { block(row, weightsOf(p), dstOf(p), 1, panels); });
}

std::unique_ptr<Kernel> makeKernel(KernelBuilder &k, step::Format format, step::Act act) {
  if (!step::hasCodes(format))
    return makeFloatKernel(k, format);
  return act == step::Act::I8 ? makeInt8Kernel(k, format) : makeDequantKernel(k, format);
}

} // namespace

int64_t panelStreams(const Target &target, step::Format format, step::Act act, int64_t panels) {
  // int8 is worth eight even where sums spill (AVX2). Floats keep two sums for each panel. Weights that are
  // dequantised in registers are bound by arithmetic, and spilling shows.
  int64_t most = act == step::Act::I8 ? 8 : step::hasCodes(format) && !target.avx512 ? 2 : 4;
  while (panels % most != 0)
    most /= 2;
  return most;
}

std::pair<int64_t, int64_t> bigBlock(const Target &target, step::Act act) {
  if (act == step::Act::I8 && target.i8mm) // smmla: 16 registers of sums, 8 of weights
    return {4, 1};
  return target.avx512 ? std::pair<int64_t, int64_t>(4, 2) : std::pair<int64_t, int64_t>(2, 1);
}

KernelTuning resolved(KernelTuning tuning, const Target &target, step::Format format, step::Act act,
                      int64_t panels) {
  if (!tuning.streams)
    tuning.streams = panelStreams(target, format, act, panels);
  if (!tuning.ahead)
    tuning.ahead = kBytesAhead;
  if (!tuning.blockRows)
    std::tie(tuning.blockRows, tuning.blockPanels) = bigBlock(target, act);
  return tuning;
}

void emitMatmulBody(KernelBuilder &k, const MatmulArgs &args, step::Format format, step::Act act,
                    const KernelTuning &tuning) {
  std::unique_ptr<Kernel> kernel = makeKernel(k, format, act);
  Nest nest{k,
            args,
            *kernel,
            tuning,
            k.mul(args.superblocks, superblockBytes(format)),
            k.mul(args.superblocks, kernel->stepsPerSuperblock())};
  k.loop(k.c(0), args.panels, tuning.streams, [&](Value p) { nest.allRows(p, tuning.streams); });
}

} // namespace gemmac::cpu
