// The entry point of every compiled executable, apart from rtMain so that tests can bring their own model and
// main.
#include "runtime/Commands.h"

int main(int argc, char **argv) { return gemmac::rt::rtMain(argc, argv, gm_models, "/proc/self/exe"); }
