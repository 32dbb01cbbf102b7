// tokenize and detokenize: one JSON object a line in, one a line out. No <bos> is added; special tokens are
// recognised and written out.
#include "runtime/Commands.h"
#include "runtime/Failure.h"
#include "runtime/Output.h"

#include <nlohmann/json.hpp>

namespace gemmac::rt {

using nlohmann::json;

static json answer(const Tokenizer &tokenizer, const json &line, bool encode, const std::string &where) {
  const char *key = encode ? "text" : "ids";
  const auto it = line.is_object() ? line.find(key) : line.end();
  if (encode) {
    if (it == line.end() || !it->is_string())
      throw Failure(kBadInput, cat(where, R"(: expected {"text": "..."})"));
    return {{"ids", tokenizer.encode(it->get_ref<const std::string &>())}};
  }
  if (it == line.end() || !it->is_array())
    throw Failure(kBadInput, cat(where, R"(: expected {"ids": [..]})"));
  std::vector<int32_t> ids;
  ids.reserve(it->size());
  for (const json &id : *it) {
    if (!id.is_number_integer())
      throw Failure(kBadInput, cat(where, ": found an id of type ", id.type_name(), ", expected an integer"));
    if (id < 0 || id >= tokenizer.vocab())
      throw Failure(kBadInput, cat(where, ": found id ", id.dump(), ", expected 0..", tokenizer.vocab() - 1));
    ids.push_back(id.get<int32_t>());
  }
  return {{"text", tokenizer.decode(ids)}};
}

int tokenizeCommand(const Program &program, const Options &o) {
  const Tokenizer tokenizer(program.payload.tokenizer());
  std::string text;
  for (int64_t number = 1; readLine(text); ++number) {
    if (text.find_first_not_of(" \t\r") == text.npos)
      continue;
    const std::string where = cat("stdin line ", number);
    const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (line.is_discarded())
      throw Failure(kBadInput, cat(where, ": not JSON, or not UTF-8"));
    const json out = answer(tokenizer, line, o.command == Command::Tokenize, where);
    writeOut(out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  }
  return kDone;
}

} // namespace gemmac::rt
