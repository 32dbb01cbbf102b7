// RUN: not gemma-codegen %s --march=x86-64-v3 --emit=mlir 2>&1 | FileCheck %s
// Code needs the offsets of the memory plan.
// CHECK: error: 'step.program' op has no memory plan: scratch_bytes is missing
step.program @unplanned attributes {context = 16, chunk = 1, batch = 1} {
  step.entry @decode logits(none) attributes {rows = 1} {
  }
}
