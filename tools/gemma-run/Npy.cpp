#include "tools/gemma-run/Npy.h"

#include "frontend/Diagnostic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace gemmac;

static llvm::Error write(llvm::StringRef path, llvm::ArrayRef<int64_t> shape, llvm::StringRef type,
                         const void *data, size_t bytes) {
  std::error_code failure;
  llvm::raw_fd_ostream os(path, failure);
  if (failure)
    return machineError("cannot write '" + path + "': " + failure.message());
  std::string header;
  llvm::raw_string_ostream text(header);
  text << "{'descr': '" << type << "', 'fortran_order': False, 'shape': (";
  for (int64_t d : shape)
    text << d << ",";
  text << "), }";
  constexpr size_t kPreamble = 10; // magic, version, header length
  header.append(63 - (kPreamble + header.size()) % 64, ' ');
  header += '\n';
  os << llvm::StringRef("\x93NUMPY\x01\x00", 8) << static_cast<char>(header.size() & 255)
     << static_cast<char>(header.size() >> 8) << header;
  os.write(static_cast<const char *>(data), bytes);
  os.close();
  if (!os.has_error())
    return llvm::Error::success();
  failure = os.error();
  os.clear_error();
  return machineError("cannot write '" + path + "': " + failure.message());
}

llvm::Error gemmac::writeNpy(llvm::StringRef path, llvm::ArrayRef<int64_t> shape,
                             llvm::ArrayRef<float> values) {
  return write(path, shape, "<f4", values.data(), values.size() * sizeof(float));
}

llvm::Error gemmac::writeNpy(llvm::StringRef path, llvm::ArrayRef<int64_t> shape,
                             llvm::ArrayRef<int32_t> values) {
  return write(path, shape, "<i4", values.data(), values.size() * sizeof(int32_t));
}

llvm::Error gemmac::writeNpy(llvm::StringRef path, const Tensor &tensor) {
  if (tensor.i32.empty())
    return writeNpy(path, tensor.shape, tensor.f32);
  return writeNpy(path, tensor.shape, tensor.i32);
}
