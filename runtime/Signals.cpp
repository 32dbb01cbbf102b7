// See Signals.h. Handlers call nothing but async-signal-safe functions.
#include "runtime/Signals.h"

#include "runtime/Failure.h"

#include <csignal>
#include <unistd.h>

namespace gemmac::rt {

static volatile std::sig_atomic_t interruptFlag = 0;

bool interrupted() { return interruptFlag != 0; }

static void onInterrupt(int) { interruptFlag = 1; }

static void onBus(int) {
  constexpr char kMessage[] =
      "error: a page of the weights cannot be read: the file was cut or its disk fails; copy it "
      "again from the original or compile it again\n";
  const ssize_t ignored = write(2, kMessage, sizeof kMessage - 1);
  (void)ignored;
  _exit(kLacking);
}

void forgetInterrupt() {
  interruptFlag = 0;
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND); // the second one meets the default: it kills
  sigaction(SIGINT, &action, nullptr);
}

void installSignals(bool graceful) {
  if (graceful)
    forgetInterrupt();
  struct sigaction action = {};
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  action.sa_handler = onBus;
  sigaction(SIGBUS, &action, nullptr);
  action.sa_flags = 0;
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  sigaction(SIGXFSZ, &action, nullptr);
}

} // namespace gemmac::rt
