// Parsing and help of --fuse. The table below is the only list of names.
#include "passes/FuseSelection.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace gemmac;

static constexpr FuseInfo kTable[] = {
    {Fuse::KvShare, "kv-share", "layers that share keys and values share one cache (off: each keeps a copy)"},
    {Fuse::DeadTokens, "dead-tokens",
     "rows whose logits nobody asks for are computed only as far as caches need"},
    {Fuse::Qkv, "qkv", "q, k and v projections in one phase"},
    {Fuse::QknormRopeKv, "qknorm-rope-kv",
     "norms of q, k and v, rope and the cache write with the projections"},
    {Fuse::Attention, "attention", "scores, softmax and the sum of values in one phase"},
    {Fuse::Mlp, "mlp", "gelu and product in the epilogue of gate and up, dense and experts"},
    {Fuse::Ple, "ple", "per-layer embeddings: gate and projection with their epilogues"},
    {Fuse::Router, "router", "mixture of experts: the choice made in the prologue of the experts' product"},
    {Fuse::Softcap, "softcap", "softcap in the epilogue of the lm_head"},
    {Fuse::Residual, "residual", "post-norm, residual sum and layer scalar in one phase"},
    {Fuse::Norm, "norm",
     "norm, and the residual sum before it, in the prologue of the product that reads it"},
    {Fuse::Top, "top", "the largest logits selected where they are made, for sampling that needs no others"},
};

llvm::ArrayRef<FuseInfo> gemmac::fuseTable() { return kTable; }

FuseSelection FuseSelection::all() {
  FuseSelection selection;
  for (const FuseInfo &info : kTable)
    selection.set(info.fuse, true);
  return selection;
}

void FuseSelection::set(Fuse fuse, bool on) {
  uint32_t bit = uint32_t(1) << static_cast<unsigned>(fuse);
  bits = on ? bits | bit : bits & ~bit;
}

static std::string names(llvm::StringRef separator) {
  return llvm::join(llvm::map_range(kTable, [](const FuseInfo &info) { return info.name.str(); }), separator);
}

std::optional<FuseSelection> FuseSelection::parse(llvm::StringRef text, std::string &error) {
  llvm::SmallVector<llvm::StringRef> items;
  text.split(items, ',');
  FuseSelection selection = items.front().starts_with("-") ? all() : none();
  for (auto [index, item] : llvm::enumerate(items)) {
    if (item == "all" || item == "none") {
      if (index != 0) {
        error = ("'" + item + "' in --fuse=" + text + " must stand first").str();
        return std::nullopt;
      }
      selection = item == "all" ? all() : none();
      continue;
    }
    llvm::StringRef name = item;
    bool on = !name.consume_front("-");
    const FuseInfo *info = llvm::find_if(kTable, [&](const FuseInfo &entry) { return entry.name == name; });
    if (info == std::end(kTable)) {
      error = ("unknown name '" + item + "' in --fuse=" + text + ", expected all, none or a list of " +
               names(", ") + " (-NAME switches one off)")
                  .str();
      return std::nullopt;
    }
    selection.set(info->fuse, on);
  }
  return selection;
}

std::string FuseSelection::help() {
  std::string text =
      "--fuse=all|none|NAME,-NAME,..\n"
      "A name switches on, -NAME off. A list that begins with -NAME starts from all, any other from none.\n";
  for (const FuseInfo &info : kTable)
    text += "  " + info.name.str() + std::string(16 - info.name.size(), ' ') + info.help.str() + "\n";
  return text;
}

std::string FuseSelection::str() const {
  if (*this == all())
    return "all";
  if (*this == none())
    return "none";
  llvm::SmallVector<llvm::StringRef> on;
  for (const FuseInfo &info : kTable)
    if (has(info.fuse))
      on.push_back(info.name);
  return llvm::join(on, ",");
}
