// Names of phases, buffers and packed weights. See Names.h.
#include "passes/lower/Names.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace gemmac::lower {

/// The first name in `loc`; fused locations are searched in order.
static llvm::StringRef findName(mlir::Location loc) {
  if (auto name = llvm::dyn_cast<mlir::NameLoc>(loc))
    return name.getName().getValue();
  if (auto fused = llvm::dyn_cast<mlir::FusedLoc>(loc))
    for (mlir::Location part : fused.getLocations())
      if (llvm::StringRef name = findName(part); !name.empty())
        return name;
  return {};
}

std::string nameOf(mlir::Operation *op) {
  if (llvm::StringRef name = findName(op->getLoc()); !name.empty())
    return name.str();
  for (llvm::StringRef attribute : {"weight", "table"})
    if (auto symbol = op->getAttrOfType<mlir::FlatSymbolRefAttr>(attribute))
      return symbol.getValue().str();
  return op->getName().stripDialect().str();
}

std::pair<llvm::StringRef, llvm::StringRef> splitName(llvm::StringRef name) {
  if (!name.starts_with("layers."))
    return {"", name};
  size_t dot = name.find('.', 7);
  if (dot == llvm::StringRef::npos)
    return {"", name};
  return {name.substr(0, dot + 1), name.substr(dot + 1)};
}

std::string joinNames(llvm::ArrayRef<llvm::StringRef> names, llvm::StringRef separator) {
  llvm::StringRef prefix = splitName(names.front()).first;
  llvm::SmallVector<llvm::StringRef> parts;
  for (llvm::StringRef name : names)
    parts.push_back(splitName(name).first == prefix ? splitName(name).second : name);
  return (prefix + llvm::join(parts, separator)).str();
}

std::string productName(llvm::ArrayRef<std::string> names) {
  llvm::SmallVector<llvm::StringRef> references(names.begin(), names.end());
  llvm::StringRef prefix = splitName(references.front()).first;
  auto has = [&](llvm::StringRef part) { return llvm::is_contained(names, (prefix + part).str()); };
  if (has("q") && has("k"))
    return (prefix + "qkv").str();
  if (has("k") && has("v"))
    return (prefix + "kv").str();
  if (has("gate") && has("up"))
    return (prefix + "mlp").str();
  if (names.size() == 1)
    return names.front();
  return joinNames(references, "_");
}

} // namespace gemmac::lower
