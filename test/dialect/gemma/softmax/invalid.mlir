// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @softmax_types(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.softmax' op requires the same type for all operands and results}}
  %a = "gemma.softmax"(%x) : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return
}
