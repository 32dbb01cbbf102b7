// RUN: gemma-opt %s | gemma-opt | FileCheck %s

step.program @p attributes {context = 40, chunk = 32, batch = 1} {
  step.entry @e logits(none) attributes {rows = 32} {
    %x = step.buffer "x" : memref<32x64xf32>
    %a = step.buffer "a" : memref<32x192xi8>
    %b = step.buffer "b" : memref<32x256xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<32x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // CHECK: step.pack_tile %{{.*}}, %{{.*}} as i8 : memref<32x192xi8>, memref<32x64xf32>
      step.pack_tile %a, %x as i8 : memref<32x192xi8>, memref<32x64xf32>
      // CHECK: step.pack_tile %{{.*}}, %{{.*}} as bf16t : memref<32x256xi8>, memref<32x64xf32>
      step.pack_tile %b, %x as bf16t : memref<32x256xi8>, memref<32x64xf32>
    }
  }
}
