// Values of the reference interpreter: plain row-major arrays, and KV caches that keep every position they
// were given. Nothing here is fast or shared with generated code; it only has to be obviously right.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <map>
#include <vector>

namespace gemmac {

/// Keys and values of one gemma.cache: per sequence and position, `heads` vectors of `headDim` f32 each.
class KvCache {
public:
  KvCache(int64_t heads, int64_t headDim) : heads(heads), headDim(headDim) {}

  /// k, v: heads * headDim values. A position written before is overwritten.
  void write(int32_t seq, int32_t pos, const float *k, const float *v);
  /// The headDim values of one head, or null if that position was never written.
  const float *key(int32_t seq, int32_t pos, int64_t head) const;
  const float *value(int32_t seq, int32_t pos, int64_t head) const;

  const int64_t heads, headDim;

private:
  struct Sequence {
    std::vector<float> k, v; ///< [positions][heads][headDim]
    std::vector<bool> written;
  };
  const Sequence *find(int32_t seq, int32_t pos) const;
  std::map<int32_t, Sequence> sequences;
};

/// The value of one SSA value. Exactly one of f32, i32, kv is in use.
struct Tensor {
  llvm::SmallVector<int64_t, 3> shape; ///< outermost first
  std::vector<float> f32;
  std::vector<int32_t> i32;
  const KvCache *kv = nullptr; ///< of a !gemma.kv

  static Tensor ofFloats(llvm::ArrayRef<int64_t> shape);
  static Tensor ofFloats(llvm::ArrayRef<int64_t> shape, std::vector<float> values);
  static Tensor ofInts(llvm::ArrayRef<int64_t> shape);
  static Tensor ofInts(llvm::ArrayRef<int64_t> shape, std::vector<int32_t> values);

  int64_t rows() const { return shape.front(); }
  int64_t columns() const { return shape.back(); }
  /// Elements of one row (the product of all dimensions but the first).
  int64_t rowSize() const;
  const float *row(int64_t r) const { return f32.data() + r * rowSize(); }
  float *row(int64_t r) { return f32.data() + r * rowSize(); }
};

/// Number of elements of a shape.
int64_t elementCount(llvm::ArrayRef<int64_t> shape);

} // namespace gemmac
