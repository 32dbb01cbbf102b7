// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// matmul_c2_undefined
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op weight @w is not defined, expected the name of a step.weight}}
      step.matmul %d, %x, @w as f32 : memref<4x16xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_c3
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op dst has 16 columns, expected 32 = tile of the weight}}
      step.matmul %d, %x, @w as f32 : memref<4x16xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_c4
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(3) do {
      // expected-error @+1 {{'step.matmul' op runs in 3 column tasks, expected 1 * 64 / 16 = slots * n / tile of weight @w}}
      step.matmul %d, %x, @w as f32 : memref<4x16xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_prologue
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) prologue {
      // expected-error @+1 {{'step.matmul' op stands in a prologue, expected in a phase's body}}
      step.matmul %d, %x, @w as f32 : memref<4x16xf32, "private">, memref<4x64xf32>
    } do {

    }
  }
}
