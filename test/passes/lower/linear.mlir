// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// A product outside of a fusion: its activations are packed in its prologue where the entry has one row, else in a phase
// before it, once for all products of the same value. The 40 outputs of @a are padded to tasks of 16.
gemma.weight @a {random = 1 : i64} : tensor<40x24xf32>
gemma.weight @b {random = 2 : i64} : tensor<32x24xf32>
gemma.weight @table {random = 3 : i64} : tensor<10x24xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x24xf32> loc("embed")
  %y = gemma.linear %x, @a : tensor<1x24xf32> -> tensor<1x40xf32> loc("first")
  %z = gemma.linear %x, @b : tensor<1x24xf32> -> tensor<1x32xf32> loc("second")
  %s = gemma.slice %y {offset = 8 : i64, size = 32 : i64} : tensor<1x40xf32> -> tensor<1x32xf32> loc("slice")
  %r = gemma.add %s, %z : tensor<1x32xf32> loc("sum")
  return %r : tensor<1x32xf32>
}
func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x40xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x24xf32> loc("embed")
  %y = gemma.linear %x, @a : tensor<?x24xf32> -> tensor<?x40xf32> loc("first")
  %z = gemma.linear %x, @b : tensor<?x24xf32> -> tensor<?x32xf32> loc("second")
  return %y : tensor<?x40xf32>
}

// CHECK-DAG: step.weight @a f32p16 {k = 24 : i64, n = 48 : i64, sources = [@a], tile = 16 : i64}
// CHECK-DAG: step.weight @b f32p16 {k = 24 : i64, n = 32 : i64, sources = [@b], tile = 32 : i64}

// CHECK-LABEL: step.entry @decode logits(last) attributes {rows = 1
// CHECK: %[[X:.*]] = step.buffer "embed" : memref<1x24xf32>
// CHECK: step.phase "embed" rows(all) cols(1) by_row
// CHECK: step.barrier
// CHECK: %[[ACT:.*]] = step.buffer "first.act" : memref<1x64xf32, "private">
// CHECK: %[[Y:.*]] = step.buffer "first" : memref<1x48xf32>
// CHECK: step.phase "first" rows(all) cols(3) prologue {
// CHECK:   step.pack %[[ACT]], %[[X]] as bf16
// CHECK: } do {
// CHECK:   %[[T:.*]] = step.tile %[[Y]] {offset = 0 : i64, stride = 16 : i64, width = 16 : i64}
// CHECK:   step.matmul %[[T]], %[[ACT]], @a as bf16
// CHECK: }
// CHECK: step.barrier
// CHECK: %[[Z:.*]] = step.buffer "second" : memref<1x32xf32>
// CHECK: step.phase "second" rows(all) cols(1) prologue {
// CHECK:   step.pack
// CHECK: } do {
// CHECK:   step.matmul %[[Z]], %{{.*}}, @b as bf16
// CHECK: }
// CHECK: step.phase "sum" rows(all) cols(1) by_row
// CHECK:   %[[S:.*]] = step.tile %[[Y]] {offset = 8 : i64, stride = 0 : i64, width = 32 : i64}
// CHECK:   step.add %[[R:.*]], %[[S]], %[[Z]]
// CHECK: step.yield %[[R]] : memref<1x32xf32>

// CHECK-LABEL: step.entry @prefill_all logits(all) attributes {rows = 8
// CHECK: step.phase "embed"
// CHECK: step.barrier
// CHECK: %[[ACT:.*]] = step.buffer "first.pack.act" : memref<8x64xf32>
// CHECK: step.phase "first.pack" rows(all) cols(1) by_row
// CHECK:   step.pack %[[ACT]]
// CHECK: step.barrier
// CHECK: %[[Y:.*]] = step.buffer "first" : memref<8x48xf32>
// CHECK: step.phase "first" rows(all) cols(3) prologue {
// CHECK-NEXT: } do {
// CHECK:   step.matmul %{{.*}}, %[[ACT]], @a
// CHECK: step.barrier
// CHECK-NOT: step.pack
// CHECK: step.phase "second"
// CHECK:   step.matmul %{{.*}}, %[[ACT]], @b
// CHECK: step.yield %[[Y]] : memref<8x48xf32>
