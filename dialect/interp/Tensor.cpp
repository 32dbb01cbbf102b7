#include "dialect/interp/Tensor.h"

#include <algorithm>

using namespace gemmac;

int64_t gemmac::elementCount(llvm::ArrayRef<int64_t> shape) {
  int64_t n = 1;
  for (int64_t d : shape)
    n *= d;
  return n;
}

void KvCache::write(int32_t seq, int32_t pos, const float *k, const float *v) {
  Sequence &sequence = sequences[seq];
  size_t width = static_cast<size_t>(heads * headDim), at = static_cast<size_t>(pos) * width;
  if (sequence.written.size() <= static_cast<size_t>(pos)) {
    sequence.written.resize(static_cast<size_t>(pos) + 1);
    sequence.k.resize(at + width);
    sequence.v.resize(at + width);
  }
  std::copy_n(k, width, sequence.k.begin() + static_cast<std::ptrdiff_t>(at));
  std::copy_n(v, width, sequence.v.begin() + static_cast<std::ptrdiff_t>(at));
  sequence.written[static_cast<size_t>(pos)] = true;
}

const KvCache::Sequence *KvCache::find(int32_t seq, int32_t pos) const {
  auto it = sequences.find(seq);
  if (it == sequences.end() || pos < 0 || static_cast<size_t>(pos) >= it->second.written.size() ||
      !it->second.written[static_cast<size_t>(pos)])
    return nullptr;
  return &it->second;
}

const float *KvCache::key(int32_t seq, int32_t pos, int64_t head) const {
  const Sequence *sequence = find(seq, pos);
  return sequence ? sequence->k.data() + (pos * heads + head) * headDim : nullptr;
}

const float *KvCache::value(int32_t seq, int32_t pos, int64_t head) const {
  const Sequence *sequence = find(seq, pos);
  return sequence ? sequence->v.data() + (pos * heads + head) * headDim : nullptr;
}

Tensor Tensor::ofFloats(llvm::ArrayRef<int64_t> shape) {
  return ofFloats(shape, std::vector<float>(static_cast<size_t>(elementCount(shape))));
}

Tensor Tensor::ofFloats(llvm::ArrayRef<int64_t> shape, std::vector<float> values) {
  Tensor t;
  t.shape.assign(shape.begin(), shape.end());
  t.f32 = std::move(values);
  return t;
}

Tensor Tensor::ofInts(llvm::ArrayRef<int64_t> shape) {
  return ofInts(shape, std::vector<int32_t>(static_cast<size_t>(elementCount(shape))));
}

Tensor Tensor::ofInts(llvm::ArrayRef<int64_t> shape, std::vector<int32_t> values) {
  Tensor t;
  t.shape.assign(shape.begin(), shape.end());
  t.i32 = std::move(values);
  return t;
}

int64_t Tensor::rowSize() const { return elementCount(llvm::ArrayRef<int64_t>(shape).drop_front()); }
