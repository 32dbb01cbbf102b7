// The tail of every executable: [ELF][pad to 2 MiB][weights][tokenizer][template][index JSON][footer]. Shared by the
// writer (codegen/Emit) and the reader (runtime/Payload). All sections start at multiples of 64, weights at
// one of 2 MiB.
#pragma once

#include <stdint.h>

namespace gemmac {

constexpr uint64_t kPayloadAlign = 2ull << 20;
constexpr char kFooterMagic[8] = {'G', 'M', 'F', 'O', 'O', 'T', '0', '1'};

/// The last 64 bytes of the file.
struct PayloadFooter {
  uint64_t indexOffset; ///< from the start of the file
  uint64_t indexBytes;
  uint64_t fileBytes;    ///< of the whole file, footer included: a truncated or extended file is refused
  uint64_t indexHash[2]; ///< XXH3 128 of the index (low, high)
  uint64_t reserved[2];  ///< zero
  char magic[8];
};
static_assert(sizeof(PayloadFooter) == 64, "the footer is one cache line");

/* The index, JSON: {"sections":[{"name":"program","offset":0,"bytes":N,"xxh3":["LOWHEX","HIGHHEX"]},
 *                               {"name":"weights",...},{"name":"tokenizer",...},{"name":"template",...}]}. "program" is
 * the ELF; "weights" is present even when empty of bytes, "template" where there is a chat template. */

} // namespace gemmac
