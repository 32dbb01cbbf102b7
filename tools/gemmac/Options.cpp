// See Options.h. What the contract names but this version does not do is refused here, by name.
#include "tools/gemmac/Options.h"

#include "codegen/Target.h"
#include "codegen/cuda/GpuTarget.h"
#include "frontend/Diagnostic.h"
#include "passes/FuseSelection.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace gemmac {

namespace cl = llvm::cl;

namespace {
struct Table {
  cl::OptionCategory category{"gemmac options"};
  cl::opt<std::string> model{cl::Positional, cl::desc("MODEL"), cl::cat(category)};
  cl::opt<std::string> output{"o", cl::desc("the executable (or text, with --emit) to write"), cl::value_desc("OUT"), cl::cat(category)};
  cl::opt<std::string> target{"target", cl::desc("kind of hardware: cpu or cuda (NVIDIA GPUs)"), cl::init("cpu"), cl::cat(category)};
  cl::opt<std::string> march{"march", cl::desc("processor: native, x86-64-v3, x86-64-v4, .. (--list-targets), or several: A,B,.. (the best that a machine has is chosen at start)"), cl::init("native"), cl::cat(category)};
  cl::opt<std::string> gpuArch{"gpu-arch", cl::desc("with --target=cuda: architecture, sm_80, sm_90a, .. (--list-targets), or several: A,B,.."), cl::cat(category)};
  cl::opt<std::string> ple{"ple", cl::desc("with --target=cuda: where tables of embeddings lie that are only gathered from, of layers too: device, or host (pinned memory, read row by row)"), cl::init("device"), cl::cat(category)};
  cl::opt<bool> emulate{"emulate", cl::desc("with --target=cuda: an executable that runs the GPU's code on this machine's cores (slow: for tests)"), cl::cat(category)};
  cl::opt<std::string> quantize{"quantize", cl::desc("weights: none (as stored), q8 or q4 (groups of 32)"), cl::init("none"), cl::cat(category)};
  cl::opt<std::string> compute{"compute", cl::desc("activations inside matmuls: f32, bf16 or int8 (default: int8 where weights have 8 bits or fewer, else bf16)"), cl::cat(category)};
  cl::opt<std::string> kv{"kv", cl::desc("KV cache: f32, bf16 or q8 (int8, a scale per 32)"), cl::init("bf16"), cl::cat(category)};
  cl::opt<std::string> context{"context", cl::desc("longest text in tokens (default: the model's, at most 8192)"), cl::value_desc("N"), cl::cat(category)};
  cl::opt<std::string> maxBatch{"max-batch", cl::desc("sequences at a time: 1"), cl::init("1"), cl::cat(category)};
  cl::opt<std::string> weights{"weights", cl::desc("where weights go: embed"), cl::init("embed"), cl::cat(category)};
  cl::opt<std::string> mmproj{"mmproj", cl::desc("multimodal projector (not supported yet)"), cl::Hidden, cl::cat(category)};
  cl::opt<std::string> chatTemplate{"chat-template", cl::desc("a Jinja chat template in the place of the checkpoint's own"), cl::value_desc("FILE"), cl::cat(category)};
  cl::opt<std::string> emit{"emit", cl::desc("what to write: exe, obj, asm, llvm (cpu), ptx, cubin (cuda), step, fused or gemma"), cl::init("exe"), cl::cat(category)};
  cl::opt<std::string> fuse{"fuse", cl::desc("fusions: all, none, or names, -name to leave one out (--fuse=help lists them)"), cl::init("all"), cl::cat(category)};
  cl::opt<std::string> opt{"O", cl::desc("optimisation of the generated code: -O0, -O1, -O2 or -O3 (default -O2)"), cl::Prefix, cl::init("2"), cl::cat(category)};
  cl::opt<bool> verbose{"v", cl::desc("say what is done"), cl::cat(category)};
  cl::opt<bool> time{"time", cl::desc("print the seconds that each stage took"), cl::cat(category)};
  cl::opt<std::string> saveTemps{"save-temps", cl::desc("write every intermediate form into DIR"), cl::value_desc("DIR"), cl::cat(category)};
  cl::opt<std::string> machine{"machine", cl::desc("with --emit=step: predict times for what `OUT bench --phases -o json` measured (default: a nominal machine)"), cl::value_desc("FILE"), cl::cat(category)};
  cl::opt<bool> autotune{"autotune", cl::desc("choose kernels, and the rows of a prompt's step, by measuring them on this machine, where it can run the target; same results"), cl::cat(category)};
  cl::opt<std::string> autotuneCache{"autotune-cache", cl::desc("with --autotune: where measured choices are kept (default: $XDG_CACHE_HOME/gemmac/autotune or ~/.cache/gemmac/autotune)"), cl::value_desc("DIR"), cl::cat(category)};
  cl::opt<bool> estimate{"estimate", cl::desc("print sizes and memory; write nothing"), cl::cat(category)};
  cl::opt<bool> listTargets{"list-targets", cl::desc("list the processors that --march knows, the most capable last, and the architectures of --gpu-arch"), cl::cat(category)};

