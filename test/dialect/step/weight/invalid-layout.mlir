// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// weight_c2_interleave
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op interleaves 1 source, expected at least 2}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@a], interleave}
}

// -----

// weight_c2_parts
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op tile is 16, expected a multiple of 16 for each of 2 interleaved parts}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@a, @a], interleave}
}

// -----

// One source of experts holds both parts: its halves.
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 32, sources = [@a], experts = 4 : i64, interleave}
}

// -----

// weight_c3
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op offset is 32, expected a non-negative multiple of 64}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@a], offset = 32 : i64}
}

// -----

// weight_c3_negative
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op offset is -64, expected a non-negative multiple of 64}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@a], offset = -64 : i64}
}

// -----

// weight_c4
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op experts is 8 with format vec, expected at least 0, and 0 unless the format is p16}}
  step.weight @w vec {n = 64, k = 1, tile = 64, sources = [@a], experts = 8 : i64}
}

// -----

// weight_c4_vec
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op k is 64, expected 1 for format vec}}
  step.weight @w vec {n = 64, k = 64, tile = 64, sources = [@a]}
}

// -----

// weight_c2_rows
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op interleaves a weight of format rows_q8, expected a p16 format}}
  step.weight @w rows_q8 {n = 64, k = 64, tile = 64, sources = [@a], interleave}
}
