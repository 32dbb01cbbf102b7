// See Tokenizer.h. Ids and offsets from the blob are bounds-checked where they are used: its tables are not
// hashed at start. Encoding is O(n log n): a queue of candidate merges over linked symbols, stale ones
// recognised when popped.
#include "runtime/Tokenizer.h"

#include "runtime/Failure.h"
#include "runtime/Utf8.h"

#include <algorithm>
#include <cstring>
#include <queue>

namespace gemmac::rt {

Tokenizer::Tokenizer(std::span<const char> blob) : blob_(blob) {
  if (const char *wrong = checkTokenizerHeader(blob.data(), blob.size()))
    throw Failure(kLacking, cat(wrong, "; copy the executable again or compile it again"));
  header_ = reinterpret_cast<const TokenizerBlobHeader *>(blob.data());
  for (uint32_t i = 0, byte = 0; byte < 256; specialFirst_[++byte] = i)
    while (i < header_->specials && !special(i).empty() && static_cast<unsigned char>(special(i)[0]) == byte)
      ++i;
  for (int b = 0; b < 256; ++b)
    if (const int32_t id = table<int32_t>(header_->byteIds)[b]; id >= 0)
      bytes_.emplace_back(id, static_cast<uint8_t>(b));
  std::sort(bytes_.begin(), bytes_.end());
}

std::string_view Tokenizer::piece(int32_t id) const {
  if (id < 0 || id >= vocab())
    return {};
  const uint32_t *offsets = table<uint32_t>(header_->pieceOffsets) + id;
  if (offsets[0] > offsets[1] || offsets[1] > header_->bytes - header_->pieceBytes)
    return {};
  return {blob_.data() + header_->pieceBytes + offsets[0], offsets[1] - offsets[0]};
}

int32_t Tokenizer::find(std::string_view text) const {
  const uint32_t *slots = table<uint32_t>(header_->pieceHash);
  const uint64_t mask = header_->pieceHashSize - 1;
  uint64_t slot = hashBytes(text.data(), text.size()) & mask;
  for (uint64_t tries = 0; slots[slot] && tries <= mask; ++tries, slot = (slot + 1) & mask) {
    const int32_t id = static_cast<int32_t>(slots[slot] - 1);
    if (piece(id) == text)
      return id;
  }
  return -1;
}

const MergeEntry *Tokenizer::findMerge(int32_t left, int32_t right) const {
  const MergeEntry *slots = table<MergeEntry>(header_->mergeHash);
  const uint64_t mask = header_->mergeHashSize - 1;
  uint64_t slot = hashPair(left, right) & mask;
  for (uint64_t tries = 0; slots[slot].left >= 0 && tries <= mask; ++tries, slot = (slot + 1) & mask)
    if (slots[slot].left == left && slots[slot].right == right)
      return &slots[slot];
  return nullptr;
}

std::string_view Tokenizer::special(uint32_t index) const {
  return piece(static_cast<int32_t>(table<uint32_t>(header_->specialIds)[index]));
}

/// The longest special token that `text` starts with, or -1: those that agree with it byte for byte are
/// neighbours in the table, and one that ends after so many bytes is the first of them.
int32_t Tokenizer::specialAt(std::string_view text) const {
  const auto first = static_cast<unsigned char>(text[0]);
  uint32_t low = specialFirst_[first], high = specialFirst_[first + 1u];
  int32_t longest = -1;
  for (size_t n = 1; low < high; ++n) {
    if (special(low).size() == n)
      longest = static_cast<int32_t>(table<uint32_t>(header_->specialIds)[low++]);
    if (n == text.size())
      break;
    const auto bound = [&](int byte) { // the first whose byte n is at least that
      uint32_t from = low, to = high;
      while (from < to) {
        const uint32_t middle = from + (to - from) / 2;
        const std::string_view candidate = special(middle);
        if (candidate.size() <= n || static_cast<unsigned char>(candidate[n]) < byte)
          from = middle + 1;
        else
          to = middle;
      }
      return from;
    };
    const int byte = static_cast<unsigned char>(text[n]);
    low = bound(byte), high = bound(byte + 1);
  }
  return longest;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  // Symbols are indexed with 32 bits.
  constexpr uint64_t kMost = 1ull << 29;
  if (text.size() > kMost)
    throw Failure(kBadInput, cat("the text has ", text.size(), " bytes, expected at most ", kMost));
  std::string escaped;
  if (header_->flags & kTokenizerSpacesFirst) {
    for (char c : text)
      c == ' ' ? escaped += kSpace : escaped += c;
    text = escaped;
  }
  std::vector<int32_t> ids;
  size_t start = 0;
  for (size_t i = 0; i < text.size();) {
    const int32_t id = specialAt(text.substr(i));
    if (id < 0) {
      ++i;
      continue;
    }
    encodeOrdinary(text.substr(start, i - start), ids);
    ids.push_back(id);
    i += piece(id).size();
    start = i;
  }
  encodeOrdinary(text.substr(start), ids);
  return ids;
}

void Tokenizer::appendCharacter(std::string_view character, std::vector<int32_t> &ids) const {
  const int32_t *byteIds = table<int32_t>(header_->byteIds);
  const bool whole = std::all_of(character.begin(), character.end(),
                                 [&](char c) { return byteIds[static_cast<unsigned char>(c)] >= 0; });
  if (whole) {
    for (char c : character)
      ids.push_back(byteIds[static_cast<unsigned char>(c)]);
  } else if (header_->unk >= 0 && (ids.empty() || ids.back() != header_->unk)) {
    ids.push_back(header_->unk); // neighbours share one
  }
}

void Tokenizer::encodeOrdinary(std::string_view text, std::vector<int32_t> &ids) const {
  const size_t from = ids.size();
  while (!text.empty()) {
    const int n = characterLength(text);
    const std::string_view character = text.substr(0, n > 0 ? static_cast<size_t>(n) : 1);
    const int32_t id = n <= 0 ? -1 : find(character == " " ? kSpace : character);
    if (id >= 0)
      ids.push_back(id);
    else
      appendCharacter(character == " " ? kSpace : character, ids);
    text.remove_prefix(character.size());
  }
  merge(ids, from);
}

namespace {

/// A symbol of the text while it is merged: neighbours by index, -1 at the ends; id -1 once swallowed.
struct Symbol {
  int32_t id, previous, next;
};

/// Two neighbours that may merge. `result` tells on popping whether they are still what they were.
struct Candidate {
  int32_t rank, position, result;
  bool operator<(const Candidate &o) const { // the queue's top: lowest rank, then leftmost
    return rank != o.rank ? rank > o.rank : position > o.position;
  }
};

} // namespace

void Tokenizer::merge(std::vector<int32_t> &ids, size_t from) const {
  const int32_t count = static_cast<int32_t>(ids.size() - from);
  if (count < 2)
    return;
  std::vector<Symbol> symbols(static_cast<size_t>(count));
  std::vector<Candidate> initial;
  const auto candidate = [&](int32_t left, auto push) {
    const Symbol &s = symbols[static_cast<size_t>(left)];
    if (s.next < 0)
      return;
    if (const MergeEntry *m = findMerge(s.id, symbols[static_cast<size_t>(s.next)].id))
      push(Candidate{m->rank, left, m->result});
  };
  for (int32_t i = 0; i < count; ++i)
    symbols[static_cast<size_t>(i)] = {ids[from + static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1};
  for (int32_t i = 0; i + 1 < count; ++i)
    candidate(i, [&](Candidate c) { initial.push_back(c); });
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(initial));
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    Symbol &left = symbols[static_cast<size_t>(c.position)];
    if (left.id < 0 || left.next < 0)
      continue;
    Symbol &right = symbols[static_cast<size_t>(left.next)];
    const MergeEntry *m = findMerge(left.id, right.id);
    if (!m || m->rank != c.rank || m->result != c.result)
      continue; // stale: one of the two has merged with another since
    left.id = c.result;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0)
      symbols[static_cast<size_t>(left.next)].previous = c.position;
    candidate(c.position, [&](Candidate n) { queue.push(n); });
    if (left.previous >= 0)
      candidate(left.previous, [&](Candidate n) { queue.push(n); });
  }
  size_t out = from;
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next)
    ids[out++] = symbols[static_cast<size_t>(i)].id;
  ids.resize(out);
}

