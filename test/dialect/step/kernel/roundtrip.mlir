// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
// What the dialect's attributes may be, and where they stand.

gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
// CHECK: step.program @p attributes {{.*}}step.machine = {workers = 2 : i64}
step.program @p attributes {context = 40, chunk = 16, batch = 1, step.machine = {workers = 2 : i64}} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    // CHECK: step.phase "init" {{.*}}step.predicted_us = 1.500000e+00 : f64
    step.phase "init" rows(all) cols(1) {step.predicted_us = 1.5} do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // CHECK: step.matmul {{.*}} as f32 {step.kernel = {ahead = 512 : i64, block_panels = 2 : i64, block_rows = 4 : i64, streams = 2 : i64}}
      step.matmul %d, %x, @w as f32 {step.kernel = {streams = 2 : i64, ahead = 512 : i64, block_rows = 4 : i64, block_panels = 2 : i64}} : memref<4x32xf32, "private">, memref<4x64xf32>
      // Nothing chosen is nothing wrong.
      // CHECK: step.matmul {{.*}} as f32 {step.kernel = {}}
      step.matmul %d, %x, @w as f32 {step.kernel = {}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}
