// See Chunk.h.
#include "codegen/autotune/Chunk.h"

#include "codegen/autotune/Choose.h"
#include "codegen/autotune/HostCpu.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <cmath>

namespace gemmac {

std::vector<int64_t> chunkSizes(int64_t model, int64_t context) {
  constexpr int64_t kLeast = 64, kMost = 512; // all of them multiples of what a matrix unit takes at once
  std::vector<int64_t> sizes{model};
  for (int64_t rows = kLeast; rows <= std::min(kMost, context); rows *= 2)
    if (rows != model && 2 * rows >= model && rows <= 4 * model)
      sizes.push_back(rows);
  return sizes;
}

/// Multiplications for a row.
static double workOf(const ChunkCandidate::Use &use) {
  const Product &product = use.product;
  return use.times * static_cast<double>(product.tasks * product.tile * product.k);
}

std::optional<ChunkCandidate> chunkCandidate(step::ProgramOp program, double predicted) {
  mlir::SymbolTable symbols(program);
  auto entry = symbols.lookup<step::EntryOp>("prefill_none");
  if (!entry)
    return std::nullopt;
  const auto rows = static_cast<int64_t>(entry.getRows());
  ChunkCandidate candidate{rows, predicted / static_cast<double>(rows), {}};
  llvm::StringMap<size_t> indices;
  bool whole = rows > 1;
  entry.walk([&](mlir::Operation *op) {
    if (!llvm::isa<step::MatmulOp, step::ExpertMatmulOp>(op))
      return;
    std::optional<Product> product = productOf(op, symbols);
    whole &= product && product->tasks > 0;
    if (!whole)
      return;
    const auto tasks = static_cast<double>(op->getParentOfType<step::PhaseOp>().getCols());
    auto [place, isNew] = indices.try_emplace(product->text(), candidate.products.size());
    if (isNew)
      candidate.products.push_back({*product, 0});
    candidate.products[place->second].times += tasks / static_cast<double>(product->tasks);
  });
  if (!whole || candidate.products.empty())
    return std::nullopt;
  double all = 0;
  for (const ChunkCandidate::Use &use : candidate.products)
    all += workOf(use);
  llvm::erase_if(candidate.products, [&](const auto &use) { return 100 * workOf(use) < all; });
  return candidate;
}

std::vector<ChunkCandidate> worthMeasuring(std::vector<ChunkCandidate> candidates) {
  constexpr double kNear = 1.1;
  double best = candidates.front().predicted;
  for (const ChunkCandidate &candidate : candidates)
    best = std::min(best, candidate.predicted);
  candidates.erase(std::remove_if(candidates.begin() + 1, candidates.end(),
                                  [&](const auto &each) { return each.predicted > kNear * best; }),
                   candidates.end());
  return candidates;
}

static std::string nameOf(const ChunkCandidate &candidate) {
  return std::to_string(candidate.rows) + " rows";
}

std::string chunkKey(llvm::ArrayRef<ChunkCandidate> candidates, const Target &target, unsigned level,
                     llvm::ArrayRef<CandidateCode> code) {
  constexpr int kMethod = 1; // of measuring: times of another one say nothing
  std::string text = "chunks of a prompt, " + tuningKeyHead(kMethod, target, level), all;
  for (const ChunkCandidate &candidate : candidates) {
    text += nameOf(candidate) + ":";
    for (const ChunkCandidate::Use &use : candidate.products)
      text += llvm::formatv(" {0:f3} x ({1});", use.times, use.product.text()).str();
    text += "\n";
  }
  for (const CandidateCode &each : code)
    all += each.text();
  return text + "code: " + sha256(all) + "\n";
}

namespace {

/// Candidates with the code of their products.
class ChunkTuner {
public:
  ChunkTuner(llvm::ArrayRef<ChunkCandidate> candidates, const PrepareProduct &prepare)
      : candidates(candidates), prepare(prepare) {}

  llvm::Error emit(mlir::MLIRContext &context, const Target &target) {
    for (const ChunkCandidate &candidate : candidates)
      for (const ChunkCandidate::Use &use : candidate.products) {
        llvm::Expected<CandidateCode> one = emitCandidate(context, use.product, {}, target);
        if (!one)
          return one.takeError();
        code.push_back(std::move(*one));
      }
    return llvm::Error::success();
  }

  llvm::Expected<Chosen> measure() {
    std::vector<RunCandidate> runs;
    for (const ChunkCandidate &candidate : candidates)
      for (const ChunkCandidate::Use &use : candidate.products) {
        llvm::Expected<RunCandidate> run =
            prepare(use.product, llvm::MutableArrayRef<CandidateCode>(code[runs.size()]));
        if (!run)
          return run.takeError();
        runs.push_back(std::move(*run));
      }
    std::vector<size_t> first{0};
    for (const ChunkCandidate &candidate : candidates)
      first.push_back(first.back() + candidate.products.size());
    const auto model = static_cast<double>(candidates.front().rows);
    return chooseByRuns(candidates.size(),
                        [&](size_t index) { // seconds for as many rows as the model's chunk
                          const ChunkCandidate &candidate = candidates[index];
                          double seconds = 0;
                          for (size_t i = 0; i < candidate.products.size(); ++i)
                            seconds += candidate.products[i].times * runs[first[index] + i](0);
                          return seconds * model / static_cast<double>(candidate.rows);
                        });
  }

  std::vector<CandidateCode> code;

private:
  llvm::ArrayRef<ChunkCandidate> candidates;
  const PrepareProduct &prepare;
};

} // namespace

std::optional<TunedChunk> tuneChunk(mlir::MLIRContext &context, llvm::ArrayRef<ChunkCandidate> candidates,
                                    const Target &target, unsigned level, const TuningCache &cache,
                                    const PrepareProduct &prepare, AutotuneReport &report) {
  auto failed = [&](llvm::Error error) {
    report.warnings.push_back(llvm::toString(std::move(error)) +
                              "; chunks of a prompt are as the cost model has them");
    return std::nullopt;
  };
  ChunkTuner tuner(candidates, prepare);
  if (llvm::Error error = tuner.emit(context, target))
    return failed(std::move(error));
  TuningEntry entry;
  for (const ChunkCandidate &candidate : candidates)
    entry.candidates.push_back(nameOf(candidate));
  entry.key = chunkKey(candidates, target, level, tuner.code);
  std::string ignored;
  std::optional<TuningEntry> found = cache.find(entry.key, entry.candidates, ignored);
  if (!ignored.empty())
    report.ignored.push_back(cache.pathOf(entry.key) + ": " + ignored);
  if (!found) {
    llvm::Expected<Chosen> chosen = tuner.measure();
    if (!chosen)
      return failed(chosen.takeError());
    entry.choice = static_cast<int64_t>(chosen->candidate);
    for (double seconds : chosen->medians)
      entry.medians.push_back(std::llround(seconds * 1e9));
    entry.cpu = hostName();
    if (llvm::Error error = cache.store(entry))
      report.warnings.push_back(llvm::toString(std::move(error)) + "; what is measured is not kept");
  }
  const TuningEntry &known = found ? *found : entry;
  const auto choice = static_cast<size_t>(known.choice);
  const auto before = static_cast<double>(std::max<int64_t>(1, known.medians.front()));
  return TunedChunk{candidates[choice].rows, candidates.front().rows, found.has_value(),
                    1 - static_cast<double>(known.medians[choice]) / before};
}

} // namespace gemmac
