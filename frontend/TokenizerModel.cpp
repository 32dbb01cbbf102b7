// tokenizer.model of the Gemma models: a SentencePiece model of the BPE kind with byte fallback. Its message
// is counted before it is parsed, so that memory stays in proportion to the model's vocabulary; settings that
// would change the ids - unigram models, a dummy prefix, a normaliser that maps characters - are refused by
// name.
#include "frontend/MappedFile.h"
#include "frontend/TokenizerParts.h"

#include "SentencePiece.pb.h"

#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cmath>

using namespace gemmac;

namespace {

using google::protobuf::internal::WireFormatLite;
constexpr uint64_t maxModelBytes = 64u << 20; ///< the published ones have 4.7 MB

class ModelReader {
public:
  ModelReader(llvm::StringRef path, int64_t vocab) : check(path), vocab(vocab) {}
  llvm::Expected<TokenizerData> read(llvm::StringRef bytes);

private:
  void parse(llvm::StringRef bytes);
  void readTrainer();
  void readNormalizer();
  void readPieces();
  void readPiece(size_t id, const spm::Piece &piece);
  void readMerges();
  void readIds();

  void mismatch(llvm::StringRef field, const llvm::Twine &found, const llvm::Twine &expected) {
    check.fail(field, "found " + found + ", expected " + expected);
  }
  void expectBool(llvm::StringRef field, bool found, bool expected, llvm::StringRef why) {
    if (found != expected)
      mismatch(field, found ? "true" : "false", (expected ? "true: " : "false: ") + why);
  }

  InputCheck check;
  int64_t vocab;
  spm::Model model;
  TokenizerData data;
  PieceIndex index;
  std::vector<llvm::StringRef> pieces;
  std::vector<uint8_t> types;
  std::vector<float> scores;
};

/// Number of pieces in the message, or -1 if its outermost level is malformed. Costs no memory.
int64_t countPieces(llvm::StringRef bytes) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t *>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  int64_t count = 0;
  while (uint32_t tag = in.ReadTag()) {
    count += tag == WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
    if (WireFormatLite::GetTagFieldNumber(tag) == 0 || !WireFormatLite::SkipField(&in, tag))
      return -1;
  }
  return in.ConsumedEntireMessage() ? count : -1;
}

void ModelReader::parse(llvm::StringRef bytes) {
  int64_t count = countPieces(bytes);
  if (count < 0)
    return check.fail("", "is cut off or no SentencePiece model: its protobuf message cannot be read",
                      "download it again");
  if (count == 0)
    return check.fail("pieces", "missing, expected the pieces of a SentencePiece model", "download it again");
  if (count > vocab)
    return mismatch("pieces", llvm::Twine(count),
                    "at most " + llvm::Twine(vocab) + " (vocab_size of config.json)");
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    check.fail("", "no SentencePiece model: a protobuf message inside of it cannot be read",
               "download it again");
}

void ModelReader::readTrainer() {
  const spm::Trainer &trainer = model.trainer();
  constexpr const char *kinds[] = {"UNIGRAM", "BPE", "WORD", "CHAR"};
  if (int32_t kind = trainer.model_type(); kind != 2)
    mismatch("trainer_spec.model_type",
             kind >= 1 && kind <= 4 ? llvm::Twine(kinds[kind - 1]) : llvm::Twine(kind),
             "BPE, the tokenizer of the Gemma models");
  expectBool("trainer_spec.byte_fallback", trainer.byte_fallback(), true,
             "characters outside of the vocabulary become <0xHH> tokens");
  expectBool("trainer_spec.treat_whitespace_as_suffix", trainer.treat_whitespace_as_suffix(), false,
             "a space belongs to the word that follows it");
}

void ModelReader::readNormalizer() {
  const spm::Normalizer &normalizer = model.normalizer();
  auto noMap = [&](llvm::StringRef field, const spm::Normalizer &spec) {
    if (!spec.precompiled_charsmap().empty())
      mismatch((field + ".precompiled_charsmap").str(),
               llvm::Twine(spec.precompiled_charsmap().size()) + " bytes (normaliser \"" + spec.name() +
                   "\")",
               "none: the identity, as the Gemma models have it");
  };
  noMap("normalizer_spec", normalizer);
  expectBool("normalizer_spec.add_dummy_prefix", normalizer.add_dummy_prefix(), false,
             "no space is put in front of a text");
  expectBool("normalizer_spec.remove_extra_whitespaces", normalizer.remove_extra_whitespaces(), false,
             "every space of a text counts");
  expectBool("normalizer_spec.escape_whitespaces", normalizer.escape_whitespaces(), true,
             "spaces are written as U+2581");
  noMap("denormalizer_spec", model.denormalizer());
}

