// Where code on a stack of its own was left, to go on there later: what fibers are switched by. Contexts are
// left only by switchTo().
//
// ThreadSanitizer is told of each (GEMMAC_TSAN_EXECUTABLES), and that a switch orders nothing: threads of a
// block are threads to it, which only releaseAll() and acquireAll() order.
#pragma once

#include <stddef.h>
#ifdef GEMMAC_TSAN_EXECUTABLES
#include <ucontext.h>
#else
#include <setjmp.h>
#endif

namespace gemmac::rt::emulate {

class Context {
public:
  /// Of the code that runs now.
  Context();
  ~Context();
  Context(const Context &) = delete;

  /// Makes it one that begins `body`, which never returns, on that stack when it is switched to.
  void set(char *stack, size_t bytes, void (*body)());
  /// Leaves the code that runs now, whose context this is, for `to`, and returns when somebody comes back.
  void switchTo(Context &to);

private:
#ifdef GEMMAC_TSAN_EXECUTABLES
  ucontext_t where;
  void *fiber, *own = nullptr;
#else
  jmp_buf where;
  char *stack = nullptr; ///< null: begun
  size_t bytes = 0;
  void (*body)() = nullptr;

  void begin();
#endif
};

/// What was done before a releaseAll(key) is seen behind an acquireAll(key) that comes later. On one thread
/// of the CPU that is so anyway: only ThreadSanitizer is told.
#ifdef GEMMAC_TSAN_EXECUTABLES
void releaseAll(void *key);
void acquireAll(void *key);
#else
inline void releaseAll(void *) {}
inline void acquireAll(void *) {}
#endif

} // namespace gemmac::rt::emulate
