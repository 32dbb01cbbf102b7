// See Manifest.h.
#include "codegen/Manifest.h"

#include "codegen/Predict.h"
#include "codegen/cpu/EmitMachine.h"
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StepToCpu.h"
#include "dialect/gemma/Gemma.h"
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"
#include "frontend/Diagnostic.h"
#include "runtime/Abi.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

#include <algorithm>
#include <set>

namespace gemmac {

using llvm::json::Array;
using llvm::json::Object;

template <typename Range> static Array toArray(const Range &range) {
  Array array;
  for (const auto &item : range)
    array.push_back(item);
  return array;
}

static Array stopIds(const Checkpoint &checkpoint) {
  std::set<int64_t> ids(checkpoint.config.eos.begin(), checkpoint.config.eos.end());
  ids.insert(checkpoint.generation.eos.begin(), checkpoint.generation.eos.end());
  return toArray(ids);
}

static Object samplingDefaults(const GenerationConfig &config) {
  return Object{{"do_sample", config.doSample}, {"temperature", config.temperature},
                {"top_k", config.topK},         {"top_p", config.topP},
                {"min_p", config.minP},         {"repeat_penalty", config.repeatPenalty}};
}

/// Positions that a row sees in the phase's attention once the caches are full; 0 if it has none.
static int64_t positionsOf(step::PhaseOp phase, step::ProgramOp program) {
  int64_t most = 0;
  phase.walk([&](step::AttentionOp op) {
    auto cache = program.lookupSymbol<step::CacheOp>(op.getCache());
    most = std::max(most, step::visiblePositions(cache, op.getWindow()));
  });
  return most;
}

/// How many tasks a phase has for so many rows.
using TaskCount = llvm::function_ref<int64_t(step::PhaseOp, int64_t)>;

/// One entry of "entries"; phase names and costs of decode and of a full prefill step go into the manifest.
static Object describeEntry(step::EntryOp entry, step::ProgramOp program, TaskCount count, Object &manifest) {
  Object result{{"rows", entry.getRows()}};
  Array names, bytes, flops, positions, work, tasks;
  for (auto phase : entry.getOps<step::PhaseOp>()) {
    names.push_back(phase.getName());
    positions.push_back(positionsOf(phase, program));
    work.push_back(workOf(phase));
    tasks.push_back(count(phase, phase.getRows() == step::Rows::Last ? 1 : entry.getRows()));
    const auto more = static_cast<int64_t>(entry.getRows()) - 1;
    bytes.push_back(static_cast<int64_t>(phase.getBytes()) +
                    more * static_cast<int64_t>(phase.getRowBytes()));
    flops.push_back(static_cast<int64_t>(phase.getFlops()) +
                    more * static_cast<int64_t>(phase.getRowFlops()));
  }
  result["phases"] = static_cast<int64_t>(names.size());
  auto yield = mlir::cast<step::YieldOp>(entry.getBody().front().getTerminator());
  if (yield.getLogits()) {
    auto buffer = yield.getLogits().getDefiningOp<step::BufferOp>();
    result["logits"] = static_cast<int64_t>(*buffer.getOffset());
    result["stride"] = mlir::cast<mlir::MemRefType>(buffer.getResult().getType()).getShape()[1];
  }
  if (yield.getIds())
    result["ids"] = static_cast<int64_t>(*yield.getIds().getDefiningOp<step::BufferOp>().getOffset());
  const bool decodes = entry.getSymName().starts_with("decode"); // the later one of two counts
  if (decodes || entry.getSymName() == "prefill_none") {
    const std::string prefix = decodes ? "" : "prefill_";
    manifest[prefix + "phases"] = std::move(names);
    manifest[prefix + "phase_bytes"] = std::move(bytes);
    manifest[prefix + "phase_flops"] = std::move(flops);
    manifest[prefix + "phase_positions"] = std::move(positions);
    manifest[prefix + "phase_work"] = std::move(work);
    manifest[prefix + "phase_tasks"] = std::move(tasks);
  } else {
    manifest[(entry.getSymName() + "_phases").str()] = std::move(names);
  }
  return result;
}

static Object describePlan(step::ProgramOp program, CodeMemory memory) {
  int64_t kv = 0;
  Array caches;
  for (auto cache : program.getOps<step::CacheOp>()) {
    int64_t bytes = 2 * cacheHalfBytes(cache, program.getBatch());
    kv += bytes;
    caches.push_back(Object{{"name", cache.getSymName()},
                            {"slots", static_cast<int64_t>(cache.getSlots())},
                            {"window", static_cast<int64_t>(cache.getWindow())},
                            {"bytes", bytes}});
  }
  return Object{{"activations", memory.arena - kv},
                {"kv", kv},
                {"scratch", memory.scratch},
                {"caches", std::move(caches)}};
}

/// Bytes of weights that one decoded token reads: whole matrices, the chosen experts, and one row of each
/// gathered table.
static int64_t bytesPerToken(step::ProgramOp program) {
  int64_t total = 0;
  llvm::StringSet<> counted;
  auto weightOf = [&](llvm::StringRef name) { return program.lookupSymbol<step::WeightOp>(name); };
  for (auto entry : program.getOps<step::EntryOp>()) {
    if (entry.getSymName() != "decode")
      continue;
    entry.walk([&](mlir::Operation *op) {
      if (auto matmul = llvm::dyn_cast<step::MatmulOp>(op)) {
        if (counted.insert(matmul.getWeight()).second)
          total += packedBytes(weightOf(matmul.getWeight()));
      } else if (auto expert = llvm::dyn_cast<step::ExpertMatmulOp>(op)) {
        step::WeightOp weight = weightOf(expert.getWeight());
        int64_t experts = weight.getExperts();
        total +=
            packedBytes(weight) / std::max<int64_t>(1, experts) * static_cast<int64_t>(expert.getSlots());
      } else if (auto embed = llvm::dyn_cast<step::EmbedOp>(op)) {
        total += gatherBytes(weightOf(embed.getTable()));
      }
    });
  }
  return total;
}

static int64_t countParameters(mlir::ModuleOp module) {
  int64_t total = 0;
  for (auto weight : module.getOps<gemma::WeightOp>())
    total += weight.getTensorType().getNumElements();
  return total;
}

/// All but what the target is.
static Object describeProgram(step::ProgramOp program, const Checkpoint &checkpoint,
                              const ManifestOptions &options, CodeMemory memory, TaskCount count) {
  const ModelConfig &config = checkpoint.config;
  int64_t window = 0, phases = 0;
  for (const LayerConfig &layer : config.layers)
    window = std::max(window, layer.window);
  Object manifest{{"gemmac", GEMMAC_VERSION}, {"name", checkpoint.name}, {"family", config.modelType}};
  manifest["quantize"] = options.quantize;
  manifest["compute"] = options.compute;
  manifest["kv"] = options.kv;
  manifest["vocab"] = config.vocab;
  manifest["hidden"] = config.hidden;
  manifest["layers"] = static_cast<int64_t>(config.layers.size());
  manifest["context"] = static_cast<int64_t>(program.getContext());
  manifest["max_batch"] = static_cast<int64_t>(program.getBatch());
  manifest["window"] = window;
  manifest["arena_bytes"] = memory.arena;
  manifest["scratch_bytes"] = memory.scratch;
  Object entries;
  for (auto entry : program.getOps<step::EntryOp>()) {
    Object one = describeEntry(entry, program, count, manifest);
    phases = std::max(phases, *one.getInteger("phases"));
    entries[entry.getSymName()] = std::move(one);
  }
  manifest["entries"] = std::move(entries);
  manifest["counters"] = phases;
  manifest["softcap"] =
      config.finalSoftcap ? llvm::json::Value(*config.finalSoftcap) : llvm::json::Value(nullptr);
  manifest["bos"] = config.bos;
  manifest["pad"] = config.pad;
  manifest["placeholders"] = toArray(config.placeholders);
  manifest["eos"] = stopIds(checkpoint);
  manifest["suppress"] = toArray(checkpoint.generation.suppress);
  manifest["has_template"] = checkpoint.chatTemplate.has_value();
  manifest["sampling"] = samplingDefaults(checkpoint.generation);
  manifest["parameters"] = countParameters(program->getParentOfType<mlir::ModuleOp>());
  manifest["weight_bytes"] = static_cast<int64_t>(*program.getWeightBytes());
  manifest["bytes_per_token"] = bytesPerToken(program);
  manifest["fusions"] = toArray(options.fusions);
  manifest["notes"] = toArray(checkpoint.notes);
  manifest["plan"] = describePlan(program, memory);
  return manifest;
}

Object buildGpuManifest(step::ProgramOp program, const Checkpoint &checkpoint, const ManifestOptions &options,
                        CodeMemory memory, Object gpu) {
  auto count = [](step::PhaseOp phase, int64_t rows) { return phase.tasks(rows); };
  Object manifest = describeProgram(program, checkpoint, options, memory, count);
  manifest["target"] = "cuda";
  manifest["march"] = Array();
  manifest["features"] = Array();
  manifest["gpu"] = std::move(gpu);
  return manifest;
}

Object buildManifest(step::ProgramOp program, const Checkpoint &checkpoint, const Target &target,
                     const ManifestOptions &options, CodeMemory memory) {
  const mlir::SymbolTable symbols(program);
  auto count = [&](step::PhaseOp phase, int64_t rows) { return mostTasks(phase, rows, target, symbols); };
  Object manifest = describeProgram(program, checkpoint, options, memory, count);
  int64_t lines = 0;
  for (auto entry : program.getOps<step::EntryOp>())
    lines = std::max(lines, counterLines(entry));
  manifest["counters"] = lines;
  manifest["target"] = "cpu";
  manifest["march"] = Array{target.name};
  manifest["features"] = toArray(target.features);
  Array peaks;
  for (const Peak &peak : peaksOf(target))
    peaks.push_back(Object{{"kind", peak.kind}, {"flops", peak.flops}});
  manifest["peaks"] = std::move(peaks);
  manifest["decode_peak"] = productKind(target, options.compute, /*manyRows=*/false);
  manifest["prefill_peak"] = productKind(target, options.compute, /*manyRows=*/true);
  return manifest;
}

namespace {
/// Writes GmModel constants into a module.
class ModelWriter {
public:
  explicit ModelWriter(llvm::Module &module)
      : module(module), context(module.getContext()), pointer(llvm::PointerType::getUnqual(context)) {}

