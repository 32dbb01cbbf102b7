// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// weight_c1
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op n is 0, k 64 and tile 16, expected all at least 1}}
  step.weight @w q8p16 {n = 0, k = 64, tile = 16, sources = [@a]}
}

// -----

// weight_c1_tile
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op tile is 24 and n 48, expected a tile that is a multiple of 16 and divides n}}
  step.weight @w q8p16 {n = 48, k = 64, tile = 24, sources = [@a]}
}

// -----

// weight_c1_divides
gemma.weight @a quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op tile is 32 and n 48, expected a tile that is a multiple of 16 and divides n}}
  step.weight @w q8p16 {n = 48, k = 64, tile = 32, sources = [@a]}
}

// -----

// weight_c1_wraps
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op n is 4611686018427387904, k 64 and experts 0, expected at most 2^44 elements, k padded}}
  step.weight @w rows_f32 {n = 4611686018427387904, k = 64, tile = 1, sources = [@a]}
}

// -----

// weight_c2
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op has 0 sources, expected at least 1}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = []}
}

// -----

// weight_c2_name
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source is "a", expected the name of a gemma.weight}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = ["a"]}
}

// -----

// weight_c2_undefined
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @b is not defined, expected the name of a gemma.weight}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@b]}
}

// -----

// weight_c2_kind
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.weight' op source @p is no gemma.weight}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@p]}
}
