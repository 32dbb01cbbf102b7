// The one place where messages about bad input get their shape: one line, printable, of bounded length,
// whatever bytes the input put into names and values.
#include "frontend/Diagnostic.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace gemmac;

char Failure::ID = 0;

void Failure::log(llvm::raw_ostream &os) const { os << message; }

std::error_code Failure::convertToErrorCode() const {
  return std::make_error_code(code == ExitCode::Machine ? std::errc::not_supported
                                                        : std::errc::invalid_argument);
}

/// `text` on one line and in valid UTF-8: control characters and stray bytes as \xHH; cut after `limit`
/// bytes.
static std::string printable(llvm::StringRef text, size_t limit) {
  std::string out;
  out.reserve(std::min(text.size(), limit) + 8);
  while (!text.empty()) {
    if (out.size() >= limit)
      return out + "...";
    const auto *bytes = reinterpret_cast<const llvm::UTF8 *>(text.data());
    size_t length = llvm::getNumBytesForUTF8(bytes[0]);
    bool legal = length <= text.size() && llvm::isLegalUTF8Sequence(bytes, bytes + length);
    if (legal && bytes[0] >= 0x20 && bytes[0] != 0x7F) {
      out += text.take_front(length);
    } else {
      length = 1;
      out += "\\x";
      out += llvm::toHex(llvm::ArrayRef<uint8_t>(bytes[0]));
    }
    text = text.drop_front(length);
  }
  return out;
}

llvm::Error gemmac::inputError(llvm::StringRef file, llvm::StringRef field, const llvm::Twine &what,
                               const llvm::Twine &hint) {
  std::string message = printable(file, 4096);
  if (!field.empty())
    message += ": " + printable(field, 300);
  message += ": " + printable(what.str(), 1000);
  if (std::string advice = hint.str(); !advice.empty())
    message += "; " + printable(advice, 1000);
  return llvm::make_error<Failure>(ExitCode::BadInput, std::move(message));
}

llvm::Error gemmac::usageError(const llvm::Twine &what) {
  return llvm::make_error<Failure>(ExitCode::Usage, printable(what.str(), 8192));
}

llvm::Error gemmac::machineError(const llvm::Twine &what) {
  return llvm::make_error<Failure>(ExitCode::Machine, printable(what.str(), 8192));
}
