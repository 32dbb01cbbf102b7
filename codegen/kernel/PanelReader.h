// Reads panels that hold small integers (PanelCodes of dialect/step/Layout.h) inside generated code: codes,
// scales and minima of 16 rows at a time. One description of the layouts serves products, look-ups and both
// kinds of activation.
#pragma once

#include "codegen/kernel/KernelBuilder.h"
#include "dialect/step/Layout.h"

namespace gemmac::kernel {

class PanelReader {
public:
  using Value = mlir::Value;

  PanelReader(KernelBuilder &k, step::Format format) : k(k), format(format), layout(*panelCodes(format)) {}

  const PanelCodes &codes() const { return layout; }
  int64_t bytes() const { return superblockBytes(format); }
  /// Inputs in a vector of 64 bytes: 4, or 8 as nibbles. Such a vector holds words of 4 inputs (a byte each)
  /// by row.
  int64_t perVector() const { return layout.bits == 8 ? 4 : 8; }

  /// f32 of 16 rows: the scale, and what is added, of group `g` of a superblock.
  Value scale(Value superblock, Value g);
  Value minimum(Value superblock, Value g);

  /// The bits above the fourth for the two words of vector j, in i32 lanes: word w (0, 1) has its bits of
  /// byte b at bit 8b + w * highBits(). Of part `part` of `parts` registers.
  Value highBits(Value superblock, Value j, int64_t part, int64_t parts);
  int64_t highWidth() const { return layout.bits == 8 ? 0 : layout.bits - 4; }

  /// Input i of each lane's word or pair of words, f32: its code less the bias. `high`: highBits() of the
  /// vector, for 5 and 6 bits. `table`: nibbleTable(), which 4 bits look up in one instruction; may be null.
  Value code(Value word, Value high, int64_t i, Value table);
  /// code - bias of each of the 16 codes. AVX-512 only.
  Value nibbleTable();

  /// f32 of row `lane`: the scale, and what is added or null, of group `g` of a superblock.
  std::pair<Value, Value> scaleOf(Value superblock, Value lane, Value g);
  /// One element, f32: row `lane`, input `j` (0..63) of the superblock.
  Value element(Value superblock, Value lane, Value j);

private:
  Value halves(Value at);
  Value smallIntegers(Value at, bool isSigned);
  Value half(Value at);
  Value smallInteger(Value at, bool isSigned);

  KernelBuilder &k;
  step::Format format;
  const PanelCodes &layout;
};

/// The same of any panel format.
mlir::Value panelElement(KernelBuilder &k, step::Format format, mlir::Value superblock, mlir::Value lane,
                         mlir::Value j);

} // namespace gemmac::kernel
