// Ctrl-C and friends. The flag is the program's only global variable that changes: a signal handler can reach no other.
#pragma once

namespace gemmac::rt {

/// From now on the first SIGINT only sets the flag, the second kills; SIGPIPE becomes a write error; SIGBUS (a page of
/// the weights that can no longer be read) ends with a message and exit 3.
void installSignals();
bool interrupted();

} // namespace gemmac::rt
