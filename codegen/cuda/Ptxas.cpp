// See Ptxas.h.
#include "codegen/cuda/Ptxas.h"

#include "codegen/ChildProcess.h"
#include "codegen/MemoryFile.h"
#include "codegen/cuda/LowerToPtx.h"
#include "frontend/Diagnostic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <thread>

using namespace llvm;

namespace gemmac {

static std::string inBin(StringRef toolkit) {
  SmallString<128> path(toolkit);
  sys::path::append(path, "bin", "ptxas");
  return path.str().str();
}

Expected<std::optional<std::string>> findPtxas(const PtxasPlaces &places) {
  if (!places.cudaHome.empty()) {
    std::string path = inBin(places.cudaHome);
    if (!sys::fs::can_execute(path))
      return machineError("CUDA_HOME: found " + places.cudaHome +
                          ", where bin/ptxas is not to be run; "
                          "let it name a CUDA toolkit, or unset it");
    return path;
  }
  SmallVector<StringRef> folders;
  StringRef(places.path).split(folders, ':', -1, /*KeepEmpty=*/false);
  if (!folders.empty())
    if (ErrorOr<std::string> found = sys::findProgramByName("ptxas", folders))
      return *found;
  if (std::string path = inBin(places.fallback); sys::fs::can_execute(path))
    return path;
  return std::nullopt;
}

Expected<std::optional<std::string>> findPtxas() {
  auto variable = [](const char *name) {
    const char *value = std::getenv(name);
    return std::string(value ? value : "");
  };
  return findPtxas({variable("CUDA_HOME"), variable("PATH")});
}

namespace {

struct Messages {
  int code;
  std::string text;
};

/// ptxas at work.
struct Running {
  MemoryFile log;
  ChildProcess child;
};

Error cannotRun(StringRef ptxas, const Twine &why) {
  return machineError(ptxas + ": cannot be run: " + why + "; reinstall the CUDA toolkit");
}

Expected<Running> start(const std::string &ptxas, ArrayRef<std::string> arguments) {
  Expected<MemoryFile> log = MemoryFile::create("", "ptxas");
  if (!log)
    return log.takeError();
  Expected<ChildProcess> child = ChildProcess::start(ptxas, arguments, *log);
  if (!child)
    return cannotRun(ptxas, toString(child.takeError()));
  return Running{std::move(*log), std::move(*child)};
}

/// Waits for its end; what it printed.
Expected<Messages> finish(StringRef ptxas, Running &running) {
  const int code = running.child.wait();
  if (code < 0)
    return cannotRun(ptxas, "signal " + Twine(-code) + " ended it");
  Expected<std::string> text = running.log.read();
  if (!text)
    return text.takeError();
  return Messages{code, std::move(*text)};
}

Expected<Messages> run(const std::string &ptxas, ArrayRef<std::string> arguments) {
  Expected<Running> running = start(ptxas, arguments);
  return running ? finish(ptxas, *running) : running.takeError();
}

/// What stands behind `word` up to a blank, comma or quote.
StringRef wordAfter(StringRef text, StringRef word) {
  const size_t at = text.find(word);
  return at == StringRef::npos ? StringRef() : text.substr(at + word.size()).take_until([](char c) {
    return isSpace(c) || c == ',' || c == '\'';
  });
}

/// The first error of what ptxas printed, without the name of a file that nobody has seen.
std::string firstError(StringRef messages, StringRef inputPath) {
  SmallVector<StringRef> lines;
  messages.split(lines, '\n', -1, /*KeepEmpty=*/false);
  const auto *found =
      find_if(lines, [](StringRef line) { return line.contains("error") || line.contains("fatal"); });
  if (found == lines.end())
    return lines.empty() ? "it printed nothing" : lines.back().str();
  StringRef line = *found;
  line.consume_front("ptxas ");
  line.consume_front(inputPath);
  line.consume_front(", ");
  return line.trim().str();
}

/// The number before `unit` in "8 bytes stack frame, 4 bytes spill stores", "used 24 registers"; 0 without.
int64_t numberBefore(StringRef line, StringRef unit) {
  StringRef text = line.take_front(line.find(unit)).rtrim();
  if (text.size() == line.size())
    return 0;
  int64_t number = 0;
  text.take_back(text.size() - text.find_last_not_of("0123456789") - 1).getAsInteger(10, number);
  return number;
}

} // namespace

std::vector<PtxasReport> parsePtxasReports(StringRef messages) {
  std::vector<PtxasReport> reports;
  auto of = [&](StringRef name) -> PtxasReport & {
    auto found = find_if(reports, [&](const PtxasReport &report) { return report.name == name; });
    return found != reports.end() ? *found : reports.emplace_back(PtxasReport{name.str()});
  };
  StringRef kernel, function;
  while (!messages.empty()) {
    auto [line, rest] = messages.split('\n');
    messages = rest;
    if (StringRef name = wordAfter(line, "Compiling entry function '"); !name.empty()) {
      kernel = name;
      of(kernel).kernel = true;
    } else if (StringRef name = wordAfter(line, "Function properties for "); !name.empty()) {
      function = name;
    } else if (line.contains("bytes stack frame") && !function.empty()) {
      PtxasReport &report = of(function);
      report.stackBytes = numberBefore(line, " bytes stack frame");
      report.spillStores = numberBefore(line, " bytes spill stores");
      report.spillLoads = numberBefore(line, " bytes spill loads");
    } else if (line.contains("Used ") && !kernel.empty()) {
      of(kernel).registers = static_cast<unsigned>(numberBefore(line, " registers"));
      of(kernel).sharedBytes = numberBefore(line, " bytes smem");
    }
  }
  return reports;
}

std::vector<PtxasReport> perKernel(ArrayRef<PtxasReport> reports) {
  std::vector<PtxasReport> kernels;
  copy_if(reports, std::back_inserter(kernels), [](const PtxasReport &report) { return report.kernel; });
  for (PtxasReport &kernel : kernels)
    for (const PtxasReport &function : reports)
      if (StringRef(function.name).starts_with(kernel.name + kFunctionOf)) {
        kernel.stackBytes = std::max(kernel.stackBytes, function.stackBytes);
        kernel.spillStores += function.spillStores;
        kernel.spillLoads += function.spillLoads;
      }
  return kernels;
}

std::string printReports(ArrayRef<PtxasReport> reports) {
  std::string text;
  for (const PtxasReport &report : reports) {
    text += report.name + ": ";
    if (report.kernel)
      text +=
          formatv("{0} registers, {1} bytes of shared memory, ", report.registers, report.sharedBytes).str();
    text += formatv("{0} bytes of stack, {1} bytes spilled, {2} bytes read back\n", report.stackBytes,
                    report.spillStores, report.spillLoads)
                .str();
  }
  return text;
}

bool Ptxas::knows(const GpuTarget &target) const {
  return !StringRef(help).contains("'sm_") || StringRef(help).contains("'" + target.name + "'");
}

std::string Ptxas::lacks(const GpuTarget &target) const {
  return path + ": found CUDA " + release + ", which does not know " + target.name;
}

Error Ptxas::require(const GpuTarget &target) const {
  if (knows(target))
    return Error::success();
  return machineError(lacks(target) + "; install CUDA " + target.toolkit +
                      " or later and let CUDA_HOME name it, or take --emit=ptx");
}

Expected<Ptxas> askPtxas(StringRef path) {
  Ptxas ptxas{path.str(), "", ""};
  Expected<Messages> version = run(ptxas.path, {"--version"});
  if (!version)
    return version.takeError();
  Expected<Messages> help = run(ptxas.path, {"--help"});
  if (!help)
    return help.takeError();
  StringRef found = wordAfter(version->text, "release ");
  ptxas.release = found.empty() ? "an unknown version" : found.str();
  ptxas.help = std::move(help->text);
  return ptxas;
}

Expected<Ptxas> needPtxas(StringRef what) {
  auto found = findPtxas();
  if (!found)
    return found.takeError();
  if (!*found)
    return machineError(what + " needs ptxas, which is not in $CUDA_HOME/bin, in PATH or in "
                               "/usr/local/cuda/bin; install NVIDIA's CUDA toolkit, or take --emit=ptx");
  return askPtxas(**found);
}

namespace {

/// A text on its way to a cubin.
struct Job {
  MemoryFile input, output;
  Running running;
};

Expected<Job> startJob(const Ptxas &ptxas, StringRef text, const GpuTarget &target) {
  Expected<MemoryFile> input = MemoryFile::create(text, "ptxas");
  if (!input)
    return input.takeError();
  Expected<MemoryFile> output = MemoryFile::create("", "ptxas");
  if (!output)
    return output.takeError();
  Expected<Running> running =
      start(ptxas.path, {"-v", "-arch", target.name, "-o", output->path(), input->path()});
  if (!running)
    return running.takeError();
  return Job{std::move(*input), std::move(*output), std::move(*running)};
}

Expected<Assembly> finishJob(const Ptxas &ptxas, Job &job, const GpuTarget &target) {
  Expected<Messages> messages = finish(ptxas.path, job.running);
  if (!messages)
    return messages.takeError();
  if (messages->code != 0)
    return machineError(ptxas.path + " (CUDA " + ptxas.release + ") does not take the code for " +
                        target.name + ": " + firstError(messages->text, job.input.path()) +
                        "; this is a defect of gemmac: please report it");
  Expected<std::string> cubin = job.output.read();
  if (!cubin)
    return cubin.takeError();
  // Whoever says that all went well may be no ptxas.
  if (!StringRef(*cubin).starts_with("\x7f"
                                     "ELF"))
    return machineError(ptxas.path + " ended without an error, but what it wrote (" + Twine(cubin->size()) +
                        " bytes) is no cubin; let CUDA_HOME or PATH name a CUDA toolkit that works");
  return Assembly{MemoryBuffer::getMemBufferCopy(*cubin, "cubin"), parsePtxasReports(messages->text)};
}

} // namespace

Expected<std::vector<Assembly>> assemble(const Ptxas &ptxas, ArrayRef<std::string> texts,
                                         const GpuTarget &target, unsigned atOnce) {
  if (Error error = ptxas.require(target))
    return error;
  std::deque<Job> jobs; // that run; where one fails, the others end with it
  std::vector<Assembly> done;
  for (size_t next = 0; done.size() < texts.size();) {
    if (next < texts.size() && jobs.size() < atOnce) {
      Expected<Job> job = startJob(ptxas, texts[next++], target);
      if (!job)
        return job.takeError();
      jobs.push_back(std::move(*job));
      continue;
    }
    Expected<Assembly> assembly = finishJob(ptxas, jobs.front(), target);
    if (!assembly)
      return assembly.takeError();
    jobs.pop_front();
    done.push_back(std::move(*assembly));
  }
  return done;
}

Expected<std::vector<Assembly>> assemble(const Ptxas &ptxas, ArrayRef<std::string> texts,
                                         const GpuTarget &target) {
  return assemble(ptxas, texts, target, std::max(1u, std::thread::hardware_concurrency()));
}

} // namespace gemmac
