// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// expected-note @+1 {{weight defined here}}
gemma.weight @w {random = 1 : i64} : tensor<8x16xbf16>
func.func @linear_c1(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.linear' op weight @w has shape 8x16, expected 16x8}}
  %y = gemma.linear %x, @w : tensor<?x8xf32> -> tensor<?x16xf32>
  return
}

// -----

func.func @linear_c1_undefined(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.linear' op weight @w is not defined, expected the name of a gemma.weight}}
  %y = gemma.linear %x, @w : tensor<?x8xf32> -> tensor<?x16xf32>
  return
}

// -----

gemma.weight @w {random = 1 : i64} : tensor<16x8xbf16>
func.func @linear_c2(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{'gemma.linear' op result has 2 rows, expected 4 as x}}
  %y = gemma.linear %x, @w : tensor<4x8xf32> -> tensor<2x16xf32>
  return
}
