// pack, matmul, expert_matmul. Activations lie in memory in the very bytes that generated code reads
// (docs/architecture.md): f32 and bf16: the k values, zero padded to Kp = a multiple of 64; i8: Kp int8,
// Kp/32 f32 scales, Kp/32 i32 sums; bf16t: bf16 in tiles (Layout.h).
#include "dialect/gemma/Quantize.h"
#include "dialect/interp/Evaluation.h"
#include "dialect/interp/step/StepTask.h"
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

using namespace gemmac;
using step::Act;

/// One group of 32: scale = max|x| / 127, q = round(x / scale).
static void packGroup(const float *x, int64_t n, int8_t *q, float *scale, int32_t *sum) {
  float largest = 0;
  for (int64_t i = 0; i < n; ++i)
    largest = std::max(largest, std::fabs(x[i]));
  *scale = largest / 127.0f;
  float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  *sum = 0;
  for (int64_t i = 0; i < 32; ++i) {
    q[i] = i < n ? static_cast<int8_t>(std::nearbyint(x[i] * inverse)) : int8_t(0);
    *sum += q[i];
  }
}

/// Group `g` of a row's k inputs, read from `x` -> its bytes, scale and sum in the packed row.
static void packGroupOf(const float *x, int64_t k, int64_t g, uint8_t *out) {
  float scale;
  int32_t sum;
  packGroup(x, std::clamp<int64_t>(k - g * 32, 0, 32), reinterpret_cast<int8_t *>(out) + g * 32, &scale,
            &sum);
  std::memcpy(out + actScaleOffset(k) + 4 * g, &scale, 4);
  std::memcpy(out + actSumOffset(k) + 4 * g, &sum, 4);
}

static void packVector(Act act, const float *x, int64_t k, uint8_t *out) {
  int64_t padded = paddedK(k);
  if (act != Act::I8) {
    float *values = reinterpret_cast<float *>(out);
    for (int64_t i = 0; i < padded; ++i)
      values[i] = i >= k ? 0.0f : act == Act::BF16 ? bf16ToF32(f32ToBF16(x[i])) : x[i];
    return;
  }
  for (int64_t g = 0; g < padded / 32; ++g)
    packGroupOf(x + std::min(k, g * 32), k, g, out);
}

/// One row of a buffer of `rows` rows in tiles.
static void packTiles(const float *x, int64_t k, int64_t rows, int64_t row, uint8_t *buffer) {
  for (int64_t first = 0; first < paddedK(k); first += kTileK)
    for (int64_t i = 0; i < kTileK; ++i) {
      const uint16_t bits = first + i < k ? f32ToBF16(x[first + i]) : uint16_t(0);
      std::memcpy(buffer + actTileOffset(rows, k, row, first) + 2 * i, &bits, 2);
    }
}

/// The product of such a row with k weights, which are rounded as well.
static float tileProduct(const uint8_t *buffer, int64_t rows, int64_t row, const float *w, int64_t k) {
  std::vector<float> x(static_cast<size_t>(k)), rounded(static_cast<size_t>(k));
  for (int64_t i = 0; i < k; ++i) {
    uint16_t bits;
    std::memcpy(&bits, buffer + actTileOffset(rows, k, row, i / kTileK * kTileK) + 2 * (i % kTileK), 2);
    x[static_cast<size_t>(i)] = bf16ToF32(bits);
    rounded[static_cast<size_t>(i)] = bf16ToF32(f32ToBF16(w[i]));
  }
  return static_cast<float>(dot(x.data(), rounded.data(), k));
}

static int64_t rowsOf(mlir::Value buffer) {
  return llvm::cast<mlir::MemRefType>(buffer.getType()).getShape()[0];
}

static llvm::Error evalPack(StepTask &task, step::PackOp op) {
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc());
  int64_t groups = static_cast<int64_t>(op.getGroups()), k = src.columns / groups;
  if (op.getAct() == Act::BF16T) {
    for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
      packTiles(src.row<float>(r), k, rowsOf(op.getDst()), r, dst.row<uint8_t>(0));
    return llvm::Error::success();
  }
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t g = 0; g < groups; ++g)
      packVector(op.getAct(), src.row<float>(r) + g * k, k,
                 dst.row<uint8_t>(r) + g * actRowBytes(op.getAct(), k));
  return llvm::Error::success();
}

