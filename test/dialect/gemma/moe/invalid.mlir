// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @top_k_c1(%p: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.top_k' op k is 9, expected 1 to 8 = the columns of p}}
  %w, %i = gemma.top_k %p {k = 9} : tensor<?x8xf32> -> tensor<?x9xf32>, tensor<?x9xi32>
  return
}

// -----

func.func @top_k_c2(%p: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.top_k' op weights has shape ?x3, expected ?x2}}
  %w, %i = gemma.top_k %p {k = 2} : tensor<?x8xf32> -> tensor<?x3xf32>, tensor<?x2xi32>
  return
}

// -----

func.func @top_k_c2_indices(%p: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.top_k' op indices has shape 1x2, expected ?x2}}
  %w, %i = gemma.top_k %p {k = 2} : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<1x2xi32>
  return
}

// -----

// expected-note @+1 {{weight defined here}}
gemma.weight @scale {random = 1 : i64} : tensor<4xf32>
func.func @top_k_c3(%p: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.top_k' op expert_scale @scale has shape 4, expected 8}}
  %w, %i = gemma.top_k %p, @scale {k = 2} : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<?x2xi32>
  return
}

// -----

// expected-note @+1 {{weight defined here}}
gemma.weight @up {random = 2 : i64} : tensor<8x32x16xbf16>
func.func @expert_linear_c1(%x: tensor<?x24xf32>, %i: tensor<?x2xi32>) {
  // expected-error @+1 {{'gemma.expert_linear' op weight @up has shape 8x32x16, expected Ex32x24}}
  %u = gemma.expert_linear %x, %i, @up : tensor<?x24xf32>, tensor<?x2xi32> -> tensor<?x2x32xf32>
  return
}

// -----

gemma.weight @up {random = 2 : i64} : tensor<8x32x16xbf16>
func.func @expert_linear_c2(%x: tensor<?x3x16xf32>, %i: tensor<?x2xi32>) {
  // expected-error @+1 {{'gemma.expert_linear' op x has shape ?x3x16, expected ?xC or ?x2xC for the rows and columns of indices}}
  %u = gemma.expert_linear %x, %i, @up : tensor<?x3x16xf32>, tensor<?x2xi32> -> tensor<?x2x32xf32>
  return
}

// -----

gemma.weight @up {random = 2 : i64} : tensor<8x32x16xbf16>
func.func @expert_linear_c2_result(%x: tensor<?x16xf32>, %i: tensor<?x2xi32>) {
  // expected-error @+1 {{'gemma.expert_linear' op result has shape ?x3x32, expected ?x2x32}}
  %u = gemma.expert_linear %x, %i, @up : tensor<?x16xf32>, tensor<?x2xi32> -> tensor<?x3x32xf32>
  return
}

// -----

func.func @combine_c1(%y: tensor<?x2x16xf32>, %w: tensor<?x3xf32>) {
  // expected-error @+1 {{'gemma.combine' op weights has shape ?x3, expected ?x2}}
  %r = gemma.combine %y, %w : tensor<?x2x16xf32>, tensor<?x3xf32> -> tensor<?x16xf32>
  return
}

// -----

func.func @combine_c1_result(%y: tensor<?x2x16xf32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{'gemma.combine' op result has shape ?x8, expected ?x16}}
  %r = gemma.combine %y, %w : tensor<?x2x16xf32>, tensor<?x2xf32> -> tensor<?x8xf32>
  return
}
