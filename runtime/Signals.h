// Ctrl-C and friends. The flag is the program's only global variable that changes: a signal handler can reach
// no other.
#pragma once

namespace gemmac::rt {

/// From now on SIGPIPE and SIGXFSZ become write errors, and SIGBUS (a page of the weights that can no longer
/// be read) ends with a message and exit 3. If `graceful`, the first SIGINT only sets the flag and the second
/// kills.
void installSignals(bool graceful);
bool interrupted();
/// Forgets an interrupt: the next one is a first one again.
void forgetInterrupt();

} // namespace gemmac::rt
