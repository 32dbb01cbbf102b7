// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// expert_matmul_c3_act
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %ww = step.buffer "ww" : memref<4x2xf32>
    %i = step.buffer "i" : memref<4x2xi32>
    %d = step.buffer "d" : memref<1x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) do {
      step.top_k %ww, %i, %x {k = 2} : memref<4x2xf32>, memref<4x2xi32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(8) by_row do {
      // expected-error @+1 {{'step.expert_matmul' op act has 64 columns, expected 128 for 2 packed f32 vectors of 64}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2, act_per_slot} : memref<1x16xf32, "private">, memref<4x64xf32>, memref<4x2xi32>
    }
  }
}

// -----

// expert_matmul_c4
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %ww = step.buffer "ww" : memref<4x2xf32>
    %i = step.buffer "i" : memref<4x2xi32>
    %d = step.buffer "d" : memref<1x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) do {
      step.top_k %ww, %i, %x {k = 2} : memref<4x2xf32>, memref<4x2xi32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.expert_matmul' op runs in 4 column tasks, expected 2 * 64 / 16 = slots * n / tile of weight @w}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2} : memref<1x16xf32, "private">, memref<4x64xf32>, memref<4x2xi32>
    }
  }
}

// -----

// expert_matmul_c4_grid
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %ww = step.buffer "ww" : memref<4x2xf32>
    %i = step.buffer "i" : memref<4x2xi32>
    %d = step.buffer "d" : memref<1x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) do {
      step.top_k %ww, %i, %x {k = 2} : memref<4x2xf32>, memref<4x2xi32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(8) do {
      // expected-error @+1 {{'step.expert_matmul' op stands in a phase that is not by_row, expected in the body of a by_row phase}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2} : memref<1x16xf32, "private">, memref<4x64xf32>, memref<4x2xi32>
    }
  }
}
