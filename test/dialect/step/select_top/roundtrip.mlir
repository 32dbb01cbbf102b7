// RUN: gemma-opt %s | gemma-opt | FileCheck %s

// CHECK: step.entry @decode_top logits(top)
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @decode_top logits(top) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      // CHECK: step.select_top %{{.*}}, %{{.*}}, %{{.*}} {columns = 61 : i64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
      step.select_top %v, %i, %t {columns = 61} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
    // CHECK: step.yield %{{.*}}, %{{.*}} : memref<1x8xf32>, memref<1x8xi32>
    step.yield %v, %i : memref<1x8xf32>, memref<1x8xi32>
  }
}
