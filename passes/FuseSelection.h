// Which of the optional optimisations are on: the value of --fuse. One table names and explains them; help,
// errors and parsing come from it.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace gemmac {

/// In the order of the pipeline.
enum class Fuse : uint8_t {
  KvShare,
  DeadTokens,
  Qkv,
  QknormRopeKv,
  Attention,
  Mlp,
  Ple,
  Router,
  Softcap,
  Residual,
  Norm,
  Top
};

struct FuseInfo {
  Fuse fuse;
  llvm::StringLiteral name; ///< as in --fuse
  llvm::StringLiteral help; ///< one line, lower case
};

/// All of them, in the order of enum Fuse.
llvm::ArrayRef<FuseInfo> fuseTable();

/// A set of Fuse values.
class FuseSelection {
public:
  static FuseSelection all();
  static FuseSelection none() { return FuseSelection(); }

  /// Reads `all`, `none` or a list NAME,-NAME,..: a name switches on, -name off, from left to right. The list
  /// starts from everything on if its first item is negative, else from everything off; `all` and `none` may
  /// stand first in it. On failure `error` says what is wrong, names what there is, and nothing is returned.
  static std::optional<FuseSelection> parse(llvm::StringRef text, std::string &error);

  /// The text of --fuse=help, with a newline at the end.
  static std::string help();

  bool has(Fuse fuse) const { return bits >> static_cast<unsigned>(fuse) & 1; }
  void set(Fuse fuse, bool on);
  /// What parse() reads: "all", "none" or the names that are on.
  std::string str() const;
  bool operator==(const FuseSelection &other) const { return bits == other.bits; }

private:
  uint32_t bits = 0;
};

} // namespace gemmac
