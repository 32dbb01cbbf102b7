// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// Rows that take_rows has left are one for each sequence, in order: to take them again is nothing.
gemma.weight @table {random = 6 : i64} : tensor<10x32xf32>

func.func @prefill_last(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "prefill_last"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x32xf32> loc("embed")
  %seq1 = gemma.take_rows %seq, %seq {batch = 1 : i64} : tensor<?xi32>, tensor<?xi32> -> tensor<1xi32>
  %x1 = gemma.take_rows %x, %seq {batch = 1 : i64} : tensor<?x32xf32>, tensor<?xi32> -> tensor<1x32xf32> loc("take")
  %x2 = gemma.take_rows %x1, %seq1 {batch = 1 : i64} : tensor<1x32xf32>, tensor<1xi32> -> tensor<1x32xf32> loc("again")
  %y = gemma.scale %x2 {factor = 2.0 : f64} : tensor<1x32xf32> loc("scale")
  return %y : tensor<1x32xf32>
}

// CHECK: step.phase "take" rows(last)
// CHECK:   step.take_row %[[X1:.*]], %
// CHECK-NOT: take_row
// CHECK: step.phase "scale" rows(last)
// CHECK:   step.scale %{{.*}}, %[[X1]] {factor
