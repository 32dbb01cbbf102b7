// See PhaseKey.h.
#include "codegen/kernel/PhaseKey.h"

#include "dialect/step/StepAccess.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace gemmac::kernel {

namespace {

class KeyWriter {
public:
  KeyWriter(PhaseKey &key, const SymbolTable &symbols, int64_t entryRows)
      : key(key), symbols(symbols), rows(entryRows), os(key.text) {}
  void write(Operation &op);

private:
  PhaseKey &key;
  const SymbolTable &symbols;
  int64_t rows;
  llvm::raw_string_ostream os;
  llvm::DenseMap<Value, unsigned> tiles;

  void writePart(step::TileOp tile);
  void writeSymbol(StringAttr name);
  void writeBuffer(Value buffer);
  void writeType(Type type);
};

template <typename T> unsigned slotOf(llvm::SetVector<T> &set, T x) {
  set.insert(x);
  return static_cast<unsigned>(llvm::find(set, x) - set.begin());
}

void KeyWriter::writeSymbol(StringAttr name) {
  Operation *op = symbols.lookup(name);
  if (auto w = dyn_cast_or_null<step::WeightOp>(op)) {
    os << "w" << slotOf(key.weights, name) << ":" << stringifyFormat(w.getFormat()) << "," << w.getN() << ","
       << w.getK() << "," << w.getTile() << "," << w.getExperts();
  } else if (auto c = dyn_cast_or_null<step::CacheOp>(op)) {
    os << "c" << slotOf(key.caches, name) << ":" << c.getHeads() << "," << c.getHeadDim() << ","
       << c.getSlots() << "," << stringifyKvType(c.getType());
  } else {
    os << name;
  }
}

/// Columns and element; of the rows only whether there is one where the entry has more (or, if private, one
/// at all).
void KeyWriter::writeType(Type type) {
  auto buffer = dyn_cast<MemRefType>(type);
  if (!buffer || buffer.getRank() != 2) {
    os << type;
    return;
  }
  bool isPrivate = buffer.getMemorySpace() != Attribute();
  bool single = buffer.getShape()[0] == 1 && (isPrivate || rows > 1);
  os << (single ? "1x" : "?x") << buffer.getShape()[1] << "x" << buffer.getElementType()
     << (isPrivate ? "p" : "");
}

void KeyWriter::writeBuffer(Value buffer) {
  auto tile = tiles.find(buffer);
  if (tile != tiles.end())
    os << "t" << tile->second;
  else
    os << "b" << slotOf(key.buffers, buffer);
  os << ":";
  writeType(buffer.getType());
}

/// Tiles of activations lie in memory by how many rows the buffer has.
static bool dependsOnRows(Operation &op) {
  if (auto pack = dyn_cast<step::PackOp>(op))
    return pack.getAct() == step::Act::BF16T;
  if (auto pack = dyn_cast<step::PackTileOp>(op))
    return pack.getAct() == step::Act::BF16T;
  auto matmul = dyn_cast<step::MatmulOp>(op);
  return matmul && matmul.getFormat() == step::Act::BF16T;
}

/// Where in its buffer a part begins is not told apart: its own address becomes an argument.
void KeyWriter::writePart(step::TileOp tile) {
  os << "part stride=" << tile.getStride() << " b" << slotOf(key.buffers, Value(tile.getResult())) << ":";
  writeType(tile.getBuffer().getType());
  const auto number = static_cast<unsigned>(tiles.size());
  tiles[tile.getResult()] = number;
  os << " -> ";
  writeType(tile.getResult().getType());
  os << "\n";
}

/// Columns of a buffer that the phase sees nothing else of.
static bool isPart(step::TileOp tile) {
  auto phase = tile->getParentOfType<step::PhaseOp>();
  return llvm::all_of(tile.getBuffer().getUsers(),
                      [&](Operation *user) { return user == tile || !phase->isProperAncestor(user); });
}

void KeyWriter::write(Operation &op) {
  if (isa<step::TileOp>(op) && op.use_empty()) // no code reads it, nor the address of its buffer
    return;
  if (auto tile = dyn_cast<step::TileOp>(op); tile && isPart(tile))
    return writePart(tile);
  bool isPhase = isa<step::PhaseOp>(op);
  os << op.getName().getStringRef();
  for (NamedAttribute attr : op.getAttrs()) {
    StringRef name = attr.getName();
    if (isPhase && name != "cols" && name != "by_row")
      continue;
    os << " " << name << "=";
    if (auto symbol = dyn_cast<FlatSymbolRefAttr>(attr.getValue()))
      writeSymbol(symbol.getAttr());
    else
      os << attr.getValue();
  }
  if (dependsOnRows(op))
    os << " rows=" << rows;
  for (Value operand : op.getOperands()) {
    os << " ";
    writeBuffer(operand);
  }
  for (Value result : op.getResults()) {
    unsigned number = static_cast<unsigned>(tiles.size());
    tiles[result] = number;
    os << " -> ";
    writeType(result.getType());
  }
  for (Region &region : op.getRegions()) {
    os << "{";
    for (Block &block : region)
      for (Operation &inner : block)
        write(inner);
    os << "}";
  }
  os << "\n";
}

} // namespace

PhaseKey phaseKey(step::PhaseOp phase, const SymbolTable &symbols, StringRef how) {
  PhaseKey key;
  key.text = how;
  KeyWriter(key, symbols, cast<step::EntryOp>(phase->getParentOp()).getRows()).write(*phase);
  return key;
}

} // namespace gemmac::kernel