  /// The linker, which runs later in this process, registers options of its own, some with the same names.
  ~Table() {
    for (cl::Option *option : std::initializer_list<cl::Option *>{
             &model, &output, &target, &march, &gpuArch, &ple, &emulate, &quantize, &compute, &kv, &context, &maxBatch, &weights, &mmproj,
             &chatTemplate, &emit, &fuse, &opt, &verbose, &time, &saveTemps, &machine, &autotune, &autotuneCache, &estimate, &listTargets})
      option->removeArgument();
  }
};
} // namespace

static llvm::Error oneOf(llvm::StringRef option, llvm::StringRef value, llvm::ArrayRef<llvm::StringRef> known,
                         llvm::ArrayRef<llvm::StringRef> later = {}) {
  if (llvm::is_contained(known, value))
    return llvm::Error::success();
  std::string list = llvm::join(known, ", ");
  if (llvm::is_contained(later, value))
    return usageError("--" + option + "=" + value + " is not supported yet; choose one of " + list);
  return usageError("--" + option + ": found '" + value + "', expected one of " + list);
}

static llvm::Error checkChoices(const Table &table) {
  struct Choice {
    llvm::StringRef option, value;
    std::vector<llvm::StringRef> known, later;
  };
  const Choice choices[] = {
      {"target", table.target, {"cpu", "cuda"}, {}},
      {"quantize", table.quantize, {"none", "q8", "q4"}, {"fp8", "nvfp4"}},
      {"kv", table.kv, {"f32", "bf16", "q8"}, {"q4"}},
      {"weights", table.weights, {"embed"}, {"external"}},
      {"emit", table.emit, {"exe", "obj", "asm", "llvm", "ptx", "cubin", "step", "fused", "gemma"}, {}},
  };
  for (const Choice &choice : choices)
    if (llvm::Error error = oneOf(choice.option, choice.value, choice.known, choice.later))
      return error;
  if (!table.compute.empty())
    if (llvm::Error error = oneOf("compute", table.compute, {"f32", "bf16", "int8"}))
      return error;
  if (table.mmproj.getNumOccurrences())
    return usageError("--mmproj is not supported yet");
  if (table.chatTemplate.getNumOccurrences() && table.chatTemplate.empty())
    return usageError("--chat-template: found no file, expected --chat-template=FILE");
  if (table.maxBatch != "1")
    return usageError("--max-batch=" + table.maxBatch + " is not supported yet; only 1 is");
  if (llvm::StringRef level = table.opt; level.size() != 1 || level[0] < '0' || level[0] > '3')
    return usageError("-O: found '" + level + "', expected one of -O0, -O1, -O2, -O3");
  int64_t context;
  if (llvm::StringRef text = table.context;
      table.context.getNumOccurrences() && (text.getAsInteger(10, context) || context < 1 || context > (1 << 24)))
    return usageError("--context: found '" + text + "', expected 1 to 16777216 tokens");
  return llvm::Error::success();
}

