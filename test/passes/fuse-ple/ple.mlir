// RUN: gemma-opt %s --gemma-fuse-ple | FileCheck %s

gemma.weight @ple {random = 1 : i64} : tensor<32x12xf32>
gemma.weight @ple_proj {random = 2 : i64} : tensor<12x8xf32>
gemma.weight @ple_norm {random = 3 : i64} : tensor<4xf32>
gemma.weight @gate {random = 4 : i64} : tensor<4x8xf32>

// (5)-(7): the token part stays outside. (13): the layer's slice is read in the gate's epilogue.
// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[T:.*]]: tensor<?xi32>, %[[X:.*]]: tensor<?x8xf32>
func.func @layer(%tokens: tensor<?xi32>, %x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[A:.*]] = gemma.embed %[[T]], @ple
  // CHECK: %[[PLE:.*]] = gemma.fusion ["ple"] {
  // CHECK-NEXT: %[[B:.*]] = gemma.linear %[[X]], @ple_proj
  // CHECK-NEXT: %[[BS:.*]] = gemma.scale %[[B]]
  // CHECK-NEXT: %[[BN:.*]] = gemma.rms_norm %[[BS]], @ple_norm
  // CHECK-NEXT: %[[SUM:.*]] = gemma.add %[[BN]], %[[A]]
  // CHECK-NEXT: %[[R:.*]] = gemma.scale %[[SUM]]
  // CHECK-NEXT: gemma.yield %[[R]]
  %a = gemma.embed %tokens, @ple {scale = 2.0 : f64} : tensor<?xi32> -> tensor<?x12xf32>
  %b = gemma.linear %x, @ple_proj : tensor<?x8xf32> -> tensor<?x12xf32>
  %bs = gemma.scale %b {factor = 0.3 : f64} : tensor<?x12xf32>
  %bn = gemma.rms_norm %bs, @ple_norm {group = 4 : i64, eps = 1.0e-6 : f64} : tensor<?x12xf32>
  %sum = gemma.add %bn, %a : tensor<?x12xf32>
  %ple = gemma.scale %sum {factor = 0.7 : f64} : tensor<?x12xf32>
  // CHECK: gemma.fusion ["ple"] {
  // CHECK-NEXT: %[[G:.*]] = gemma.linear %[[X]], @gate
  // CHECK-NEXT: %[[GA:.*]] = gemma.gelu %[[G]]
  // CHECK-NEXT: %[[S:.*]] = gemma.slice %[[PLE]] {offset = 4 : i64, size = 4 : i64}
  // CHECK-NEXT: %[[M:.*]] = gemma.mul %[[GA]], %[[S]]
  // CHECK-NEXT: gemma.yield %[[M]]
  %g = gemma.linear %x, @gate : tensor<?x8xf32> -> tensor<?x4xf32>
  %ga = gemma.gelu %g : tensor<?x4xf32>
  %s = gemma.slice %ple {offset = 4 : i64, size = 4 : i64} : tensor<?x12xf32> -> tensor<?x4xf32>
  %m = gemma.mul %ga, %s : tensor<?x4xf32>
  return %m : tensor<?x4xf32>
}
