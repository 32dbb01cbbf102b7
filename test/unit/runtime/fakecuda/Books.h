// What the fake driver knows: everything that it handed out, the work that is pending, how often it was
// called, and what it was told (FakeCuda.cpp).
#pragma once

#include "runtime/cuda/DriverApi.h"

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gemmac::rt::cuda {

struct StreamObject {
  std::deque<std::function<Result()>> pending;
  uint64_t enqueued = 0, done = 0;
};
struct EventObject {
  StreamObject *stream = nullptr;
  uint64_t position = 0;
};
struct FunctionObject {
  std::string name;
  size_t shared = 0;
};
struct ModuleObject {
  std::string image;
  std::map<std::string, std::unique_ptr<FunctionObject>> functions;
};
struct ContextObject {};

constexpr DevicePointer kDevice = 1ull << 60; ///< added to addresses of this process

inline long long setting(const char *name, long long otherwise) {
  const char *text = std::getenv(name);
  return text ? std::atoll(text) : otherwise;
}

/// Objects by their handles.
template <class T> class Owned : public std::map<T *, std::unique_ptr<T>> {
public:
  T *create() {
    auto object = std::make_unique<T>();
    T *handle = object.get();
    this->emplace(handle, std::move(object));
    return handle;
  }
};

class Books {
public:
  static Books &get() {
    static Books books;
    return books;
  }

  void say(const char *pattern, ...) __attribute__((format(printf, 2, 3))) {
    const char *path = std::getenv("FAKE_CUDA_LOG");
    FILE *file = path ? std::fopen(path, "a") : nullptr;
    if (!file)
      return;
    va_list args;
    va_start(args, pattern);
    std::vfprintf(file, pattern, args);
    va_end(args);
    std::fputc('\n', file);
    std::fclose(file);
  }
  Result violation(const char *what) {
    say("violation: %s", what);
    return kInvalidValue;
  }

  /// Counts a call and says whether it is to fail.
  Result enter(const char *function) {
    if (sticky_)
      return sticky_;
    const char *fail = std::getenv("FAKE_CUDA_FAIL");
    char name[64] = "";
    int code = 0, nth = 1;
    if (!fail || std::sscanf(fail, "%63[^:]:%d:%d", name, &code, &nth) < 2 ||
        std::strcmp(name, function) != 0)
      return kSuccess;
    if (++calls_[function] != nth)
      return kSuccess;
    say("%s fails with %d", function, code);
    if (code >= 700)
      sticky_ = code;
    return code;
  }
  void restart() { *this = Books(); }

  /// The memory of this process behind [address, address + bytes), or null if that is not all one allocation.
  char *device(DevicePointer address, size_t bytes) const {
    auto it = device_.upper_bound(address);
    if (it == device_.begin())
      return nullptr;
    --it;
    const size_t offset = address - it->first;
    return offset <= it->second.size() && bytes <= it->second.size() - offset
               ? const_cast<char *>(it->second.data()) + offset
               : nullptr;
  }
  template <class T> T *device(const T *address, size_t bytes) const {
    return reinterpret_cast<T *>(device(reinterpret_cast<DevicePointer>(address), bytes));
  }
  bool isPinned(const void *address, size_t bytes) const {
    auto it = pinned_.upper_bound(static_cast<const char *>(address));
    if (it == pinned_.begin())
      return false;
    --it;
    return static_cast<const char *>(address) + bytes <= it->first + it->second.size();
  }
  const std::vector<char> *allocation(DevicePointer start) const {
    const auto it = device_.find(start);
    return it == device_.end() ? nullptr : &it->second;
  }
  size_t used() const {
    size_t sum = 0;
    for (const auto &[address, bytes] : device_)
      sum += bytes.size();
    return sum;
  }

  /// Nobody else's memory: filled with what no one may rely on.
  std::map<DevicePointer, std::vector<char>> device_;
  std::map<const char *, std::vector<char>> pinned_;
  Owned<StreamObject> streams_;
  Owned<EventObject> events_;
  Owned<ModuleObject> modules_;
  bool initialized_ = false, current_ = false, seenWeights_ = false;

private:
  std::map<std::string, int> calls_;
  Result sticky_ = kSuccess;
};

inline Books &books() { return Books::get(); }

inline Result advance(StreamObject *stream, uint64_t position) {
  while (stream->done < position) {
    const auto operation = std::move(stream->pending.front());
    stream->pending.pop_front();
    ++stream->done;
    if (const Result result = operation())
      return result;
  }
  return kSuccess;
}

inline Result enqueue(Stream stream, std::function<Result()> operation) {
  if (!books().streams_.count(stream))
    return books().violation("no such stream");
  stream->pending.push_back(std::move(operation));
  ++stream->enqueued;
  return kSuccess;
}

} // namespace gemmac::rt::cuda
