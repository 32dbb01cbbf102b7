// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @scale
func.func @scale(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: gemma.scale %{{.*}} {factor = 5.000000e-01 : f64} : tensor<?x8xf32>
  %a = gemma.scale %x {factor = 0.5} : tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}
