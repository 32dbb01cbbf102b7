// A KernelBuilder that knows the CPU it builds for.
#pragma once

#include "codegen/Target.h"
#include "codegen/kernel/KernelBuilder.h"

namespace gemmac::cpu {

using namespace kernel;

class KernelBuilder : public kernel::KernelBuilder {
public:
  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc, const Target &target)
      : kernel::KernelBuilder(builder, loc), target(target) {}

  const Target &cpu() const { return target; }

private:
  const Target &target;
};

} // namespace gemmac::cpu
