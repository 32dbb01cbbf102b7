// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// phase_c3_case: a prologue has no column tasks
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    step.phase "f" rows(all) cols(1) prologue {
      // expected-error @+1 {{'step.case' op stands in a prologue, expected in a phase's body}}
      step.case 0 to 1 {
      }
    } do {

    }
  }
}

// -----

// phase_c3_tile
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(1) prologue {
      // expected-error @+1 {{'step.tile' op has stride 16 in a prologue, expected 0: there is no column task}}
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
    } do {

    }
  }
}

// -----

// phase_c5
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'arith.constant' op stands in a step.phase, expected only tiles, cases and tile ops}}
      %c = arith.constant 1 : i32
    }
  }
}

// -----

// phase_c6: a shifted copy in place
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      %a = step.tile %x {offset = 0, stride = 0, width = 32} : memref<4x64xf32> -> memref<4x32xf32>
      %b = step.tile %x {offset = 16, stride = 0, width = 32} : memref<4x64xf32> -> memref<4x32xf32>
      // expected-error @+1 {{'step.copy' op reads columns [16, 48) and writes columns [0, 32) of buffer "x", expected the same columns of an elementwise op, or none}}
      step.copy %a, %b : memref<4x32xf32>, memref<4x32xf32>
    }
  }
}

// -----

// phase_c6_product
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.matmul' op reads columns [0, 64) and writes columns [0, 64) of buffer "x"}}
      step.matmul %x, %x, @w as f32 : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}
