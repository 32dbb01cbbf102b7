// The one place where messages about bad input get their shape: one line, printable, of bounded length, whatever bytes
// the input put into names and values.
#include "frontend/Diagnostic.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace gemmac;

char Failure::ID = 0;

void Failure::log(llvm::raw_ostream &os) const { os << message; }

std::error_code Failure::convertToErrorCode() const {
  return std::make_error_code(code == ExitCode::Machine ? std::errc::not_supported
                                                        : std::errc::invalid_argument);
}

/// `text` on one line: control characters as \xHH, and cut at `limit` bytes (never inside a UTF-8 sequence).
static std::string printable(llvm::StringRef text, size_t limit) {
  size_t end = text.size();
  if (end > limit) {
    end = limit;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      --end;
  }
  std::string out;
  out.reserve(end + 3);
  for (unsigned char c : text.take_front(end)) {
    if (c >= 0x20 && c != 0x7F) {
      out.push_back(static_cast<char>(c));
      continue;
    }
    out += "\\x";
    out += llvm::toHex(llvm::ArrayRef<uint8_t>(c));
  }
  if (end < text.size())
    out += "...";
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
