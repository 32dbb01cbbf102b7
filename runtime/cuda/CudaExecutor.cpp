// See CudaExecutor.h. All work goes through one stream, in order, and a step ends by waiting for it: an error
// of the device comes out there.
#include "runtime/cuda/CudaExecutor.h"

#include "runtime/Memory.h"
#include "runtime/Signals.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace gemmac::rt::cuda {

/// Floats of the widest row of logits.
static uint64_t mostStride(const Manifest &m) {
  int64_t most = 0;
  for (const Entry *e : {&m.decode, &m.decodeTop, &m.prefillLast, &m.prefillAll})
    most = std::max(most, e->stride);
  return static_cast<uint64_t>(most);
}

CudaExecutor::CudaExecutor(const Manifest &manifest, std::span<const char> weights)
    : program_(manifest), weightBytes_(weights.size()), driver_(program_.gpu().driver) {
  program_.requireMemory(weightBytes_);
  stream_ = createStream(driver_);
  weights_ = allocateDevice(driver_, program_.onDevice(weightBytes_), "the weights");
  if (const uint64_t rest = weightBytes_ - program_.onDevice(weightBytes_))
    tables_ = allocatePinned(driver_, rest, "tables of embeddings (--ple=host)");
  arena_ = allocateDevice(driver_, manifest.arenaBytes, "the arena (activations and KV caches)");
  scratch_ = allocateDevice(driver_, program_.scratchBytes(), "the blocks' scratch");
  counters_ = allocateDevice(driver_, program_.counterBytes(), "the counters");
  input_ = allocateDevice(driver_, program_.inputBytes(), "the tokens of a step");
  hostInput_ = allocatePinned(driver_, program_.inputBytes(), "the tokens of a step");
  const uint64_t ids = static_cast<uint64_t>(manifest.decodeTop.stride) * sizeof(int32_t);
  hostLogits_ = allocatePinned(driver_, mostStride(manifest) * sizeof(float) + ids, "a row of logits");
  layOut();
  upload(weights);
}

template <class T> static T *devicePointer(DevicePointer address) { return reinterpret_cast<T *>(address); }

void CudaExecutor::layOut() {
  const uint64_t head = roundUp(sizeof(GmStep), 64), ids = (program_.inputBytes() - head) / 2;
  const auto rows = static_cast<size_t>(program_.manifest().mostRows());
  char *host = static_cast<char *>(hostInput_.get());
  std::memset(host, 0, program_.inputBytes());
  tokens_ = {reinterpret_cast<int32_t *>(host + head), rows};
  positions_ = {reinterpret_cast<int32_t *>(host + head + ids), rows};
  step_ = new (host) GmStep{};
  step_->arena = devicePointer<char>(arena_.get());
  step_->weights = devicePointer<const char>(weights_.get());
  step_->tables = static_cast<const char *>(tables_.get()); // pinned memory has one address on both sides
  step_->scratch = devicePointer<char>(scratch_.get());
  step_->counters = devicePointer<int64_t>(counters_.get());
  step_->tokens = devicePointer<const int32_t>(input_.get() + head);
  step_->positions = devicePointer<const int32_t>(input_.get() + head + ids);
}

/// Two pieces of pinned memory by turns: while one is copied to the device, the other is filled from the
/// mapping, which reads the file. Caches and scratch start as zeros, as on the CPU.
void CudaExecutor::upload(std::span<const char> weights) {
  constexpr uint64_t kPiece = 16ull << 20;
  const auto check = [&](Result result) {
    if (result == kSuccess)
      return;
    program_.abandon();
    throw driver_.failure(result, cat("cannot copy the weights to the GPU (", program_.gpu().name, ")"));
  };
  const uint64_t onDevice = program_.onDevice(weights.size());
  if (onDevice < weights.size())
    std::memcpy(tables_.get(), weights.data() + onDevice, weights.size() - onDevice);
  weights = weights.first(onDevice);
  const uint64_t piece = std::min<uint64_t>(kPiece, weights.size());
  PinnedMemory staging[2];
  OwnedEvent copied[2];
  for (int i = 0; i < 2; ++i) {
    staging[i] = allocatePinned(driver_, piece, "copying the weights");
    copied[i] = createEvent(driver_);
  }
  int turn = 0;
  for (uint64_t at = 0; at < weights.size(); at += piece, turn ^= 1) {
    if (interrupted()) {
      check(driver_.cuStreamSynchronize(stream_.get())); // before the staging goes
      throw Interrupted();
    }
    const uint64_t n = std::min<uint64_t>(piece, weights.size() - at);
    check(driver_.cuEventSynchronize(copied[turn].get())); // at once where nothing was recorded
    std::memcpy(staging[turn].get(), weights.data() + at, n);
    check(driver_.cuMemcpyHtoDAsync_v2(weights_.get() + at, staging[turn].get(), n, stream_.get()));
    check(driver_.cuEventRecord(copied[turn].get(), stream_.get()));
  }
  check(clear(arena_, program_.manifest().arenaBytes));
  check(clear(scratch_, program_.scratchBytes()));
  check(driver_.cuStreamSynchronize(stream_.get()));
}

