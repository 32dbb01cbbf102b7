// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// weight_c7_floats
// expected-note @+1 {{source defined here}}
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op format is q8p16, but source @a has quant none and blocks none, expected format f32p16, bf16p16, f16p16, rows_f32, rows_bf16, rows_f16 or vec}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@a]}
}

// -----

// weight_c7_rows
// expected-note @+1 {{source defined here}}
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op format is rows_q4_0, but source @a has quant none and blocks none, expected format f32p16, bf16p16, f16p16, rows_f32, rows_bf16, rows_f16 or vec}}
  step.weight @w rows_q4_0 {n = 64, k = 64, tile = 1, sources = [@a]}
}

// -----

// weight_c7_q8
// expected-note @+1 {{source defined here}}
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op format is f32p16, but source @a has quant q8 and blocks none, expected format q8p16 or rows_q8}}
  step.weight @w f32p16 {n = 64, k = 64, tile = 16, sources = [@a]}
}

// -----

// weight_c7_vec: whose values are the rounded ones, which no vec holds
// expected-note @+1 {{source defined here}}
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op format is vec, but source @a has quant q8 and blocks none, expected format q8p16 or rows_q8}}
  step.weight @w vec {n = 64, k = 1, tile = 64, sources = [@a]}
}

// -----

// weight_c7_q4: the second source is another one than the first
gemma.weight @a quant(q4) {random = 1 : i64} : tensor<64x64xf32>
// expected-note @+1 {{source defined here}}
gemma.weight @b quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @v q4p16 {n = 128, k = 64, tile = 16, sources = [@a, @a]}
  // expected-error @+1 {{'step.weight' op format is q4p16, but source @b has quant q8 and blocks none, expected format q8p16 or rows_q8}}
  step.weight @w q4p16 {n = 128, k = 64, tile = 16, sources = [@a, @b]}
}

// -----

// weight_c7_blocks
// expected-note @+1 {{source defined here}}
gemma.weight @a blocks(q4_k) {file = "model.gguf", tensor = "a", offset = 0 : i64} : tensor<64x256xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @v q4kp16 {n = 64, k = 256, tile = 16, sources = [@a]}
  step.weight @rows rows_q4_k {n = 64, k = 256, tile = 1, sources = [@a]}
  // expected-error @+1 {{'step.weight' op format is q5kp16, but source @a has quant none and blocks q4_k, expected format q4kp16, rows_q4_k or vec}}
  step.weight @w q5kp16 {n = 64, k = 256, tile = 16, sources = [@a]}
}

// -----

// weight_c7_whole_blocks
gemma.weight @a {random = 1 : i64} : tensor<64x320xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op k is 320, expected a multiple of 256 for format q6kp16}}
  step.weight @w q6kp16 {n = 64, k = 320, tile = 16, sources = [@a]}
}

// -----

// weight_c7_whole_blocks_of_rows
gemma.weight @a {random = 1 : i64} : tensor<64x40xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op k is 40, expected a multiple of 32 for format rows_q5_1}}
  step.weight @w rows_q5_1 {n = 64, k = 40, tile = 1, sources = [@a]}
}
