// The command line of gemma-run.
#pragma once

#include "dialect/gemma/Gemma.h"
#include "dialect/interp/step/StepInterpreter.h"
#include "passes/lower/StepPasses.h"

#include "llvm/Support/CommandLine.h"

namespace gemmac {

enum class Level { Gemma, Fused, Step };
enum class Entry { All, Last, Decode, Top };

struct RunOptions {
  llvm::cl::opt<std::string> model{llvm::cl::Positional, llvm::cl::Required,
                                   llvm::cl::desc("MODEL (a checkpoint, or a module *.mlir)")};
  llvm::cl::opt<std::string> checkpoint{"checkpoint", llvm::cl::desc("where the weights of a module are"),
                                        llvm::cl::value_desc("MODEL")};
  llvm::cl::opt<Level> level{"level", llvm::cl::desc("which IR to run (default: gemma, or the module's)"),
                             llvm::cl::init(Level::Gemma),
                             llvm::cl::values(clEnumValN(Level::Gemma, "gemma", "the imported model"),
                                              clEnumValN(Level::Fused, "fused", "after the gemma passes"),
                                              clEnumValN(Level::Step, "step", "the planned step"))};
  llvm::cl::opt<Entry> entry{
      "entry", llvm::cl::desc("whose logits"), llvm::cl::init(Entry::Last),
      llvm::cl::values(
          clEnumValN(Entry::All, "all", "of all tokens: [tokens, vocab]"),
          clEnumValN(Entry::Last, "last", "of the last token: [vocab]"),
          clEnumValN(Entry::Decode, "decode", "of all tokens, each run as a decode step of its own"),
          clEnumValN(Entry::Top, "top",
                     "as decode, the largest of each that sampling needs; others are -inf (step)"))};
  llvm::cl::list<int32_t> ids{"ids", llvm::cl::CommaSeparated, llvm::cl::desc("token ids"),
                              llvm::cl::value_desc("2,5,7")};
  llvm::cl::opt<unsigned> split{"split", llvm::cl::init(0),
                                llvm::cl::desc("run the first N tokens, then the others through the caches"),
                                llvm::cl::value_desc("N")};
  llvm::cl::opt<std::string> fuse{"fuse", llvm::cl::init("all"), llvm::cl::desc("as --fuse of gemmac")};
  llvm::cl::opt<gemma::Quant> quantize{"quantize", llvm::cl::desc("weights"),
                                       llvm::cl::init(gemma::Quant::None),
                                       llvm::cl::values(clEnumValN(gemma::Quant::None, "none", "as stored"),
                                                        clEnumValN(gemma::Quant::Q8, "q8", "8 bits"),
                                                        clEnumValN(gemma::Quant::Q4, "q4", "4 bits"))};
  llvm::cl::opt<Compute> compute{
      "compute", llvm::cl::desc("activations inside products (step)"), llvm::cl::init(Compute::F32),
      llvm::cl::values(clEnumValN(Compute::F32, "f32", "nothing is rounded"),
                       clEnumValN(Compute::BF16, "bf16", "rounded to bf16"),
                       clEnumValN(Compute::I8, "int8",
                                  "integers with a scale for 32, where weights have 8 bits or fewer"))};
  llvm::cl::opt<step::KvType> kv{"kv", llvm::cl::desc("caches (step)"), llvm::cl::init(step::KvType::F32),
                                 llvm::cl::values(clEnumValN(step::KvType::F32, "f32", ""),
                                                  clEnumValN(step::KvType::BF16, "bf16", ""),
                                                  clEnumValN(step::KvType::Q8, "q8", ""))};
  llvm::cl::opt<int64_t> context{"context", llvm::cl::desc("positions (step)"), llvm::cl::init(512)};
  llvm::cl::opt<int64_t> chunk{"chunk", llvm::cl::desc("tokens of a prefill step (step)"),
                               llvm::cl::init(32)};
  llvm::cl::opt<bool> noPlan{"no-plan",
                             llvm::cl::desc("do not plan memory: every buffer has its own (step)")};
  llvm::cl::opt<TaskOrder> order{
      "tasks", llvm::cl::desc("order of a phase's tasks (step)"), llvm::cl::init(TaskOrder::Ascending),
      llvm::cl::values(clEnumValN(TaskOrder::Ascending, "ascending", ""),
                       clEnumValN(TaskOrder::Descending, "reverse", ""),
                       clEnumValN(TaskOrder::Shuffled, "shuffle", "at random, see --seed"))};
  llvm::cl::opt<uint64_t> seed{"seed", llvm::cl::desc("of --tasks=shuffle"), llvm::cl::init(1)};
  llvm::cl::opt<int64_t> workers{
      "workers", llvm::cl::desc("simulated workers, each with its own scratch (step)"), llvm::cl::init(1)};
  llvm::cl::opt<std::string> stopAfter{
      "stop-after", llvm::cl::desc("end after the op (step: phase) of that name, write its result"),
      llvm::cl::value_desc("layers.3.qk")};
  llvm::cl::opt<std::string> dumpDir{"dump-dir", llvm::cl::desc("write every result to DIR/NAME.npy"),
                                     llvm::cl::value_desc("DIR")};
  llvm::cl::opt<bool> printIr{"print-ir", llvm::cl::desc("print the module instead of running it")};
  llvm::cl::opt<std::string> output{
      "o", llvm::cl::desc("where the result goes; without it the five best ids are printed"),
      llvm::cl::value_desc("FILE.npy")};
};

} // namespace gemmac
