// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
gemma.weight @norm {random = 1 : i64} : tensor<4xf32>

// CHECK-LABEL: func.func @rms_norm
func.func @rms_norm(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[A:.*]] = gemma.rms_norm %{{.*}}, @norm {eps = 9.9999999999999995E-7 : f64, group = 4 : i64, offset = 1.000000e+00 : f64} : tensor<?x8xf32>
  %a = gemma.rms_norm %x, @norm {group = 4, eps = 1.0e-6, offset = 1.0} : tensor<?x8xf32>
  // CHECK: gemma.rms_norm %[[A]] {eps = 0.000000e+00 : f64, group = 8 : i64} : tensor<?x8xf32>
  %b = gemma.rms_norm %a {group = 8, eps = 0.0} : tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}
