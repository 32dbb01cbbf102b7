// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// expert_matmul_c1
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %ww = step.buffer "ww" : memref<4x3xf32>
    %i = step.buffer "i" : memref<4x3xi32>
    %d = step.buffer "d" : memref<1x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) do {
      step.top_k %ww, %i, %x {k = 3} : memref<4x3xf32>, memref<4x3xi32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(8) by_row do {
      // expected-error @+1 {{'step.expert_matmul' op indices has 3 columns, expected 2 = slots}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2} : memref<1x16xf32, "private">, memref<4x64xf32>, memref<4x3xi32>
    }
  }
}

// -----

// expert_matmul_c1_slots
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
      // expected-error @+1 {{'step.expert_matmul' op slots is 0, expected at least 1}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 0} : memref<1x16xf32, "private">, memref<4x64xf32>, memref<4x2xi32>
    }
  }
}

// -----

// expert_matmul_c2
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w]}
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
      // expected-error @+1 {{'step.expert_matmul' op weight @w is q8p16 with 0 experts, expected a p16 format with some for f32 activations}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2} : memref<1x16xf32, "private">, memref<4x64xf32>, memref<4x2xi32>
    }
  }
}

// -----

// expert_matmul_c3
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 32, sources = [@w], experts = 4 : i64}
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
      // expected-error @+1 {{'step.expert_matmul' op dst has 16 columns, expected 32 = tile of the weight}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2} : memref<1x16xf32, "private">, memref<4x64xf32>, memref<4x2xi32>
    }
  }
}

// -----

// expert_matmul_c6
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
      // expected-error @+1 {{'step.expert_matmul' op stands in a phase of rows(all) of an entry of 4 rows, expected rows(all) of a multiple of 32 for bf16t activations}}
      step.expert_matmul %d, %x, %i, @w as bf16t {slots = 2} : memref<1x16xf32, "private">, memref<4x64xf32>, memref<4x2xi32>
    }
  }
}

// -----

// expert_matmul_c7
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 32} {
    %x = step.buffer "x" : memref<32x64xf32>
    %ww = step.buffer "ww" : memref<32x2xf32>
    %i = step.buffer "i" : memref<32x2xi32>
    %d = step.buffer "d" : memref<1x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<32x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) do {
      step.top_k %ww, %i, %x {k = 2} : memref<32x2xf32>, memref<32x2xi32>, memref<32x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(8) by_row do {
      step.copy %d, %d : memref<1x16xf32, "private">, memref<1x16xf32, "private">
      // expected-error @+1 {{'step.expert_matmul' op as bf16t shares its phase with a prologue, a case, attention or another op before it, expected it to come first, followed by ops on the task's own columns}}
      step.expert_matmul %d, %x, %i, @w as bf16t {slots = 2} : memref<1x16xf32, "private">, memref<32x64xf32>, memref<32x2xi32>
    }
  }
}
