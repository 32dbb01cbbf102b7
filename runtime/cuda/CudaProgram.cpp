// See CudaProgram.h.
#include "runtime/cuda/CudaProgram.h"

#include "runtime/Memory.h"

#include <algorithm>

namespace gemmac::rt::cuda {

CudaProgram::CudaProgram(const Manifest &manifest) : manifest_(manifest) {
  for (const Entry *entry : {&manifest.decode, &manifest.decodeTop, &manifest.prefillNone,
                             &manifest.prefillLast, &manifest.prefillAll})
    if (*entry)
      load(*entry);
}

static OwnedModule loadModule(const Driver &driver, const GmImage &image, const std::string &attempt) {
  char log[1024] = "";
  int options[] = {kJitErrorLog, kJitErrorLogBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
  Module module = nullptr;
  const Result result = driver.cuModuleLoadDataEx(&module, image.data, 2, options, values);
  if (result) {
    log[sizeof log - 1] = 0;
    std::string why = log; // one line of a message
    std::replace(why.begin(), why.end(), '\n', ' ');
    throw driver.failure(result, cat(attempt, why.empty() ? "" : ": ", why));
  }
  return {driver, module};
}

void CudaProgram::load(const Entry &entry) {
  const GmImage *image = chooseImage(manifest_.images, entry.name, gpu_.capability);
  if (!image)
    throw Failure(kLacking,
                  cat("this GPU (", gpu_.text(),
                      ") can run none of the code that the executable has: ", imageNames(manifest_.images),
                      "; compile the model again with --gpu-arch of this GPU, or use another GPU"));
  const std::string attempt =
      cat("cannot load the code of '", entry.name, "' (", imageName(*image), ") on ", gpu_.text());
  Kernel kernel{&entry, image, loadModule(gpu_.driver, *image, attempt), nullptr, 0};
  const std::string symbol = "gm_" + entry.name;
  if (const Result result =
          gpu_.driver.cuModuleGetFunction(&kernel.function, kernel.module.get(), symbol.c_str()))
    throw gpu_.driver.failure(result, cat(attempt, ": its kernel ", symbol),
                              "compile the model again; if that does not help, please report it");
  findBlocks(kernel);
  kernels_.push_back(std::move(kernel));
}

void CudaProgram::findBlocks(Kernel &kernel) const {
  const Driver &driver = gpu_.driver;
  const uint64_t shared = manifest_.gpu.sharedBytes.at(kernel.image->arch);
  if (shared > gpu_.sharedBytes)
    throw Failure(kLacking, cat("a block of '", kernel.entry->name, "' needs ", shared,
                                " bytes of shared memory, and this GPU (", gpu_.text(), ") gives a block ",
                                gpu_.sharedBytes, "; compile the model again with --gpu-arch of this GPU"));
  driver.check(driver.cuFuncSetAttribute(kernel.function, kMaxDynamicShared, static_cast<int>(shared)),
               "cannot give a kernel its shared memory");
  int perMultiprocessor = 0, registers = 0;
  driver.check(driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(
                   &perMultiprocessor, kernel.function, static_cast<int>(manifest_.gpu.threads), shared),
               "cannot find out how many blocks the GPU holds");
  driver.cuFuncGetAttribute(&registers, kRegisters, kernel.function);
  if (perMultiprocessor < 1)
    throw Failure(kLacking,
                  cat("a multiprocessor of this GPU (", gpu_.text(), ") holds no block of '",
                      kernel.entry->name, "': ", manifest_.gpu.threads, " threads of ", registers,
                      " registers, ", shared,
                      " bytes of shared memory; compile the model again with --gpu-arch of this GPU"));
  kernel.blocks = static_cast<int64_t>(perMultiprocessor) * gpu_.multiprocessors;
}

const Kernel &CudaProgram::kernel(const Entry &entry) const {
  return *std::find_if(kernels_.begin(), kernels_.end(), [&](const Kernel &k) { return k.entry == &entry; });
}

int64_t CudaProgram::blocks() const {
  int64_t most = 0;
  for (const Kernel &kernel : kernels_)
    most = std::max(most, kernel.blocks);
  return most;
}

std::string CudaProgram::unitsText() const {
  return cat(blocks(), " of ", manifest_.gpu.threads, " threads on ", gpu_.multiprocessors,
             " multiprocessors");
}

uint64_t CudaProgram::inputBytes() const {
  const uint64_t ids = roundUp(static_cast<uint64_t>(manifest_.mostRows()) * sizeof(int32_t), 64);
  return roundUp(sizeof(GmStep), 64) + 2 * ids;
}

std::vector<MemoryPart> CudaProgram::memory(uint64_t weightBytes) const {
  return {{"weights", onDevice(weightBytes)},
          {"arena", manifest_.arenaBytes},
          {cat("scratch of ", blocks(), " blocks"), scratchBytes()},
          {"counters and tokens", counterBytes() + inputBytes()}};
}

void CudaProgram::requireMemory(uint64_t weightBytes) const {
  const std::vector<MemoryPart> parts = memory(weightBytes);
  const Gpu::Memory there = gpu_.memory();
  if (totalBytes(parts) > there.freeBytes)
    throw Failure(kLacking,
                  cat("the model needs ", totalBytes(parts), " bytes of the GPU's memory (",
                      memoryText(parts), "), and ", gpu_.name, " has ", there.freeBytes, " of ",
                      there.totalBytes,
                      " free; free some (`nvidia-smi` shows who uses it), or compile with a smaller "
                      "--context, with --quantize, or with --ple=host"));
}

} // namespace gemmac::rt::cuda
