// RUN: split-file %s %t
// RUN: not gemma-opt %t/vocab.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=VOCAB
// RUN: not gemma-opt %t/rank.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not gemma-opt %t/arguments.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=ARGUMENTS
// RUN: not gemma-opt %t/rows.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not gemma-opt %t/batch.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=BATCH

// Results and arguments that no step has: refused before anything is computed from them.
// VOCAB: error: expected one result, logits of f32 with 1 to 2147483647 columns, found '(tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) -> tensor<4x0xf32>'
// RANK: error: expected one result, logits of f32 with 1 to 2147483647 columns, found '(tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) -> tensor<f32>'
// ARGUMENTS: error: expected the arguments tokens, pos, seq, found '(tensor<1xi32>, tensor<1xi64>, tensor<1xi32>) -> ()'
// ROWS: error: expected any number of rows in prefill, found 'tensor<4xi32>'
// BATCH: error: expected one row for each of the 1 sequences of a step in decode, found 'tensor<2xi32>'

//--- vocab.mlir
func.func @f(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<4x0xf32> attributes {gemma.entry = "prefill_all"} {
  %c = arith.constant dense<1.0> : tensor<4x0xf32>
  return %c : tensor<4x0xf32>
}
//--- rank.mlir
func.func @f(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<f32> attributes {gemma.entry = "prefill_all"} {
  %c = arith.constant dense<1.0> : tensor<f32>
  return %c : tensor<f32>
}
//--- arguments.mlir
func.func @f(%tokens: tensor<1xi32>, %pos: tensor<1xi64>, %seq: tensor<1xi32>) attributes {gemma.entry = "decode"} { return }
//--- rows.mlir
func.func @f(%tokens: tensor<4xi32>, %pos: tensor<4xi32>, %seq: tensor<4xi32>) attributes {gemma.entry = "prefill_none"} { return }
//--- batch.mlir
func.func @f(%tokens: tensor<2xi32>, %pos: tensor<2xi32>, %seq: tensor<2xi32>) -> tensor<2x4xf32> attributes {gemma.entry = "decode"} {
  %c = arith.constant dense<1.0> : tensor<2x4xf32>
  return %c : tensor<2x4xf32>
}
