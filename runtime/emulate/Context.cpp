// See Context.h. A context begins by makecontext(); from then on _setjmp() and _longjmp() switch, which
// unlike swapcontext() make no system calls. ThreadSanitizer does not let anybody jump to another stack; for
// it swapcontext() does.
#undef _FORTIFY_SOURCE // its longjmp() allows no other stacks
#include "runtime/emulate/Context.h"

#include <ucontext.h>
#ifdef GEMMAC_TSAN_EXECUTABLES
#include <sanitizer/tsan_interface.h>
#endif

namespace gemmac::rt::emulate {

#ifdef GEMMAC_TSAN_EXECUTABLES

Context::Context() : fiber(__tsan_get_current_fiber()) {}

Context::~Context() {
  if (own)
    __tsan_destroy_fiber(own);
}

void Context::set(char *stack, size_t bytes, void (*body)()) {
  fiber = own = __tsan_create_fiber(0);
  getcontext(&where);
  where.uc_stack.ss_sp = stack;
  where.uc_stack.ss_size = bytes;
  where.uc_link = nullptr;
  makecontext(&where, body, 0);
}

void Context::switchTo(Context &to) {
  __tsan_switch_to_fiber(to.fiber, __tsan_switch_to_fiber_no_sync);
  swapcontext(&where, &to.where);
}

void releaseAll(void *key) { __tsan_release(key); }
void acquireAll(void *key) { __tsan_acquire(key); }

#else

Context::Context() = default;
Context::~Context() = default;

void Context::set(char *at, size_t size, void (*function)()) {
  stack = at;
  bytes = size;
  body = function;
}

void Context::begin() {
  ucontext_t start;
  getcontext(&start);
  start.uc_stack.ss_sp = stack;
  start.uc_stack.ss_size = bytes;
  start.uc_link = nullptr;
  stack = nullptr;
  makecontext(&start, body, 0);
  setcontext(&start);
}

void Context::switchTo(Context &to) {
  if (_setjmp(where))
    return;
  if (to.stack)
    to.begin();
  _longjmp(to.where, 1);
}

#endif

} // namespace gemmac::rt::emulate
