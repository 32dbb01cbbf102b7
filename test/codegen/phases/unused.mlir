// RUN: gemma-codegen %s --march=x86-64-v3 --emit=mlir | FileCheck %s
// A buffer that nothing touches has no place in the memory plan, and needs none; an unused tile is no touch.
// CHECK: func.func @gm_entry_decode
step.program @p attributes {arena_bytes = 256 : i64, batch = 1 : i64, chunk = 16 : i64, context = 64 : i64, scratch_bytes = 0 : i64, weight_bytes = 0 : i64} {
  step.entry @decode logits(none) attributes {rows = 1 : i64} {
    %x = step.buffer "x" {offset = 0 : i64} : memref<1x64xf32>
    %u = step.buffer "u" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x64xf32>
    step.phase "a" rows(all) cols(1) do {
      %t = step.tile %v {offset = 0, stride = 0, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.rope_table %x {angles = 32 : i64, factor = 1.0 : f64, head_dim = 64 : i64, theta = 1.0 : f64} : memref<1x64xf32>
    }
  }
}