int Tokenizer::byteOf(int32_t id) const {
  auto it = std::lower_bound(bytes_.begin(), bytes_.end(), std::pair<int32_t, uint8_t>(id, 0));
  return it != bytes_.end() && it->first == id ? it->second : -1;
}

std::string Tokenizer::text(int32_t id) const {
  std::string_view p = piece(id);
  std::string out;
  for (size_t at; (at = p.find(kSpace)) != p.npos; p.remove_prefix(at + kSpace.size()))
    out.append(p.substr(0, at)) += ' ';
  return out.append(p);
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string out, run;
  const auto flush = [&] {
    if (validUtf8(run))
      out += run;
    else
      for (size_t i = 0; i < run.size(); ++i)
        out += kReplacement;
    run.clear();
  };
  for (int32_t id : ids) {
    if (const int b = byteOf(id); b >= 0) {
      run += static_cast<char>(b);
      continue;
    }
    flush();
    out += text(id);
  }
  flush();
  return out;
}

std::string StreamDecoder::feed(int32_t id) {
  const int b = tokenizer_.byteOf(id);
  if (b < 0) {
    std::string out = finish();
    return out += tokenizer_.text(id);
  }
  held_ += static_cast<char>(b);
  std::string out;
  while (!held_.empty()) {
    const int n = characterLength(held_);
    if (n < 0)
      break;
    if (n == 0)
      out += kReplacement;
    else
      out.append(held_, 0, static_cast<size_t>(n));
    held_.erase(0, static_cast<size_t>(std::max(n, 1)));
  }
  return out;
}

std::string StreamDecoder::finish() {
  std::string out;
  for (size_t i = 0; i < held_.size(); ++i)
    out += kReplacement;
  held_.clear();
  return out;
}

} // namespace gemmac::rt
