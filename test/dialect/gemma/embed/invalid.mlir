// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// expected-note @+1 {{weight defined here}}
gemma.weight @embed {random = 1 : i64} : tensor<100x8xbf16>
func.func @embed_c1(%tokens: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.embed' op table @embed has shape 100x8, expected Vx16 for the columns of the result}}
  %x = gemma.embed %tokens, @embed {scale = 8.0} : tensor<?xi32> -> tensor<?x16xf32>
  return
}

// -----

func.func @embed_c1_undefined(%tokens: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.embed' op table @embed is not defined, expected the name of a gemma.weight}}
  %x = gemma.embed %tokens, @embed {scale = 8.0} : tensor<?xi32> -> tensor<?x8xf32>
  return
}

// -----

gemma.weight @embed {random = 1 : i64} : tensor<100x8xbf16>
func.func @embed_c2(%tokens: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.embed' op result has 4 rows, expected ? as tokens}}
  %x = gemma.embed %tokens, @embed {scale = 8.0} : tensor<?xi32> -> tensor<4x8xf32>
  return
}