/// Options that are of one kind of hardware only.
static llvm::Error checkHardware(const Table &table) {
  const bool cuda = table.target == "cuda";
  if (cuda && table.march.getNumOccurrences())
    return usageError("--march: found --target=cuda, whose architectures --gpu-arch names; leave one of them out");
  if (!cuda && table.gpuArch.getNumOccurrences())
    return usageError("--gpu-arch: found --target=cpu, whose processors --march names; give --target=cuda, too");
  if (cuda && table.gpuArch.empty())
    return usageError("--target=cuda: found no --gpu-arch, expected --gpu-arch=A or A,B,.. of " + describeGpuTargets() +
                      "; `nvidia-smi --query-gpu=name,compute_cap --format=csv` prints what a machine has");
  if (!cuda && llvm::is_contained({"ptx", "cubin"}, table.emit))
    return usageError("--emit=" + table.emit + ": found --target=cpu, expected --target=cuda, whose code that is");
  if (cuda && llvm::is_contained({"obj", "asm", "llvm"}, table.emit))
    return usageError("--emit=" + table.emit + ": found --target=cuda, expected exe, cubin, ptx, step, fused or gemma");
  if (!cuda && table.ple.getNumOccurrences())
    return usageError("--ple: found --target=cpu, whose weights are all in one memory; leave it out");
  if (llvm::Error error = oneOf("ple", table.ple, {"device", "host"}))
    return error;
  if (cuda && table.autotune)
    return usageError("--autotune: found --target=cuda, whose kernels cannot be measured; leave one of them out");
  if (cuda && table.machine.getNumOccurrences())
    return usageError("--machine: found --target=cuda, whose times are not predicted; leave one of them out");
  return llvm::Error::success();
}

static EmitKind emitKind(llvm::StringRef name) {
  const std::pair<llvm::StringRef, EmitKind> kinds[] = {
      {"exe", EmitKind::Exe},   {"obj", EmitKind::Obj},     {"asm", EmitKind::Asm}, {"llvm", EmitKind::Llvm},
      {"ptx", EmitKind::Ptx},   {"cubin", EmitKind::Cubin}, {"step", EmitKind::Step},
      {"fused", EmitKind::Fused}, {"gemma", EmitKind::Gemma}};
  for (const auto &[known, kind] : kinds)
    if (known == name)
      return kind;
  return EmitKind::Exe;
}

static llvm::Expected<Options> toOptions(const Table &table) {
  Options options;
  options.model = table.model;
  options.output = table.output;
  options.march = table.march;
  options.cuda = table.target == "cuda";
  options.gpuArch = table.gpuArch;
  options.emulate = table.emulate;
  options.hostTables = table.ple == "host";
  if (options.emulate && !options.cuda)
    return usageError("--emulate: found --target=cpu, expected --target=cuda, whose code it runs");
  if (options.emulate && table.emit != "exe")
    return usageError("--emulate: found --emit=" + table.emit + ", expected exe; leave one of them out");
  options.quantize = table.quantize;
  options.compute = table.compute;
  options.kv = table.kv;
  options.fuse = table.fuse;
  options.emit = emitKind(table.emit);
  if (table.context.getNumOccurrences())
    llvm::StringRef(table.context).getAsInteger(10, options.context); // checked above
  options.optLevel = table.opt[0] - '0';
  options.verbose = table.verbose;
  options.time = table.time;
  options.estimate = table.estimate;
  options.saveTemps = table.saveTemps;
  options.chatTemplate = table.chatTemplate;
  options.machine = table.machine;
  if (table.machine.getNumOccurrences() && options.emit != EmitKind::Step)
    return usageError("--machine: found --emit=" + table.emit + ", expected --emit=step, which prints predicted times");
  if (table.machine.getNumOccurrences() && options.machine.empty())
    return usageError("--machine: found an empty name, expected a file that `OUT bench --phases -o json` wrote");
  if (options.estimate && (options.emit == EmitKind::Gemma || options.emit == EmitKind::Fused))
    return usageError("--estimate: found --emit=" + table.emit +
                      ", which ends before memory is planned; leave one of them out");
  options.autotune = table.autotune;
  options.autotuneCache = table.autotuneCache;
  if (table.autotuneCache.getNumOccurrences() && !options.autotune)
    return usageError("--autotune-cache: found no --autotune, without which nothing is measured; give both");
  if (table.autotuneCache.getNumOccurrences() && options.autotuneCache.empty())
    return usageError("--autotune-cache: found no folder, expected --autotune-cache=DIR");
  if (options.autotune && options.estimate)
    return usageError("--autotune: found --estimate, which makes no code; leave one of them out");
  if (options.autotune && (options.emit == EmitKind::Gemma || options.emit == EmitKind::Fused || options.emit == EmitKind::Step))
    return usageError("--autotune: found --emit=" + table.emit + ", which makes no code; expected exe, obj, asm or llvm");
  if (table.output.getNumOccurrences() && options.output.empty())
    return usageError("-o: found an empty name, expected the file to write");
  if (options.model.empty())
    return usageError("no model given; usage: gemmac MODEL -o OUT (gemmac --help)");
  if (options.output.empty() && !options.estimate &&
      llvm::is_contained({EmitKind::Exe, EmitKind::Obj, EmitKind::Cubin}, options.emit))
    return usageError("no output given; usage: gemmac MODEL -o OUT (gemmac --help)");
  return options;
}