Result CudaExecutor::clear(const DeviceMemory &memory, uint64_t bytes) {
  return bytes ? driver_.cuMemsetD8Async(memory.get(), 0, bytes, stream_.get()) : kSuccess;
}

void CudaExecutor::note() {
  if (!times_)
    return;
  std::vector<int64_t> &ns = times_->front().ns;
  if (ns.size() < ns.capacity())
    ns.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(
                     std::chrono::steady_clock::now().time_since_epoch())
                     .count());
}

/// An error within a step: the device's state is not known any more.
void CudaExecutor::require(Result result, const Entry &entry, const char *attempt) {
  if (result == kSuccess)
    return;
  program_.abandon();
  throw driver_.failure(result, cat("the GPU (", program_.gpu().name, ") failed in a step of '", entry.name,
                                    "', ", step_->rows, step_->rows == 1 ? " token" : " tokens",
                                    " from position ", positions_[0], " on, ", attempt));
}

void CudaExecutor::run(const Entry &entry, int64_t rows) {
  const Kernel &kernel = program_.kernel(entry);
  const auto blocks = static_cast<unsigned>(kernel.blocks);
  const auto threads = static_cast<unsigned>(program_.manifest().gpu.threads);
  const auto shared = static_cast<unsigned>(program_.manifest().gpu.sharedBytes.at(kernel.image->arch));
  step_->rows = rows;
  step_->workers = kernel.blocks;
  note();
  require(driver_.cuMemcpyHtoDAsync_v2(input_.get(), hostInput_.get(), program_.inputBytes(), stream_.get()),
          entry, "copying its tokens");
  require(clear(counters_, program_.counterBytes()), entry, "clearing its counters");
  DevicePointer argument = input_.get();
  void *arguments[] = {&argument};
  require(driver_.cuLaunchCooperativeKernel(kernel.function, blocks, 1, 1, threads, 1, 1, shared,
                                            stream_.get(), arguments),
          entry, "launching its kernel");
  if (entry.stride && !entry.everyRow)
    copyLogits(entry, 0);
  require(driver_.cuStreamSynchronize(stream_.get()), entry, "waiting for its end");
  note();
}

void CudaExecutor::copyLogits(const Entry &entry, int64_t row) {
  const uint64_t bytes = static_cast<uint64_t>(entry.stride) * sizeof(float);
  const DevicePointer from = arena_.get() + entry.logits + static_cast<uint64_t>(row) * bytes;
  require(driver_.cuMemcpyDtoHAsync_v2(hostLogits_.get(), from, bytes, stream_.get()), entry,
          "copying its logits");
  if (&entry == &program_.manifest().decodeTop)
    require(driver_.cuMemcpyDtoHAsync_v2(static_cast<char *>(hostLogits_.get()) + bytes,
                                         arena_.get() + entry.ids, bytes, stream_.get()),
            entry, "copying the ids of its logits");
}

float *CudaExecutor::logits(const Entry &entry, int64_t row) {
  if (entry.everyRow) { // they stay on the device until someone asks: pinned memory for one row is enough
    copyLogits(entry, row);
    require(driver_.cuStreamSynchronize(stream_.get()), entry, "copying its logits");
  }
  return static_cast<float *>(hostLogits_.get());
}

const int32_t *CudaExecutor::ids(const Entry &entry) {
  return static_cast<const int32_t *>(hostLogits_.get()) + entry.stride;
}

void CudaExecutor::runOther(GmEntry, int64_t) {
  throw Failure(kBadUsage,
                "this executable computes on a GPU; what measures a CPU's workers does not run there");
}

ExecutorFacts CudaExecutor::facts() const {
  return {"CUDA", program_.gpu().name,          "blocks", program_.blocks(), program_.unitsText(),
          {},     program_.memory(weightBytes_)};
}

} // namespace gemmac::rt::cuda
