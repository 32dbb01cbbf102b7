// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// weight_c5_k
// expected-note @+1 {{source defined here}}
gemma.weight @a {random = 1 : i64} : tensor<8x3xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @a has shape 8x3, expected Nx640}}
  step.weight @w f32p16 {n = 64, k = 640, tile = 64, sources = [@a]}
}

// -----

// weight_c5_n: 50 rows are 64 in tiles of 32
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<50x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op n is 96, expected the sources' rows, each padded to a multiple of 32: 64}}
  step.weight @w q8p16 {n = 96, k = 64, tile = 32, sources = [@a]}
}

// -----

// weight_c5_stacked: each source is padded for itself
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<50x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op n is 64, expected the sources' rows, each padded to a multiple of 32: at least 128}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 32, sources = [@a, @a]}
}

// -----

// Two of them.
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<50x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 128, k = 64, tile = 32, sources = [@a, @a]}
}

// -----

// weight_c5_experts
// expected-note @+1 {{source defined here}}
gemma.weight @a quant(q4) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @a has shape 4x64x64, expected 7xNx64}}
  step.weight @w q4p16 {n = 64, k = 64, tile = 64, sources = [@a], experts = 7}
}

// -----

// weight_c5_experts_rank
// expected-note @+1 {{source defined here}}
gemma.weight @a quant(q4) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @a has shape 64x64, expected 4xNx64}}
  step.weight @w q4p16 {n = 64, k = 64, tile = 64, sources = [@a], experts = 4}
}

// -----

// weight_c5_experts_sources
gemma.weight @a quant(q4) {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op has 2 sources, expected 1 for experts}}
  step.weight @w q4p16 {n = 128, k = 64, tile = 64, sources = [@a, @a], experts = 4}
}

// -----

// weight_c5_halves
// expected-note @+1 {{source defined here}}
gemma.weight @a quant(q4) {random = 1 : i64} : tensor<4x33x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @a has shape 4x33x64, expected an even number of rows}}
  step.weight @w q4p16 {n = 64, k = 64, tile = 32, sources = [@a], experts = 4, interleave}
}

// -----

// Halves of 24 rows are padded to 32.
gemma.weight @a quant(q4) {random = 1 : i64} : tensor<4x48x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q4p16 {n = 64, k = 64, tile = 32, sources = [@a], experts = 4, interleave}
}

// -----

// weight_c5_interleaved: sources that are interleaved have equally many rows, padding included
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
// expected-note @+1 {{source defined here}}
gemma.weight @b {random = 1 : i64} : tensor<32x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @b has shape 32x64, expected as many rows, padded, as the first source}}
  step.weight @w f32p16 {n = 96, k = 64, tile = 32, sources = [@a, @b], interleave}
}

// -----

// weight_c5_vec
// expected-note @+1 {{source defined here}}
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @a has shape 64x64, expected 999 elements}}
  step.weight @w vec {n = 999, k = 1, tile = 999, sources = [@a]}
}

// -----

// weight_c5_rows
// expected-note @+1 {{source defined here}}
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @a has shape 64x64, expected 9x9}}
  step.weight @w rows_f32 {n = 9, k = 9, tile = 1, sources = [@a]}
}

// -----

// weight_c5_rows_sources
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op has 2 sources, expected 1 for rows_f32}}
  step.weight @w rows_f32 {n = 128, k = 64, tile = 1, sources = [@a, @a]}
}

// -----

// weight_c6: k is padded to 64
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op n is 4398046511104, k 1 and experts 0, expected at most 2^44 elements, k padded}}
  step.weight @w f32p16 {n = 4398046511104, k = 1, tile = 16, sources = [@a]}
}

// -----

// weight_c6_experts
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op n is 16, k 64 and experts 4611686018427387904, expected at most 2^44 elements, k padded}}
  step.weight @w f32p16 {n = 16, k = 64, tile = 16, experts = 4611686018427387904, sources = [@a]}
}

// -----

// weight_c6_k
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op n is 16, k 9223372036854775807 and experts 0, expected at most 2^44 elements, k padded}}
  step.weight @w f32p16 {n = 16, k = 9223372036854775807, tile = 16, sources = [@a]}
}

// -----

// weight_c6_bytes
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op bytes is 1, expected 16384 for 64 rows of 64 in f32p16}}
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@a], offset = 0 : i64, bytes = 1 : i64}
}

// -----

gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
gemma.weight @b {random = 1 : i64} : tensor<40x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 128, k = 64, tile = 32, sources = [@a, @b], interleave}
}
