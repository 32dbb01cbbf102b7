// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @pv
func.func @pv(%p: tensor<?x4x?xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK: gemma.pv %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4x?xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x64xf32>
  %o = gemma.pv %p, %kv, %pos, %seq : tensor<?x4x?xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}
