// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @rope
func.func @rope(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK: %[[A:.*]] = gemma.rope %{{.*}}, %{{.*}} {angles = 16 : i64, head_dim = 32 : i64, theta = 1.000000e+04 : f64} : tensor<?x64xf32>, tensor<?xi32>
  %a = gemma.rope %x, %pos {head_dim = 32, angles = 16, theta = 10000.0} : tensor<?x64xf32>, tensor<?xi32>
  // CHECK: gemma.rope %[[A]], %{{.*}} {angles = 4 : i64, factor = 8.000000e+00 : f64, head_dim = 64 : i64, theta = 1.000000e+06 : f64}
  %b = gemma.rope %a, %pos {head_dim = 64, angles = 4, theta = 1000000.0, factor = 8.0} : tensor<?x64xf32>, tensor<?xi32>
  return %b : tensor<?x64xf32>
}
