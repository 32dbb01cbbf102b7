// See Autotune.h.
#include "codegen/autotune/Autotune.h"

#include "codegen/autotune/Choose.h"
#include "codegen/autotune/HostCpu.h"
#include "dialect/step/Layout.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Config/llvm-config.h"

#include <cmath>

namespace gemmac {

namespace {

/// Products that are one kernel, and what can be chosen for it.
struct Kernel {
  Product product;
  std::vector<KernelTuning> candidates;
  std::vector<mlir::Operation *> users;
  int64_t bytes = 0; ///< of weights that all of them read
};

std::vector<std::string> textsOf(llvm::ArrayRef<KernelTuning> candidates) {
  std::vector<std::string> texts;
  for (const KernelTuning &candidate : candidates)
    texts.push_back(candidate.text());
  return texts;
}

/// Those which read a hundredth or more of what all do that have one row, or many.
std::vector<Kernel> worthwhile(std::vector<Kernel> kernels) {
  int64_t bytes[2] = {};
  for (const Kernel &kernel : kernels)
    bytes[kernel.product.rows > 1] += kernel.bytes;
  llvm::erase_if(kernels,
                 [&](const Kernel &kernel) { return 100 * kernel.bytes < bytes[kernel.product.rows > 1]; });
  return kernels;
}

int64_t bytesOf(const Product &product, mlir::Operation *user) {
  const auto tasks = static_cast<int64_t>(user->getParentOfType<step::PhaseOp>().getCols());
  return tasks * (product.tile / kPanelRows) * panelBytes(product.format, product.k);
}

/// The kernels of a program that leave something to choose, in the order of their first use.
std::vector<Kernel> kernelsOf(step::ProgramOp program, const Target &target) {
  mlir::SymbolTable symbols(program);
  llvm::StringMap<size_t> indices;
  std::vector<Kernel> kernels;
  program.walk([&](mlir::Operation *op) {
    std::optional<Product> product = productOf(op, symbols);
    if (!product)
      return;
    std::vector<KernelTuning> candidates = tuningCandidates(op, symbols, target);
    if (candidates.size() < 2)
      return;
    // Products of equal shape differ in what can be chosen where only some stand alone in their phase.
    std::string name = product->text() + ": " + llvm::join(textsOf(candidates), "; ");
    auto [place, isNew] = indices.try_emplace(name, kernels.size());
    if (isNew)
      kernels.push_back({*product, std::move(candidates), {}, 0});
    kernels[place->second].users.push_back(op);
    kernels[place->second].bytes += bytesOf(*product, op);
  });
  return worthwhile(std::move(kernels));
}

/// The tuning of one program, kernel by kernel.
class Tuner {
public:
  Tuner(mlir::MLIRContext &context, const Target &target, unsigned level, const TuningCache &cache,
        const PrepareProduct &prepare)
      : context(context), target(target), level(level), cache(cache), prepare(prepare) {}

  void tune(const Kernel &kernel);
  AutotuneReport report;

private:
  mlir::MLIRContext &context;
  const Target &target;
  unsigned level;
  const TuningCache &cache;
  const PrepareProduct &prepare;
  bool cannotMeasure = false, cannotStore = false;