  llvm::Constant *write(const TargetCode &code) {
    llvm::SmallVector<llvm::Constant *> fields = {
        number(64, GM_ABI_VERSION), bytes("gm_manifest", code.manifest), number(64, code.manifest.size())};
    llvm::SmallVector<llvm::Constant *> functions =
        code.images.empty() ? hostFunctions(code) : llvm::SmallVector<llvm::Constant *>();
    functions.resize(kFunctions, null());
    fields.append(functions);
    fields.append({number(64, code.images.size()), images(code.images),
                   code.images.empty() ? null() : declare("gm_cuda")});
    return llvm::ConstantStruct::getAnon(context, fields);
  }

private:
  static constexpr size_t kFunctions = 6 + GM_PEAKS; // five entries, stream, peaks

  llvm::Constant *number(unsigned bits, uint64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getIntNTy(context, bits), value);
  }
  llvm::Constant *null() { return llvm::ConstantPointerNull::get(pointer); }
  llvm::GlobalVariable *define(llvm::StringRef name, llvm::Constant *value) {
    return new llvm::GlobalVariable(module, value->getType(), true, llvm::GlobalValue::PrivateLinkage, value,
                                    name);
  }
  llvm::GlobalVariable *bytes(llvm::StringRef name, llvm::StringRef text, bool addNull = false) {
    return define(name, llvm::ConstantDataArray::getString(context, text, addNull));
  }
  llvm::Constant *declare(llvm::StringRef name) {
    return module.getOrInsertGlobal(name, llvm::Type::getInt8Ty(context));
  }

