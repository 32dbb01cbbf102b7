// How a product is cut into tasks. See Tiles.h.
#include "passes/lower/Tiles.h"

#include "dialect/step/Layout.h"

namespace gemmac::lower {

/// A task should stream at least / at most this many bytes: below, claiming it costs too much; above, the
/// last tasks of a phase leave workers idle for too long.
static constexpr int64_t kSmallTask = 8 << 10, kLargeTask = 256 << 10;
int64_t paddedRows(llvm::ArrayRef<int64_t> n, int64_t tile) {
  int64_t rows = 0;
  for (int64_t source : n)
    rows += roundUp(source, tile);
  return rows;
}

int64_t pickTile(llvm::ArrayRef<int64_t> n, int64_t k, step::Format format, int64_t many) {
  int64_t total = 0;
  for (int64_t source : n)
    total += source;
  const int64_t panel = panelBytes(format, k);
  // First without padding, then with at most an eighth of it.
  for (int64_t padding : {int64_t(0), total / 8}) {
    for (int64_t tile : {128, 64, 32, 16}) {
      int64_t padded = paddedRows(n, tile);
      int64_t bytes = tile / kPanelRows * panel;
      if (padded - total > padding || (bytes > kLargeTask && tile > 16))
        continue;
      // Enough tasks, or as few as can be had without making them too small.
      if (padded / tile >= many || tile == 16 || tile / 2 / kPanelRows * panel < kSmallTask)
        return tile;
    }
  }
  return 16;
}

int64_t pickInterleavedTile(int64_t n, int64_t sources, int64_t k, step::Format format, int64_t many) {
  const int64_t panel = panelBytes(format, k);
  for (int64_t part : {64, 32, 16}) {
    int64_t tile = part * sources, padded = roundUp(n, tile);
    int64_t bytes = tile / kPanelRows * panel;
    if (padded - n > n / 8 || bytes > kLargeTask)
      continue;
    if (padded / part >= many || bytes / 2 < kSmallTask)
      return part;
  }
  return 16;
}

} // namespace gemmac::lower
