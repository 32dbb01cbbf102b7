// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @softcap
func.func @softcap(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: gemma.softcap %{{.*}} {cap = 3.000000e+01 : f64} : tensor<?x8xf32>
  %a = gemma.softcap %x {cap = 30.0} : tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}
