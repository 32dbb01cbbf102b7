// RUN: gemma-opt %s --gemma-fuse-residual | FileCheck %s

gemma.weight @ln {random = 1 : i64} : tensor<8xf32>
gemma.weight @ln_dense {random = 2 : i64} : tensor<8xf32>
gemma.weight @ln_moe {random = 3 : i64} : tensor<8xf32>
gemma.weight @scalar {random = 4 : i64} : tensor<1xf32>
gemma.weight @head {random = 5 : i64} : tensor<4xf32>

// Two sums on one stream are two phases; the layer scalar belongs to the one before it.
// CHECK-LABEL: func.func @dense(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<?x8xf32>, %[[F:.*]]: tensor<?x8xf32>
func.func @dense(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %f: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[X1:.*]] = gemma.fusion ["residual"] {
  // CHECK-NEXT: %[[N1:.*]] = gemma.rms_norm %[[A]], @ln
  // CHECK-NEXT: %[[S1:.*]] = gemma.add %[[X]], %[[N1]]
  // CHECK-NEXT: gemma.yield %[[S1]]
  // CHECK: %[[X2:.*]] = gemma.fusion ["residual"] {
  // CHECK-NEXT: %[[N2:.*]] = gemma.rms_norm %[[F]], @ln
  // CHECK-NEXT: %[[S2:.*]] = gemma.add %[[N2]], %[[X1]]
  // CHECK-NEXT: %[[R:.*]] = gemma.scale_by %[[S2]], @scalar
  // CHECK-NEXT: gemma.yield %[[R]]
  // CHECK: return %[[X2]]
  %n1 = gemma.rms_norm %a, @ln {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %x1 = gemma.add %x, %n1 : tensor<?x8xf32>
  %n2 = gemma.rms_norm %f, @ln {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %x2 = gemma.add %n2, %x1 : tensor<?x8xf32>
  %r = gemma.scale_by %x2, @scalar : tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// (12), (22), (23): both branches of a MoE layer and their sum in one phase.
// CHECK-LABEL: func.func @moe(
func.func @moe(%x: tensor<?x8xf32>, %f: tensor<?x8xf32>, %y: tensor<?x2x8xf32>, %w: tensor<?x2xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[F:.*]] = gemma.fusion ["residual"] {
  // CHECK-NEXT: gemma.rms_norm %{{.*}}, @ln_dense
  // CHECK-NEXT: gemma.combine
  // CHECK-NEXT: gemma.rms_norm %{{.*}}, @ln_moe
  // CHECK-NEXT: gemma.add
  // CHECK-NEXT: gemma.rms_norm %{{.*}}, @ln {
  // CHECK-NEXT: gemma.add
  // CHECK-NEXT: gemma.yield
  // CHECK: return %[[F]]
  %d = gemma.rms_norm %f, @ln_dense {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %c = gemma.combine %y, %w : tensor<?x2x8xf32>, tensor<?x2xf32> -> tensor<?x8xf32>
  %m = gemma.rms_norm %c, @ln_moe {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %s = gemma.add %d, %m : tensor<?x8xf32>
  %n = gemma.rms_norm %s, @ln {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %r = gemma.add %x, %n : tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// Not a residual: a norm of heads, and a norm that somebody else reads.
// CHECK-LABEL: func.func @others(
func.func @others(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK-NOT: gemma.fusion
  %h = gemma.rms_norm %a, @head {group = 4 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %s = gemma.add %x, %h : tensor<?x8xf32>
  %n = gemma.rms_norm %a, @ln {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %t = gemma.add %x, %n : tensor<?x8xf32>
  return %s, %t, %n : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}
