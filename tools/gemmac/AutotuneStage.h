// --autotune as a stage of the compilation: one target at a time, with what is said on stderr.
#pragma once

#include "codegen/Target.h"
#include "dialect/step/Step.h"
#include "tools/gemmac/Options.h"

#include "llvm/Support/JSON.h"

namespace gemmac {

/// Tunes the products of `program` and says on stderr how many were measured, how many came from the cache,
/// and what differs from the model's choice. A target that this machine cannot run stays as it is, with a
/// note. What the manifest says of it; none for such a target.
std::optional<llvm::json::Object> autotuneStage(step::ProgramOp program, const Target &target,
                                                const Options &options);

} // namespace gemmac
