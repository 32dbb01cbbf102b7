// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @scale_by_c1(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.scale_by' op weight @w is not defined, expected the name of a gemma.weight}}
  %a = gemma.scale_by %x, @w : tensor<?x8xf32>
  return
}

// -----

// expected-note @+1 {{defined here}}
gemma.cache @w {heads = 1, head_dim = 8, window = 0}
func.func @scale_by_c1_kind(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.scale_by' op weight @w is a 'gemma.cache', expected a gemma.weight}}
  %a = gemma.scale_by %x, @w : tensor<?x8xf32>
  return
}

// -----

// expected-note @+1 {{weight defined here}}
gemma.weight @w {random = 1 : i64} : tensor<4xf32>
func.func @scale_by_c2(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.scale_by' op weight @w has shape 4, expected 1 or 8}}
  %a = gemma.scale_by %x, @w : tensor<?x8xf32>
  return
}
