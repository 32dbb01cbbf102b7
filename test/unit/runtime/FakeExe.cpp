// What stands in for the compiler's object in an executable whose model is the fake one.
#include "FakeModel.h"

static const std::string manifest = gemmac::test::fakeManifest();
static const GmModel model = gemmac::test::fakeModel(manifest);
const GmModels gm_models = {1, &model};