  /// The entries in GmModel's order, null where the program has none; stream; peaks.
  llvm::SmallVector<llvm::Constant *> hostFunctions(const TargetCode &code) {
    llvm::SmallVector<llvm::Constant *> functions;
    auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer}, false);
    auto add = [&](const std::string &name) {
      functions.push_back(
          llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name + code.suffix, module));
    };
    for (const char *name : {"decode", "prefill_none", "prefill_last", "prefill_all", "decode_top"}) {
      if (llvm::any_of(step::ProgramOp(code.program).getOps<step::EntryOp>(),
                       [&](step::EntryOp entry) { return entry.getSymName() == name; }))
        add(std::string("gm_entry_") + name);
      else
        functions.push_back(null());
    }
    add(kStreamSymbol);
    for (const Peak &peak : peaksOf(code.target))
      add(peak.symbol);
    return functions;
  }

  /// An array of GmImage.
  llvm::Constant *images(llvm::ArrayRef<GpuImage> list) {
    if (list.empty())
      return null();
    llvm::SmallVector<llvm::Constant *> elements;
    for (const GpuImage &image : list) {
      llvm::GlobalVariable *data = bytes("gm_image", image.bytes, /*addNull=*/image.ptx);
      data->setAlignment(llvm::Align(64)); // the driver reads a cubin as an ELF where it lies
      elements.push_back(llvm::ConstantStruct::getAnon(
          context, {bytes("gm_entry_name", image.entry, true), bytes("gm_arch", image.arch, true),
                    number(32, image.ptx), number(32, 0), data, number(64, image.bytes.size() + image.ptx)}));
    }
    auto *type = llvm::ArrayType::get(elements.front()->getType(), elements.size());
    return define("gm_images", llvm::ConstantArray::get(type, elements));
  }

  llvm::Module &module;
  llvm::LLVMContext &context;
  llvm::PointerType *pointer;
};
} // namespace

