// What GPUs have no code for is named, and what to do: exit code 2.
// RUN: sed "s/batch = 1/batch = 2/" %S/../Inputs/products.mlir > %t.mlir
// RUN: not gemma-codegen %t.mlir --gpu-arch=sm_90a 2>&1 | FileCheck %s
// CHECK: error: 'step.program' op the CUDA emitter has code for one sequence; batch is 2
// CHECK: error: {{.*}}.mlir: the target has no code for what is named above; take another target
// RUN: sh -c "gemma-codegen %t.mlir --gpu-arch=sm_90a > %t 2>&1 || echo code \$?" | FileCheck %s --check-prefix=CODE
// CODE: code 2
