// The memory of a step.program as bytes: the arena with buffers and caches at their planned offsets, and the
// scratch of each worker. What has no offset yet gets memory of its own.
#pragma once

#include "dialect/step/Step.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <vector>

namespace gemmac {

/// Bytes [data, data + rows * stride); the first row is where the columns in question start.
struct BufferView {
  uint8_t *data = nullptr;
  int64_t rows = 0, columns = 0; ///< columns: of the view
  int64_t stride = 0;            ///< bytes from row to row
  bool isPrivate = false;

  /// Row r; a view of one row has the same for every r (a private row of a by_row task, the row of the last
  /// token).
  template <typename T> T *row(int64_t r) const {
    return reinterpret_cast<T *>(data + (rows == 1 ? 0 : r) * stride);
  }
};

/// One half of a cache: [batch][heads][slots / 16][head_dim][16] (K) or [batch][heads][slots][head_dim] (V),
/// of q8 with all scales behind the values. As many bytes as generated code has, in an order of its own.
/// Knows which position each slot holds, so that reading one that was overwritten is an error and not a wrong
/// number.
class CacheHalf {
public:
  CacheHalf(step::CacheOp cache, step::Which which, uint8_t *data, int64_t batch);
  void write(int64_t seq, int64_t head, int64_t pos, const float *values);
  /// False if that position is not there.
  bool read(int64_t seq, int64_t head, int64_t pos, float *values) const;

private:
  uint8_t *element(int64_t seq, int64_t head, int64_t slot, int64_t i) const;
  uint8_t *scale(int64_t seq, int64_t head, int64_t slot, int64_t i) const;

  int64_t heads, headDim, slots;
  step::KvType type;
  bool isKey;
  uint8_t *data, *scales;
  std::vector<int64_t> held; ///< [batch][heads][slots] position, -1 for none
};

class StepMemory {
public:
  StepMemory(step::ProgramOp program, int64_t workers);
  /// Reserves everything; fails where the plan leaves the arena or the scratch.
  llvm::Error reserve();

  BufferView buffer(step::BufferOp buffer, int64_t worker) const;
  CacheHalf &cache(llvm::StringRef name, step::Which which);
  /// Fills with NaN (i8: -1) what a buffer holds.
  void poison(step::BufferOp buffer, int64_t worker) const;

private:
  llvm::Expected<uint8_t *> place(mlir::Operation *op, std::optional<uint64_t> offset, int64_t bytes,
                                  std::vector<uint8_t> &region);

  step::ProgramOp program;
  std::vector<uint8_t> arena;
  std::vector<std::vector<uint8_t>> scratch;                               ///< by worker
  std::vector<std::vector<uint8_t>> unplanned;                             ///< memory of what has no offset
  llvm::DenseMap<std::pair<mlir::Operation *, int64_t>, uint8_t *> places; ///< (buffer, worker)
  llvm::StringMap<std::vector<CacheHalf>> caches;                          ///< K, V
};

} // namespace gemmac