namespace {
/// What llvm::cl says of values goes to the process's stderr whatever stream it is given.
class StderrCapture {
public:
  explicit StderrCapture(bool wanted)
      : file(wanted ? memfd_create("gemmac-messages", MFD_CLOEXEC) : -1), before(fcntl(2, F_DUPFD_CLOEXEC, 3)) {
    if (file >= 0 && before >= 0)
      dup2(file, 2);
  }
  ~StderrCapture() { finish(); }
  std::string finish() {
    char text[1024];
    ssize_t bytes = -1;
    if (file >= 0 && before >= 0) {
      dup2(before, 2);
      bytes = pread(file, text, sizeof text, 0);
    }
    for (int *fd : {&file, &before})
      if (*fd >= 0)
        close(std::exchange(*fd, -1));
    return std::string(text, bytes > 0 ? bytes : 0);
  }

private:
  int file, before;
};

/// The arguments with a "./" before each "@", or llvm::cl would take the arguments in that file instead.
std::vector<std::string> plainArguments(int argc, char **argv) {
  std::vector<std::string> plain(argv, argv + argc);
  for (std::string &argument : plain)
    if (argument.compare(0, 1, "@") == 0)
      argument.insert(0, "./");
  return plain;
}
} // namespace

llvm::Expected<Options> parseOptions(int argc, char **argv, bool &done) {
  Table table;
  mlir::registerAsmPrinterCLOptions();
  mlir::registerMLIRContextCLOptions();
  mlir::registerPassManagerCLOptions();
  mlir::registerDefaultTimingManagerCLOptions();
  cl::HideUnrelatedOptions(table.category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) { os << "gemmac " GEMMAC_VERSION " (LLVM " LLVM_VERSION_STRING ")\n"; });
  std::vector<std::string> arguments = plainArguments(argc, argv);
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string problem;
  llvm::raw_string_ostream os(problem);
  // Help and version end the process inside the parser; what goes wrong then is not to be caught.
  StderrCapture capture(llvm::none_of(arguments, [](llvm::StringRef argument) {
    argument = argument.ltrim('-');
    return argument.starts_with("help") || argument.starts_with("version") || argument == "h";
  }));
  bool parsed = cl::ParseCommandLineOptions(argc, pointers.data(), "compiles a Gemma checkpoint into one executable\n", &os);
  problem = capture.finish() + problem;
  if (!parsed) {
    llvm::StringRef first = llvm::StringRef(problem).split('\n').first;
    first.consume_front("gemmac: ");
    return usageError(first + " (gemmac --help lists the options)");
  }
  if (table.listTargets) {
    for (const auto &names : {targetNames(), gpuTargetNames()})
      for (const std::string &name : names)
        llvm::outs() << name << "\n";
    done = true;
    return Options();
  }
  if (table.fuse == "help") {
    llvm::outs() << FuseSelection::help();
    done = true;
    return Options();
  }
  if (llvm::Error error = checkChoices(table))
    return error;
  if (llvm::Error error = checkHardware(table))
    return error;
  return toOptions(table);
}

} // namespace gemmac
