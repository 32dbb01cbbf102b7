// The one interface through which the importer and the weight packer see a checkpoint's tensors: a name leads
// to dtype, shape and a place in a file. Files are mapped read-only and never copied; every (offset, length)
// was checked against the file's size before a TensorSource exists, so reading a tensor cannot leave its
// file.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace gemmac {

/// Element types of stored tensors. Names as safetensors and, for the block formats, GGUF spell them.
enum class DType : uint8_t {
  F32,
  F16,
  BF16,
  F64,
  I8,
  U8,
  I16,
  U16,
  I32,
  U32,
  I64,
  U64,
  Bool,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  Q4_K,
  Q5_K,
  Q6_K
};

/// Bytes of one element; of one block for the block formats.
unsigned dtypeSize(DType type);
/// Elements that dtypeSize() bytes hold: 1, or a block's.
unsigned dtypeBlock(DType type);
/// "F32", "BF16", ...
llvm::StringRef dtypeName(DType type);
/// True for the types that weights may have: F32, F16, BF16 and GGUF's block formats (frontend/GgmlBlocks.h).
bool isWeightType(DType type);

struct TensorInfo {
  std::string name;
  DType dtype;
  llvm::SmallVector<int64_t, 4> shape; ///< row-major, outermost first
  std::string file;                    ///< path of the file that holds it
  uint64_t offset;                     ///< bytes from the start of `file`
  uint64_t length; ///< bytes; product of shape times element size (or blocks times theirs)
  /// Empty, or two tensors [E, N / 2, K] of this one's dtype: each matrix [N, K] of this one is the first's
  /// rows and then the second's. Such a tensor has no bytes of its own.
  std::vector<TensorInfo> halves;

  int64_t elements() const;
};

/// The tensor of that name in a list sorted by name, or null.
const TensorInfo *findByName(llvm::ArrayRef<TensorInfo> sorted, llvm::StringRef name);

class TensorSource {
public:
  virtual ~TensorSource() = default;
  /// All tensors, in a fixed order (by name).
  virtual llvm::ArrayRef<TensorInfo> tensors() const = 0;
  /// The tensor of that name, or null.
  virtual const TensorInfo *find(llvm::StringRef name) const = 0;
  /// The mapped bytes of a tensor of this source that is not made of halves. Valid as long as the source
  /// lives.
  virtual llvm::ArrayRef<uint8_t> bytes(const TensorInfo &tensor) const = 0;
  /// The file to name in messages about a tensor that is missing.
  virtual llvm::StringRef primaryFile() const = 0;
};

/// The bytes of row `row` of all of the tensor's rows (its last axis), whether or not it is made of halves.
llvm::ArrayRef<uint8_t> rowBytes(const TensorSource &source, const TensorInfo &tensor, int64_t row);

/// Decodes elements [first, first + out.size()) of a weight tensor to f32, exactly (NaN payloads and
/// subnormals included). `bytes` need not be aligned; `first` need not be a block's start.
void decodeToF32(DType type, llvm::ArrayRef<uint8_t> bytes, int64_t first, llvm::MutableArrayRef<float> out);

/// Index of the first NaN or infinity among the elements stored in `bytes`, or -1: of a block format the
/// first element of the first block with such a scale. Works on raw bits at memory speed, so that a packer
/// can ask it for each block that it reads.
int64_t firstNonFinite(DType type, llvm::ArrayRef<uint8_t> bytes);
/// Error naming file, tensor, index and value if a weight tensor of `source` holds a NaN or an infinity.
llvm::Error checkFinite(const TensorSource &source, const TensorInfo &tensor);
/// loadCheckpoint() runs checkFinite() on tensors of at most this many bytes, norms among them; whoever packs
/// a larger one checks it then, so that loading a model does not read all of it.
constexpr uint64_t eagerFiniteCheckBytes = 4u << 20;

/// "[2, 3]"
std::string shapeText(llvm::ArrayRef<int64_t> shape);

} // namespace gemmac
