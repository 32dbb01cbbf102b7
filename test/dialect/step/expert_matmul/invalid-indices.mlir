// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// expert_matmul_c5: the router knows eight experts, the weight holds four
gemma.weight @w {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %ww = step.buffer "ww" : memref<1x2xf32>
    %i = step.buffer "i" : memref<1x2xi32>
    %y = step.buffer "y" : memref<1x128xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) do {
      %p = step.tile %x {offset = 0, stride = 0, width = 8} : memref<1x64xf32> -> memref<1x8xf32>
      // expected-note @+1 {{indices written here}}
      step.top_k %ww, %i, %p {k = 2} : memref<1x2xf32>, memref<1x2xi32>, memref<1x8xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(8) by_row do {
      %d = step.tile %y {offset = 0, stride = 16, width = 16} : memref<1x128xf32> -> memref<1x16xf32>
      // expected-error @+1 {{'step.expert_matmul' op indices are of 8 experts, expected at most the 4 of weight @w}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2} : memref<1x16xf32>, memref<1x64xf32>, memref<1x2xi32>
    }
  }
}

// -----

// expert_matmul_c5_ids: -1 is no expert
gemma.weight @w {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %ww = step.buffer "ww" : memref<1x2xf32>
    %i = step.buffer "i" : memref<1x2xi32>
    %y = step.buffer "y" : memref<1x128xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) do {
      %p = step.tile %x {offset = 0, stride = 0, width = 4} : memref<1x64xf32> -> memref<1x4xf32>
      // expected-note @+1 {{indices written here}}
      step.select_top %ww, %i, %p {columns = 4} : memref<1x2xf32>, memref<1x2xi32>, memref<1x4xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(8) by_row do {
      %d = step.tile %y {offset = 0, stride = 16, width = 16} : memref<1x128xf32> -> memref<1x16xf32>
      // expected-error @+1 {{'step.expert_matmul' op indices are ids of step.select_top, expected those of step.top_k}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2} : memref<1x16xf32>, memref<1x64xf32>, memref<1x2xi32>
    }
  }
}

// -----

// expert_matmul_c5_published: what is published was chosen among eight
gemma.weight @w {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %ww = step.buffer "ww" : memref<1x2xf32, "private">
    %own = step.buffer "own" : memref<1x2xi32, "private">
    %i = step.buffer "i" : memref<1x2xi32>
    %y = step.buffer "y" : memref<1x128xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) prologue {
      %p = step.tile %x {offset = 0, stride = 0, width = 8} : memref<1x64xf32> -> memref<1x8xf32>
      // expected-note @+1 {{indices written here}}
      step.top_k %ww, %own, %p {k = 2} : memref<1x2xf32, "private">, memref<1x2xi32, "private">, memref<1x8xf32>
      step.publish %i, %own : memref<1x2xi32>, memref<1x2xi32, "private">
    } do {

    }
    step.barrier
    step.phase "f" rows(all) cols(8) by_row do {
      %d = step.tile %y {offset = 0, stride = 16, width = 16} : memref<1x128xf32> -> memref<1x16xf32>
      // expected-error @+1 {{'step.expert_matmul' op indices are of 8 experts, expected at most the 4 of weight @w}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2} : memref<1x16xf32>, memref<1x64xf32>, memref<1x2xi32>
    }
  }
}
