// main of the runtime's tests. Not gtest_main: the runtime's archive has a main too, and which one a linker
// takes would depend on the order of libraries.
#include <gtest/gtest.h>

int main(int argc, char **argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
