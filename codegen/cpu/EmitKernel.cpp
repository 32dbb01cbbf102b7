// The loop nest around a product kernel: panels two at a time (one stream of weights from memory, measured
// best without prefetch instructions), inside it the rows in blocks that share the unpacking of the weights,
// then single rows.
#include "codegen/cpu/Kernel.h"
#include "codegen/cpu/PhaseEmitter.h"
#include "passes/plan/Layout.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

struct Nest {
  KernelBuilder &k;
  const MatmulArgs &args;
  Kernel &kernel;
  Value panelBytes, steps;

  /// rows x panels of the result, from `row` and the panels at `weights` on.
  void block(Value row, Value weights, Value dst, int64_t rows, int64_t panels);
  /// All rows of `panels` panels.
  void allRows(Value weights, Value dst, int64_t panels);
};

void Nest::block(Value row, Value weights, Value dst, int64_t rows, int64_t panels) {
  Block b;
  b.superblocks = args.superblocks;
  for (int64_t i = 0; i < rows; ++i)
    b.act.push_back(k.at(args.act, k.mul(k.add(row, i), args.actLd)));
  for (int64_t p = 0; p < panels; ++p)
    b.panels.push_back(p == 0 ? weights : k.at(weights, k.mul(panelBytes, p)));
  int64_t chains = kernel.chains();
  SmallVector<Value> start(rows * panels * chains, k.vf(0));
  auto acc = k.loop(k.c(0), steps, 1, start, [&](Value t, ValueRange now) { return kernel.step(b, t, now); });
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t p = 0; p < panels; ++p) {
      Value y = acc[(i * panels + p) * chains];
      for (int64_t c = 1; c < chains; ++c)
        y = k.fadd(y, acc[(i * panels + p) * chains + c]);
      k.store(y, k.at(k.at(dst, k.mul(k.add(row, i), args.dstLd)), p * kLanes * 4));
    }
}

void Nest::allRows(Value weights, Value dst, int64_t panels) {
  auto [bigRows, bigPanels] = kernel.bigBlock();
  bigPanels = std::min(bigPanels, panels);
  Value end = k.mul(k.div(args.rows, bigRows), bigRows);
  for (int64_t p = 0; p < panels; p += bigPanels) {
    Value w = p == 0 ? weights : k.at(weights, k.mul(panelBytes, p)), y = k.at(dst, p * kLanes * 4);
    k.loop(k.c(0), end, bigRows,
           [&, rows = bigRows, wide = bigPanels](Value row) { block(row, w, y, rows, wide); });
  }
  k.loop(end, args.rows, 1, [&](Value row) { block(row, weights, dst, 1, panels); });
}

std::unique_ptr<Kernel> makeKernel(KernelBuilder &k, step::Format format, step::Act act) {
  bool quantized = format == step::Format::Q8P16 || format == step::Format::Q4P16;
  if (!quantized)
    return makeFloatKernel(k, format);
  return act == step::Act::I8 ? makeInt8Kernel(k, format) : makeDequantKernel(k, format);
}

} // namespace

void emitMatmulBody(KernelBuilder &k, const MatmulArgs &args, step::Format format, step::Act act, bool odd) {
  std::unique_ptr<Kernel> kernel = makeKernel(k, format, act);
  Nest nest{k, args, *kernel, k.mul(args.superblocks, superblockBytes(format)),
            k.mul(args.superblocks, kernel->stepsPerSuperblock())};
  auto panelsFrom = [&](Value p, int64_t count) {
    nest.allRows(k.at(args.weights, k.mul(p, nest.panelBytes)), k.at(args.dst, k.mul(p, kLanes * 4)), count);
  };
  Value pairs = odd ? k.add(args.panels, -1) : args.panels;
  k.loop(k.c(0), pairs, 2, [&](Value p) { panelsFrom(p, 2); });
  if (odd)
    panelsFrom(pairs, 1);
}

} // namespace gemmac::cpu
