// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @add_types(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>) {
  // expected-error @+1 {{'gemma.add' op requires the same type for all operands and results}}
  %a = "gemma.add"(%x, %y) : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @mul_elements(%x: tensor<?x8xf16>) {
  // expected-error @+1 {{'gemma.mul' op operand #0 must be 2D/3D tensor of 32-bit float values, but got 'tensor<?x8xf16>'}}
  %a = gemma.mul %x, %x : tensor<?x8xf16>
  return
}

// -----

func.func @gelu_types(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.gelu' op requires the same type for all operands and results}}
  %a = "gemma.gelu"(%x) : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return
}
