// RUN: gemma-opt %s --pass-pipeline='builtin.module(func.func(gemma-fuse-mlp,gemma-fuse-residual,gemma-fuse-norm))' | FileCheck %s

gemma.weight @ln {random = 1 : i64} : tensor<8xf32>
gemma.weight @gate {random = 2 : i64} : tensor<16x8xf32>
gemma.weight @up {random = 3 : i64} : tensor<16x8xf32>
gemma.weight @router {random = 4 : i64} : tensor<4x8xf32>
gemma.weight @router_scale {random = 5 : i64} : tensor<8xf32>

// The residual sum and the norm become the prologue of gate and up; the sum is still handed out.
// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[A:.*]]: tensor<?x8xf32>
func.func @layer(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x16xf32>) {
  // CHECK-NEXT: %[[F:.*]]:2 = gemma.fusion ["residual", "mlp", "norm"] {
  // CHECK-NEXT: %[[N:.*]] = gemma.rms_norm %[[A]], @ln
  // CHECK-NEXT: %[[X1:.*]] = gemma.add %[[X]], %[[N]]
  // CHECK-NEXT: %[[H:.*]] = gemma.rms_norm %[[X1]], @ln
  // CHECK-NEXT: gemma.linear %[[H]], @gate
  // CHECK-NEXT: gemma.linear %[[H]], @up
  // CHECK-NEXT: gemma.gelu
  // CHECK-NEXT: %[[M:.*]] = gemma.mul
  // CHECK-NEXT: gemma.yield %[[X1]], %[[M]]
  // CHECK: return %[[F]]#0, %[[F]]#1
  %n = gemma.rms_norm %a, @ln {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %x1 = gemma.add %x, %n : tensor<?x8xf32>
  %h = gemma.rms_norm %x1, @ln {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %g = gemma.linear %h, @gate : tensor<?x8xf32> -> tensor<?x16xf32>
  %u = gemma.linear %h, @up : tensor<?x8xf32> -> tensor<?x16xf32>
  %ga = gemma.gelu %g : tensor<?x16xf32>
  %m = gemma.mul %ga, %u : tensor<?x16xf32>
  return %x1, %m : tensor<?x8xf32>, tensor<?x16xf32>
}

// (20): the router's norm comes with its scales.
// CHECK-LABEL: func.func @router_of(
func.func @router_of(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  // CHECK-NEXT: gemma.fusion ["norm"] {
  // CHECK-NEXT: gemma.rms_norm
  // CHECK-NEXT: gemma.scale_by
  // CHECK-NEXT: gemma.scale
  // CHECK-NEXT: gemma.linear
  // CHECK-NEXT: gemma.yield
  %n = gemma.rms_norm %x {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %s = gemma.scale_by %n, @router_scale : tensor<?x8xf32>
  %c = gemma.scale %s {factor = 0.35 : f64} : tensor<?x8xf32>
  %l = gemma.linear %c, @router : tensor<?x8xf32> -> tensor<?x4xf32>
  return %l : tensor<?x4xf32>
}

// A norm that two phases read is made once, in a phase of its own; so is one that leaves the function.
// CHECK-LABEL: func.func @two_readers(
func.func @two_readers(%x: tensor<?x8xf32>) -> (tensor<?x16xf32>, tensor<?x4xf32>) {
  // CHECK-NOT: gemma.fusion
  %n = gemma.rms_norm %x, @ln {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %g = gemma.linear %n, @gate : tensor<?x8xf32> -> tensor<?x16xf32>
  %r = gemma.linear %n, @router : tensor<?x8xf32> -> tensor<?x4xf32>
  return %g, %r : tensor<?x16xf32>, tensor<?x4xf32>
}
