// See WeightTable.h.
#include "tools/gemmac/WeightTable.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <map>

namespace gemmac {

void printWeightReport(const WeightReport &report, bool all, llvm::raw_ostream &os) {
  struct Kind {
    int64_t count = 0;
    double bits = 0, least = 1e300, most = 0;
  };
  std::map<std::pair<std::string, std::string>, Kind> kinds;
  size_t widest = 0;
  for (const PackedWeightInfo &weight : report) {
    Kind &kind = kinds[{weight.from, weight.to}];
    ++kind.count;
    kind.bits += weight.bits;
    kind.least = std::min(kind.least, weight.error);
    kind.most = std::max(kind.most, weight.error);
    widest = std::max(widest, weight.name.size());
  }
  if (all) {
    os << llvm::format("%-*s  %-5s  %-9s  %6s  %7s\n", static_cast<int>(widest), "weight", "from", "to",
                       "bits", "error");
    for (const PackedWeightInfo &w : report)
      os << llvm::format("%-*s  %-5s  %-9s  %6.2f  %6.2f%%\n", static_cast<int>(widest), w.name.c_str(),
                         w.from.c_str(), w.to.c_str(), w.bits, 100 * w.error);
  }
  for (const auto &[names, kind] : kinds) {
    if (names.second == "vec" || (!all && kind.most == 0))
      continue;
    os << "gemmac: " << kind.count << (kind.count == 1 ? " weight" : " weights") << " from " << names.first
       << " to " << names.second
       << llvm::format(", %.2f bits, ", kind.bits / static_cast<double>(kind.count));
    if (kind.most == 0)
      os << "exact\n";
    else
      os << llvm::format("error %.2f to %.2f %%\n", 100 * kind.least, 100 * kind.most);
  }
}

} // namespace gemmac
