// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @softmax_types(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.softmax' op requires the same type for all operands and results}}
  %a = "gemma.softmax"(%x) : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return
}

// -----

// One dimension would be the rows: a softmax over rows is not row-wise.
func.func @softmax_rank(%x: tensor<?xf32>) {
  // expected-error @+1 {{'gemma.softmax' op operand #0 must be 2D/3D tensor of 32-bit float values, but got 'tensor<?xf32>'}}
  %a = gemma.softmax %x : tensor<?xf32>
  return
}
