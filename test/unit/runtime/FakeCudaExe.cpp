// FakeExe for a GPU: as the compiler's object does, it names gm_cuda, and nothing else does.
#include "FakeCudaModel.h"

static const gemmac::test::FakeCudaModel fake;
const GmModels gm_models = {1, &fake.model};