  std::optional<TuningEntry> entryFor(const Kernel &kernel);
  std::optional<TuningEntry> measured(const Kernel &kernel, TuningEntry entry,
                                      llvm::MutableArrayRef<CandidateCode> code);
  void warn(bool &once, llvm::Error error, llvm::StringRef meaning);
};

void Tuner::warn(bool &once, llvm::Error error, llvm::StringRef meaning) {
  std::string text = llvm::toString(std::move(error));
  if (!once)
    report.warnings.push_back(text + "; " + meaning.str());
  once = true;
}

std::optional<TuningEntry> Tuner::measured(const Kernel &kernel, TuningEntry entry,
                                           llvm::MutableArrayRef<CandidateCode> code) {
  llvm::Expected<RunCandidate> run = prepare(kernel.product, code);
  if (!run) {
    warn(cannotMeasure, run.takeError(), "kernels are as the cost model has them");
    return std::nullopt;
  }
  const Chosen chosen = chooseByRuns(kernel.candidates.size(), *run);
  entry.choice = static_cast<int64_t>(chosen.candidate);
  for (double seconds : chosen.medians)
    entry.medians.push_back(std::llround(seconds * 1e9));
  entry.cpu = hostName();
  ++report.measured;
  if (llvm::Error error = cache.store(entry))
    warn(cannotStore, std::move(error), "what is measured is not kept");
  return entry;
}

std::optional<TuningEntry> Tuner::entryFor(const Kernel &kernel) {
  std::vector<CandidateCode> code;
  for (const KernelTuning &candidate : kernel.candidates) {
    llvm::Expected<CandidateCode> one = emitCandidate(context, kernel.product, candidate, target);
    if (!one) {
      warn(cannotMeasure, one.takeError(), "kernels are as the cost model has them");
      return std::nullopt;
    }
    code.push_back(std::move(*one));
  }
  TuningEntry entry;
  entry.candidates = textsOf(kernel.candidates);
  entry.key = tuningKey(kernel.product, target, level, entry.candidates, code);
  std::string ignored;
  std::optional<TuningEntry> found = cache.find(entry.key, entry.candidates, ignored);
  if (!ignored.empty())
    report.ignored.push_back(cache.pathOf(entry.key) + ": " + ignored);
  if (!found)
    return measured(kernel, std::move(entry), code);
  ++report.cached;
  return found;
}

void Tuner::tune(const Kernel &kernel) {
  if (cannotMeasure) // code cannot be run here at all: no use in trying each kernel
    return;
  std::optional<TuningEntry> entry = entryFor(kernel);
  if (!entry)
    return;
  const auto choice = static_cast<size_t>(entry->choice);
  for (mlir::Operation *user : kernel.users)
    setTuning(user, kernel.candidates[choice]);
  const auto before = static_cast<double>(std::max<int64_t>(1, entry->medians.front()));
  report.kernels.push_back(
      {kernel.product, kernel.candidates[choice], 1 - static_cast<double>(entry->medians[choice]) / before});
}

} // namespace

std::string tuningKeyHead(int method, const Target &target, unsigned level) {
  return "method " + std::to_string(method) +
         ", gemmac " GEMMAC_VERSION ", LLVM " LLVM_VERSION_STRING ", -O" + std::to_string(level) +
         "\nmachine: " + hostDescription() + "\ntarget: " + target.name + ", " + target.cpu + " " +
         target.extras + ", tuned for " + target.tune + "\n";
}

std::string tuningKey(const Product &product, const Target &target, unsigned level,
                      llvm::ArrayRef<std::string> candidates, llvm::ArrayRef<CandidateCode> code) {
  std::string all;
  for (const CandidateCode &each : code)
    all += each.text();
  constexpr int kMethod = 2; // of measuring: times of another one say nothing
  return tuningKeyHead(kMethod, target, level) + "product: " + product.text() +
         "\ncandidates: " + llvm::join(candidates, "; ") + "\ncode: " + sha256(all) + "\n";
}

llvm::json::Object AutotuneReport::manifest() const {
  std::string all;
  llvm::json::Array differing;
  for (const TunedKernel &kernel : kernels) {
    std::string text = kernel.product.text() + ": " + kernel.choice.text();
    all += text + "\n";
    if (!(kernel.choice == KernelTuning()))
      differing.push_back(std::move(text));
  }
  llvm::json::Object object{{"kernels", static_cast<int64_t>(kernels.size())},
                            {"choices", std::move(differing)}};
  if (chunk) {
    all += "chunks of " + std::to_string(chunk->rows) + " rows\n";
    object["chunk"] = chunk->rows;
  }
  object["sha256"] = sha256(all);
  return object;
}

AutotuneReport autotune(step::ProgramOp program, const Target &target, unsigned level,
                        const TuningCache &cache, const PrepareProduct &prepare) {
  Tuner tuner(*program->getContext(), target, level, cache, prepare);
  for (const Kernel &kernel : kernelsOf(program, target))
    tuner.tune(kernel);
  return std::move(tuner.report);
}

} // namespace gemmac
