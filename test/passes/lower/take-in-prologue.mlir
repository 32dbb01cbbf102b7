// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// A take_rows in a fusion is the first op of the prologue of its rows(last) phase; what comes before it in the fusion, on
// all rows, is a phase before that.
gemma.weight @w {random = 1 : i64} : tensor<32x32xf32>
gemma.weight @ln {random = 2 : i64} : tensor<32xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x32xf32>

func.func @prefill_last(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "prefill_last"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x32xf32> loc("embed")
  %f = gemma.fusion ["norm"] {
    %s = gemma.add %x, %x : tensor<?x32xf32> loc("sum")
    %t = gemma.take_rows %s, %seq {batch = 1 : i64} : tensor<?x32xf32>, tensor<?xi32> -> tensor<1x32xf32> loc("take")
    %h = gemma.rms_norm %t, @ln {group = 32 : i64, eps = 0.0 : f64} : tensor<1x32xf32>
    %y = gemma.linear %h, @w : tensor<1x32xf32> -> tensor<1x32xf32> loc("product")
    gemma.yield %y : tensor<1x32xf32>
  } : tensor<1x32xf32>
  return %f : tensor<1x32xf32>
}

// CHECK: step.phase "product.before" rows(all) cols(1) by_row
// CHECK:   step.add %[[S:.*]], %{{.*}}, %{{.*}} : memref<8x32xf32>
// CHECK: step.phase "product" rows(last) cols(1) prologue {
// CHECK-NEXT: step.take_row %[[T:.*]], %[[S]] : memref<1x32xf32, "private">, memref<8x32xf32>
// CHECK-NEXT: step.norm %[[T]], %[[T]], @ln
// CHECK-NEXT: step.pack %{{.*}}, %[[T]]
