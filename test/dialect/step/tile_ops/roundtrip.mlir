// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
// The tile ops that program.mlir has no use for: mixture of experts, unfused attention, the bf16 mode.

gemma.weight @v {random = 1 : i64} : tensor<64xf32>
gemma.weight @e {random = 2 : i64} : tensor<4x64x64xbf16>
gemma.weight @s {random = 3 : i64} : tensor<4xf32>

step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @v vec {n = 64, k = 1, tile = 64, sources = [@v]}
  step.weight @s vec {n = 4, k = 1, tile = 4, sources = [@s]}
  // CHECK: step.weight @e bf16p16 {experts = 4 : i64, k = 64 : i64, n = 64 : i64, sources = [@e], tile = 32 : i64}
  step.weight @e bf16p16 {n = 64, k = 64, tile = 32, sources = [@e], experts = 4 : i64}
  // CHECK: step.cache @kv f32 {
  step.cache @kv f32 {heads = 1, head_dim = 16, window = 0, slots = 48}

  step.entry @decode logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %y = step.buffer "y" : memref<1x64xf32>
    %scores = step.buffer "scores" : memref<1x192xf32>
    %kv = step.buffer "kv" : memref<1x32xf32>
    %packed = step.buffer "packed" : memref<1x128xf32>
    %router = step.buffer "router" : memref<1x4xf32>
    %w = step.buffer "w" : memref<1x2xf32>
    %i = step.buffer "i" : memref<1x2xi32>
    %up = step.buffer "up" : memref<1x128xf32>
    %down = step.buffer "down" : memref<1x128xf32>
    // CHECK: step.phase "make" rows(all) cols(1) do {
    step.phase "make" rows(all) cols(1) do {
      // CHECK: step.rope_table %{{.*}} {angles = 32 : i64, factor = 8.000000e+00 : f64, head_dim = 64 : i64, round, theta = 1.000000e+06 : f64} : memref<1x64xf32>
      step.rope_table %x {head_dim = 64, angles = 32, theta = 1000000.0, factor = 8.0, round} : memref<1x64xf32>
      // CHECK: step.scale %{{.*}}, %{{.*}} {factor = 5.000000e-01 : f64} : memref<1x64xf32>, memref<1x64xf32>
      step.scale %y, %x {factor = 0.5} : memref<1x64xf32>, memref<1x64xf32>
      // CHECK: step.scale_by %{{.*}}, %{{.*}}, @v : memref<1x64xf32>, memref<1x64xf32>
      step.scale_by %y, %y, @v : memref<1x64xf32>, memref<1x64xf32>
      // CHECK: step.mul %{{.*}}, %{{.*}}, %{{.*}} : memref<1x64xf32>, memref<1x64xf32>, memref<1x64xf32>
      step.mul %x, %x, %y : memref<1x64xf32>, memref<1x64xf32>, memref<1x64xf32>
      // CHECK: step.norm %{{.*}}, %{{.*}} {eps = 0.000000e+00 : f64, group = 16 : i64} : memref<1x64xf32>, memref<1x64xf32>
      step.norm %x, %x {group = 16, eps = 0.0} : memref<1x64xf32>, memref<1x64xf32>
      %half = step.tile %x {offset = 32, stride = 0, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
      step.copy %kv, %half : memref<1x32xf32>, memref<1x32xf32>
      // CHECK: step.cache_write @kv k, %{{.*}} : memref<1x16xf32>
      %k = step.tile %kv {offset = 0, stride = 0, width = 16} : memref<1x32xf32> -> memref<1x16xf32>
      step.cache_write @kv k, %k : memref<1x16xf32>
      %v = step.tile %kv {offset = 16, stride = 0, width = 16} : memref<1x32xf32> -> memref<1x16xf32>
      step.cache_write @kv v, %v : memref<1x16xf32>
    }
    step.barrier
    step.phase "qk" rows(all) cols(4) by_row do {
      // CHECK: step.qk %{{.*}}, %{{.*}}, @kv {heads = 4 : i64, scale = 1.250000e-01 : f64, window = 0 : i64} : memref<1x192xf32>, memref<1x64xf32>
      step.qk %scores, %x, @kv {heads = 4, window = 0, scale = 0.125} : memref<1x192xf32>, memref<1x64xf32>
      %t = step.tile %scores {offset = 0, stride = 48, width = 48} : memref<1x192xf32> -> memref<1x48xf32>
      // CHECK: step.softmax %{{.*}}, %{{.*}} : memref<1x48xf32>, memref<1x48xf32>
      step.softmax %t, %t : memref<1x48xf32>, memref<1x48xf32>
    }
    step.barrier
    step.phase "pv" rows(all) cols(4) by_row do {
      // CHECK: step.pv %{{.*}}, %{{.*}}, @kv {heads = 4 : i64, window = 0 : i64} : memref<1x64xf32>, memref<1x192xf32>
      step.pv %y, %scores, @kv {heads = 4, window = 0} : memref<1x64xf32>, memref<1x192xf32>
    }
    step.barrier
    step.phase "route" rows(all) cols(1) by_row do {
      %t = step.tile %y {offset = 0, stride = 0, width = 4} : memref<1x64xf32> -> memref<1x4xf32>
      step.copy %router, %t : memref<1x4xf32>, memref<1x4xf32>
      // CHECK: step.top_k %{{.*}}, %{{.*}}, %{{.*}}, @s {k = 2 : i64} : memref<1x2xf32>, memref<1x2xi32>, memref<1x4xf32>
      step.top_k %w, %i, %router, @s {k = 2} : memref<1x2xf32>, memref<1x2xi32>, memref<1x4xf32>
    }
    step.barrier
    step.phase "up" rows(all) cols(4) by_row do {
      %t = step.tile %up {offset = 0, stride = 32, width = 32} : memref<1x128xf32> -> memref<1x32xf32>
      // CHECK: step.expert_matmul %{{.*}}, %{{.*}}, %{{.*}}, @e as bf16 {slots = 2 : i64} : memref<1x32xf32>, memref<1x64xf32>, memref<1x2xi32>
      step.expert_matmul %t, %y, %i, @e as bf16 {slots = 2} : memref<1x32xf32>, memref<1x64xf32>, memref<1x2xi32>
    }
    step.barrier
    step.phase "pack" rows(all) cols(1) by_row do {
      // CHECK: step.pack %{{.*}}, %{{.*}} as bf16 {groups = 2 : i64} : memref<1x128xf32>, memref<1x128xf32>
      step.pack %packed, %up as bf16 {groups = 2 : i64} : memref<1x128xf32>, memref<1x128xf32>
    }
    step.barrier
    step.phase "down" rows(all) cols(4) by_row do {
      %t = step.tile %down {offset = 0, stride = 32, width = 32} : memref<1x128xf32> -> memref<1x32xf32>
      // CHECK: step.expert_matmul %{{.*}}, %{{.*}}, %{{.*}}, @e as bf16 {act_per_slot, slots = 2 : i64} : memref<1x32xf32>, memref<1x128xf32>, memref<1x2xi32>
      step.expert_matmul %t, %packed, %i, @e as bf16 {slots = 2, act_per_slot} : memref<1x32xf32>, memref<1x128xf32>, memref<1x2xi32>
    }
    step.barrier
    step.phase "combine" rows(all) cols(1) by_row do {
      // CHECK: step.combine %{{.*}}, %{{.*}}, %{{.*}} : memref<1x64xf32>, memref<1x128xf32>, memref<1x2xf32>
      step.combine %x, %down, %w : memref<1x64xf32>, memref<1x128xf32>, memref<1x2xf32>
    }
  }
}