static void defineModels(llvm::Module &module, llvm::ArrayRef<TargetCode> codes) {
  llvm::SmallVector<llvm::Constant *> models;
  ModelWriter writer(module);
  for (const TargetCode &code : codes)
    models.push_back(writer.write(code));
  auto *array =
      llvm::ConstantArray::get(llvm::ArrayType::get(models.front()->getType(), models.size()), models);
  auto *table = new llvm::GlobalVariable(module, array->getType(), true, llvm::GlobalValue::PrivateLinkage,
                                         array, "gm_model_table");
  auto *count = llvm::ConstantInt::get(llvm::Type::getInt64Ty(module.getContext()), models.size());
  llvm::Constant *whole = llvm::ConstantStruct::getAnon(module.getContext(), {count, table});
  new llvm::GlobalVariable(module, whole->getType(), true, llvm::GlobalValue::ExternalLinkage, whole,
                           "gm_models");
}

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> emitModelObject(llvm::ArrayRef<TargetCode> codes,
                                                                    Arch arch) {
  llvm::LLVMContext context;
  llvm::Module module("gm_models", context);
  initializeCpuBackends(); // programs for GPUs have no other code for the CPU
  llvm::Triple triple(tripleOf(arch));
  std::string problem;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, problem);
  if (!target)
    return machineError(llvm::Twine("the LLVM that gemmac runs with has no target ") + archName(arch) + ": " +
                        problem);
  std::unique_ptr<llvm::TargetMachine> machine( // data only: any CPU will do
      target->createTargetMachine(triple, "", "", llvm::TargetOptions(), llvm::Reloc::PIC_));
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  module.setPICLevel(llvm::PICLevel::BigPIC);
  defineModels(module, codes);

  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, os, nullptr, llvm::CodeGenFileType::ObjectFile))
    return machineError("the LLVM that gemmac runs with cannot emit objects");
  passes.run(module);
  return std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(bytes), "gm_models.o",
                                                         /*RequiresNullTerminator=*/false);
}

} // namespace gemmac
