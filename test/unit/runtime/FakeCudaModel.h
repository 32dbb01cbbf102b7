// The fake model as a program for a GPU: images that fakecuda/FakeCuda.cpp takes for code.
#pragma once

#include "FakeModel.h"

namespace gemmac::test {

/// Code of every entry for one architecture.
struct FakeCode {
  std::string arch;
  bool ptx = false;
};

struct FakeCudaModel {
  /// `changes` as fakeManifest's. For sm_90a, for sm_80, and PTX for sm_80, if nothing else is said.
  explicit FakeCudaModel(const std::string &changes = "{}",
                         const std::vector<FakeCode> &codes = {{"sm_90a"}, {"sm_80"}, {"sm_80", true}});
  FakeCudaModel(const FakeCudaModel &) = delete;

  std::string manifest;
  std::vector<std::string> archs, texts; ///< of the images
  std::vector<GmImage> images;
  GmModel model = {};
};

} // namespace gemmac::test
