// One run of gemma-run: loads or builds the IR of the level, feeds the ids in pieces, collects logits, dumps
// and stops.
#pragma once

#include "dialect/interp/Interpreter.h"
#include "frontend/Checkpoint.h"
#include "tools/gemma-run/Options.h"

#include <optional>

namespace gemmac {

class Run {
public:
  explicit Run(const RunOptions &options);
  llvm::Error operator()();

private:
  /// Tokens that go into one call of an entry, and where they stand.
  struct Piece {
    std::vector<int32_t> tokens, pos, seq;
    bool last; ///< of the run
  };
  /// Cut at --split, into single tokens for decode, and into pieces of at most `most` tokens.
  std::vector<Piece> pieces(int64_t most) const;
  /// The function or entry that runs `piece`.
  llvm::StringRef entryName(const Piece &piece) const;

  llvm::Error loadModel();
  llvm::Error loadModule();
  llvm::Error lower();
  llvm::Error runGemma();
  llvm::Error runStep();
  /// Dumps and stops as the options say; false stops.
  bool observe(llvm::StringRef name, llvm::StringRef file, const Tensor &value);
  void append(const float *row, int64_t rows, int64_t stride, int64_t columns);
  llvm::Error finish();

  const RunOptions &options;
  mlir::MLIRContext context;
  std::optional<Checkpoint> checkpoint; ///< none: a module that needs no file
  mlir::OwningOpRef<mlir::ModuleOp> module;
  Level has = Level::Gemma, level = Level::Gemma; ///< of the module as loaded, and the one to run
  std::vector<int32_t> ids;                       ///< what runs: --ids, soft tokens as pad
  std::optional<llvm::Error> dumpError;
  std::optional<Tensor> stopped;
  Tensor logits;
};

} // namespace gemmac