void ModelReader::readPiece(size_t id, const spm::Piece &piece) {
  llvm::StringRef text = piece.piece();
  auto at = [&](const char *field) { return "pieces[" + std::to_string(id) + "]." + field; };
  if (text.empty())
    return check.fail(at("piece"), "an empty piece");
  if (text.size() > maxScoredPieceBytes)
    return mismatch(at("piece"), llvm::Twine(text.size()) + " bytes",
                    "at most " + llvm::Twine(maxScoredPieceBytes));
  const auto *begin = reinterpret_cast<const llvm::UTF8 *>(text.begin());
  if (!llvm::isLegalUTF8String(&begin, reinterpret_cast<const llvm::UTF8 *>(text.end())))
    return mismatch(at("piece"), "\"" + text + "\"", "valid UTF-8");
  if (piece.type() < 1 || piece.type() > 6)
    return mismatch(at("type"), llvm::Twine(piece.type()),
                    "1 (normal), 2 (unknown), 3 (control), 4 (user-defined), 5 (unused) or 6 (byte)");
  if (!std::isfinite(piece.score()))
    return mismatch(at("score"), std::isnan(piece.score()) ? "NaN" : "an infinity", "a finite number");
  if (int32_t other = index.insert(text, static_cast<int32_t>(id)); other >= 0)
    return check.fail(at("piece"),
                      "duplicate piece \"" + text + "\", which is id " + llvm::Twine(other) + " already");
  pieces.push_back(text);
  types.push_back(static_cast<uint8_t>(piece.type()));
  scores.push_back(piece.score());
}

void ModelReader::readPieces() {
  auto count = static_cast<size_t>(model.pieces_size());
  index.reserve(count);
  pieces.reserve(count);
  for (size_t id = 0; id < count && !check.failed(); ++id)
    readPiece(id, model.pieces(static_cast<int>(id)));
  if (check.failed())
    return;
  data.pieces.assign(static_cast<size_t>(vocab), std::string());
  for (size_t id = 0; id < count; ++id) {
    data.pieces[id] = pieces[id].str();
    auto type = static_cast<PieceType>(types[id]);
    // SentencePiece takes only user-defined pieces out of the text; the others are how a chat template's
    // marks reach the model.
    if (type == PieceType::UserDefined || type == PieceType::Control || type == PieceType::Unknown)
      data.special.push_back(static_cast<int32_t>(id));
  }
  data.spacesFirst = true;
  findByteTokens(index, data.byteIds, check, "pieces", "because trainer_spec.byte_fallback is true");
  for (size_t byte = 0; byte < 256 && !check.failed(); ++byte)
    if (auto id = static_cast<size_t>(data.byteIds[byte]); types[id] != static_cast<uint8_t>(PieceType::Byte))
      mismatch("pieces[" + std::to_string(id) + "].type",
               llvm::Twine(unsigned{types[id]}) + " of \"" + pieces[id] + "\"", "6 (byte)");
}

void ModelReader::readMerges() { mergesByScore({pieces, types, scores, index}, data, check, "pieces"); }

void ModelReader::readIds() {
  const spm::Trainer &trainer = model.trainer();
  data.bos = index.find(trainer.bos_piece());
  data.eos = index.find(trainer.eos_piece());
  data.unk = index.find(trainer.unk_piece());
  data.pad = index.find(trainer.pad_piece());
  if (data.bos < 0)
    check.fail(
        "pieces",
        "no " + trainer.bos_piece() +
            " piece (trainer_spec.bos_piece), expected one: every text of these models begins with it");
}

llvm::Expected<TokenizerData> ModelReader::read(llvm::StringRef bytes) {
  using Step = void (ModelReader::*)();
  parse(bytes);
  for (Step step : {&ModelReader::readTrainer, &ModelReader::readNormalizer, &ModelReader::readPieces,
                    &ModelReader::readMerges, &ModelReader::readIds}) {
    if (check.failed())
      break;
    (this->*step)();
  }
  if (check.failed())
    return check.take();
  return std::move(data);
}

} // namespace

llvm::Expected<TokenizerData> gemmac::loadTokenizerModel(llvm::StringRef path, int64_t vocab) {
  namespace fs = llvm::sys::fs;
  fs::file_status status;
  if (std::error_code error = fs::status(path, status))
    return inputError(path, "", whyNoFile(path, error));
  if (!fs::is_regular_file(status))
    return inputError(path, "", "not a regular file");
  if (status.getSize() > maxModelBytes)
    return inputError(path, "",
                      "found " + llvm::Twine(status.getSize()) + " bytes, expected at most " +
                          llvm::Twine(maxModelBytes));
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return inputError(path, "", "cannot be read: " + buffer.getError().message());
  if ((*buffer)->getBufferSize() > maxModelBytes)
    return inputError(path, "", "grows while it is read");
  return ModelReader(path, vocab).read((*buffer)->getBuffer());
}
