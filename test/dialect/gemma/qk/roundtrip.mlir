// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @qk
func.func @qk(%q: tensor<?x64xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x4x?xf32> {
  // CHECK: gemma.qk %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {heads = 4 : i64, scale = 1.000000e+00 : f64, window = 8 : i64} : tensor<?x64xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x4x?xf32>
  %s = gemma.qk %q, %kv, %pos, %seq {heads = 4, window = 8, scale = 1.0} : tensor<?x64xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x4x?xf32>
  return %s : tensor<?x4x?xf32>
}
