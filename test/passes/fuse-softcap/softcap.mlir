// RUN: gemma-opt %s --gemma-fuse-softcap | FileCheck %s

gemma.weight @embed {random = 1 : i64} : tensor<32x8xf32>

// CHECK-LABEL: func.func @logits(
// CHECK-SAME: %[[H:.*]]: tensor<1x8xf32>
func.func @logits(%h: tensor<1x8xf32>) -> tensor<1x32xf32> {
  // CHECK: %[[F:.*]] = gemma.fusion ["softcap"] {
  // CHECK-NEXT: %[[Z:.*]] = gemma.linear %[[H]], @embed
  // CHECK-NEXT: %[[L:.*]] = gemma.softcap %[[Z]] {cap = 3.000000e+01 : f64}
  // CHECK-NEXT: gemma.yield %[[L]]
  // CHECK: return %[[F]]
  %z = gemma.linear %h, @embed : tensor<1x8xf32> -> tensor<1x32xf32>
  %l = gemma.softcap %z {cap = 30.0 : f64} : tensor<1x32xf32>
  return %l : tensor<1x32xf32>
}
