#include "dialect/interp/step/StepMemory.h"

#include "dialect/gemma/Quantize.h"
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"
#include "frontend/Diagnostic.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using namespace gemmac;

CacheHalf::CacheHalf(step::CacheOp cache, step::Which which, uint8_t *data, int64_t batch)
    : heads(static_cast<int64_t>(cache.getHeads())), headDim(static_cast<int64_t>(cache.getHeadDim())),
      slots(static_cast<int64_t>(cache.getSlots())), type(cache.getType()), isKey(which == step::Which::K),
      data(data), scales(data + batch * heads * slots * headDim),
      held(static_cast<size_t>(batch * heads * slots), -1) {}

uint8_t *CacheHalf::element(int64_t seq, int64_t head, int64_t slot, int64_t i) const {
  int64_t matrix = (seq * heads + head) * slots * headDim;
  int64_t at = isKey ? (slot / 16 * headDim + i) * 16 + slot % 16 : slot * headDim + i;
  return data + (matrix + at) * (type == step::KvType::F32 ? 4 : type == step::KvType::BF16 ? 2 : 1);
}

uint8_t *CacheHalf::scale(int64_t seq, int64_t head, int64_t slot, int64_t i) const {
  return scales + ((seq * heads + head) * slots + slot) * (headDim / kScaleGroup * 2) + i / kScaleGroup * 2;
}

void CacheHalf::write(int64_t seq, int64_t head, int64_t pos, const float *values) {
  int64_t slot = pos % slots;
  if (type == step::KvType::Q8) {
    for (int64_t i = 0; i < headDim; i += kScaleGroup) {
      int8_t q[kScaleGroup] = {};
      uint16_t scaleBits = f32ToF16(std::numeric_limits<float>::quiet_NaN());
      if (std::all_of(values + i, values + i + kScaleGroup, [](float x) { return std::isfinite(x); }))
        quantizeQ8(values + i, kScaleGroup, q, &scaleBits);
      for (int64_t j = 0; j < kScaleGroup; ++j)
        *element(seq, head, slot, i + j) = static_cast<uint8_t>(q[j]);
      std::memcpy(scale(seq, head, slot, i), &scaleBits, 2);
    }
  } else {
    for (int64_t i = 0; i < headDim; ++i) {
      uint16_t half = f32ToBF16(values[i]);
      const bool narrow = type == step::KvType::BF16;
      std::memcpy(element(seq, head, slot, i), narrow ? static_cast<const void *>(&half) : values + i,
                  narrow ? 2 : 4);
    }
  }
  held[static_cast<size_t>((seq * heads + head) * slots + slot)] = pos;
}

bool CacheHalf::read(int64_t seq, int64_t head, int64_t pos, float *values) const {
  int64_t slot = pos % slots;
  if (held[static_cast<size_t>((seq * heads + head) * slots + slot)] != pos)
    return false;
  for (int64_t i = 0; i < headDim; ++i) {
    const uint8_t *from = element(seq, head, slot, i);
    uint16_t half;
    switch (type) {
    case step::KvType::F32:
      std::memcpy(values + i, from, 4);
      break;
    case step::KvType::BF16:
      std::memcpy(&half, from, 2);
      values[i] = bf16ToF32(half);
      break;
    case step::KvType::Q8:
      std::memcpy(&half, scale(seq, head, slot, i), 2);
      values[i] = static_cast<float>(static_cast<int8_t>(*from)) * f16ToF32(half);
      break;
    }
  }
  return true;
}

StepMemory::StepMemory(step::ProgramOp program, int64_t workers)
    : program(program), scratch(static_cast<size_t>(workers)) {}

/// Where `bytes` bytes of `op` lie: at its offset in `region`, or in memory of their own.
llvm::Expected<uint8_t *> StepMemory::place(mlir::Operation *op, std::optional<uint64_t> offset,
                                            int64_t bytes, std::vector<uint8_t> &region) {
  if (!offset) {
    unplanned.emplace_back(static_cast<size_t>(bytes), uint8_t(0xff));
    return unplanned.back().data();
  }
  if (bytes > static_cast<int64_t>(region.size()) || *offset > region.size() - static_cast<uint64_t>(bytes)) {
    std::string name = op->getName().getStringRef().str();
    if (auto buffer = llvm::dyn_cast<step::BufferOp>(op))
      name = buffer.getName().str();
    else if (auto cache = llvm::dyn_cast<step::CacheOp>(op))
      name = cache.getSymName().str();
    return inputError("memory plan", name,
                      "ends at byte " + llvm::Twine(*offset + static_cast<uint64_t>(bytes)) +
                          ", expected at most " + llvm::Twine(region.size()));
  }
  return region.data() + *offset;
}

llvm::Error StepMemory::reserve() {
  constexpr int64_t kMostBytes = int64_t(8) << 30;
  for (std::optional<uint64_t> bytes : {program.getArenaBytes(), program.getScratchBytes()})
    if (static_cast<int64_t>(bytes.value_or(0)) > kMostBytes)
      return inputError("memory plan", program.getSymName(),
                        "needs " + llvm::Twine(*bytes) + " bytes, expected at most " +
                            llvm::Twine(kMostBytes),
                        "choose a smaller context or chunk");
  arena.assign(static_cast<size_t>(program.getArenaBytes().value_or(0)), 0xff);
  for (std::vector<uint8_t> &one : scratch)
    one.assign(static_cast<size_t>(program.getScratchBytes().value_or(0)), 0xff);
  int64_t batch = static_cast<int64_t>(program.getBatch());
  for (step::CacheOp cache : program.getOps<step::CacheOp>())
    for (step::Which which : {step::Which::K, step::Which::V}) {
      auto at = place(cache, which == step::Which::K ? cache.getKOffset() : cache.getVOffset(),
                      cacheHalfBytes(cache, batch), arena);
      if (!at)
        return at.takeError();
      caches[cache.getSymName()].emplace_back(cache, which, *at, batch);
    }
  for (step::EntryOp entry : program.getOps<step::EntryOp>())
    for (step::BufferOp buffer : entry.getBody().getOps<step::BufferOp>()) {
      std::optional<int64_t> bytes = step::checkedBytes(buffer.getResult().getType());
      if (!bytes)
        return inputError("step", buffer.getName(), "has no static shape");
      bool isPrivate = step::isPrivate(buffer.getResult());
      for (int64_t worker = 0; worker < (isPrivate ? static_cast<int64_t>(scratch.size()) : 1); ++worker) {
        auto at = place(buffer, buffer.getOffset(), *bytes,
                        isPrivate ? scratch[static_cast<size_t>(worker)] : arena);
        if (!at)
          return at.takeError();
        places[{buffer.getOperation(), worker}] = *at;
      }
    }
  return llvm::Error::success();
}

BufferView StepMemory::buffer(step::BufferOp buffer, int64_t worker) const {
  mlir::MemRefType type = buffer.getResult().getType();
  BufferView view;
  view.isPrivate = step::isPrivate(buffer.getResult());
  view.data = places.lookup({buffer.getOperation(), view.isPrivate ? worker : 0});
  view.rows = type.getDimSize(0);
  view.columns = type.getDimSize(1);
  view.stride = view.columns * type.getElementTypeBitWidth() / 8;
  return view;
}

CacheHalf &StepMemory::cache(llvm::StringRef name, step::Which which) {
  return caches.find(name)->second[which == step::Which::K ? 0 : 1];
}

void StepMemory::poison(step::BufferOp buffer, int64_t worker) const {
  BufferView view = this->buffer(buffer, worker);
  std::memset(view.data, 0xff, static_cast<size_t>(view.rows * view.stride));
}
