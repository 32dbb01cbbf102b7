// The list semantics of --fuse.
#include "passes/FuseSelection.h"

#include <gtest/gtest.h>

using namespace gemmac;

static std::string parsed(llvm::StringRef text) {
  std::string error;
  std::optional<FuseSelection> selection = FuseSelection::parse(text, error);
  return selection ? selection->str() : "error: " + error;
}

TEST(FuseSelection, AllAndNone) {
  EXPECT_EQ(parsed("all"), "all");
  EXPECT_EQ(parsed("none"), "none");
  EXPECT_EQ(FuseSelection::all().str(), "all");
  EXPECT_EQ(FuseSelection().str(), "none");
}

TEST(FuseSelection, StartsFromNoneUnlessTheFirstItemIsNegative) {
  EXPECT_EQ(parsed("mlp,qkv"), "qkv,mlp");
  EXPECT_EQ(parsed("mlp,-mlp"), "none");
  EXPECT_EQ(parsed("-norm"),
            "kv-share,dead-tokens,qkv,qknorm-rope-kv,attention,mlp,ple,router,softcap,residual,top");
  EXPECT_EQ(parsed("all,-norm"), parsed("-norm"));
  EXPECT_EQ(parsed("none,norm"), "norm");
  EXPECT_EQ(parsed("-norm,norm"), "all");
}

TEST(FuseSelection, EveryNameIsUnderstood) {
  for (const FuseInfo &info : fuseTable()) {
    EXPECT_EQ(parsed(info.name), info.name.str());
    EXPECT_NE(FuseSelection::help().find("  " + info.name.str() + " "), std::string::npos);
  }
}

TEST(FuseSelection, UnknownNamesAreRefusedWithTheKnownOnes) {
  const char *known =
      "kv-share, dead-tokens, qkv, qknorm-rope-kv, attention, mlp, ple, router, softcap, residual, "
      "norm, top (-NAME switches one off)";
  EXPECT_EQ(parsed("qvk"),
            std::string("error: unknown name 'qvk' in --fuse=qvk, expected all, none or a list of ") + known);
  EXPECT_EQ(parsed("-foo,mlp"),
            std::string("error: unknown name '-foo' in --fuse=-foo,mlp, expected all, none or a list of ") +
                known);
  EXPECT_EQ(parsed(""),
            std::string("error: unknown name '' in --fuse=, expected all, none or a list of ") + known);
  EXPECT_EQ(parsed("mlp,all"), "error: 'all' in --fuse=mlp,all must stand first");
}
