// gemmac's command line: one table (llvm::cl), from which --help comes, read into a plain struct.
#pragma once

#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>

namespace gemmac {

enum class EmitKind { Exe, Obj, Asm, Llvm, Ptx, Cubin, Gemma, Fused, Step };

struct Options {
  std::string model, output;
  std::string march = "native", quantize = "none", compute, kv = "bf16", fuse = "all";
  bool hostTables = false; ///< with cuda: tables of embeddings stay in the host's memory
  bool emulate = false;    ///< with cuda: an executable that runs the GPU's code on this machine's cores
  bool cuda = false;       ///< --target=cuda; else cpu
  std::string gpuArch;     ///< with cuda: a list, not empty
  EmitKind emit = EmitKind::Exe;
  int64_t context = 0; ///< 0: min(the model's, 8192)
  unsigned optLevel = 2;
  bool verbose = false, time = false, estimate = false;
  std::string saveTemps;
  bool autotune = false;
  std::string autotuneCache; ///< a folder; empty: the default one
  std::string machine;       ///< a file that bench --phases wrote; empty: a nominal machine
  std::string chatTemplate;  ///< a file in the place of the checkpoint's own
};

/// Parses and checks the command line. Prints help, version and lists itself and then sets `done`.
llvm::Expected<Options> parseOptions(int argc, char **argv, bool &done);

} // namespace gemmac