static llvm::Error evalPackTile(StepTask &task, step::PackTileOp op) {
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc());
  const step::Place place = step::placeOf(op);
  const int64_t k = src.columns * (place.end - place.begin), first = task.column * src.columns;
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t i = 0; i < src.columns; i += 32) {
      const float *x = src.row<float>(r) + i;
      if (op.getAct() == Act::I8) {
        packGroupOf(x, k, (first + i) / 32, dst.row<uint8_t>(r));
        continue;
      }
      uint8_t *to = dst.row<uint8_t>(0) + actTileOffset(rowsOf(op.getDst()), k, r, first + i);
      for (int64_t j = 0; j < kTileK; ++j) {
        const uint16_t bits = f32ToBF16(x[j]);
        std::memcpy(to + 2 * j, &bits, 2);
      }
    }
  return llvm::Error::success();
}

/// One output: the product of a packed vector with k weights. i8: exact integers within a group of 32
/// (weights are integers times the group's scale, so the double sum is exact), groups added in f32.
static float product(Act act, const uint8_t *packed, const float *w, int64_t k) {
  if (act != Act::I8)
    return static_cast<float>(dot(reinterpret_cast<const float *>(packed), w, k));
  float y = 0;
  for (int64_t g = 0; g * 32 < k; ++g) {
    float scale;
    std::memcpy(&scale, packed + actScaleOffset(k) + 4 * g, 4);
    double sum = 0;
    for (int64_t i = g * 32; i < std::min(k, g * 32 + 32); ++i)
      sum += static_cast<double>(static_cast<int8_t>(packed[i])) * w[i];
    y += static_cast<float>(scale * sum);
  }
  return y;
}

static llvm::Error evalMatmul(StepTask &task, step::MatmulOp op) {
  step::WeightOp weight = task.weight(op.getWeightAttr());
  BufferView dst = task.view(op.getDst()), act = task.view(op.getAct());
  int64_t tile = static_cast<int64_t>(weight.getTile()), k = static_cast<int64_t>(weight.getK());
  for (int64_t i = 0; i < tile; ++i) {
    auto w = task.weights.row(weight, 0, task.column * tile + i);
    if (!w)
      return w.takeError();
    for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
      dst.row<float>(r)[i] = op.getFormat() == Act::BF16T
                                 ? tileProduct(act.row<uint8_t>(0), rowsOf(op.getAct()), r, w->data(), k)
                                 : product(op.getFormat(), act.row<uint8_t>(r), w->data(), k);
  }
  return llvm::Error::success();
}

static llvm::Error evalExpertMatmul(StepTask &task, step::ExpertMatmulOp op) {
  step::WeightOp weight = task.weight(op.getWeightAttr());
  BufferView dst = task.view(op.getDst()), act = task.view(op.getAct()), indices = task.view(op.getIndices());
  int64_t tile = static_cast<int64_t>(weight.getTile()), k = static_cast<int64_t>(weight.getK());
  int64_t perSlot = static_cast<int64_t>(weight.getN()) / tile, slot = task.column / perSlot;
  const Act format = expertAct(op.getFormat());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r) {
    int64_t expert = indices.row<int32_t>(r)[slot];
    if (expert < 0 || expert >= static_cast<int64_t>(weight.getExperts()))
      return task.error(op, "expert " + llvm::Twine(expert) + " is not in [0, " +
                                llvm::Twine(weight.getExperts()) + ")");
    const uint8_t *packed = act.row<uint8_t>(r) + (op.getActPerSlot() ? slot * actRowBytes(format, k) : 0);
    for (int64_t i = 0; i < tile; ++i) {
      auto w = task.weights.row(weight, expert, task.column % perSlot * tile + i);
      if (!w)
        return w.takeError();
      std::vector<float> values(w->begin(), w->end());
      if (op.getFormat() == Act::BF16T)
        for (float &x : values)
          x = bf16ToF32(f32ToBF16(x));
      dst.row<float>(r)[i] = product(format, packed, values.data(), k);
    }
  }
  return llvm::Error::success();
}

void gemmac::addTileMatmulHandlers(TileHandlerTable &table) {
  table.add<step::PackOp, evalPack>();
  table.add<step::PackTileOp, evalPackTile>();
  table.add<step::MatmulOp, evalMatmul>();
  table.add<step::ExpertMatmulOp, evalExpertMatmul>();
}
