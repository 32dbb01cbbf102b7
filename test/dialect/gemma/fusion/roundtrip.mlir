// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
gemma.weight @ln {random = 1 : i64} : tensor<8xf32>
gemma.weight @w {random = 2 : i64} : tensor<16x8xf32>

// CHECK-LABEL: func.func @fusion
func.func @fusion(%x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  // CHECK: %[[F:.*]] = gemma.fusion ["norm", "qkv"] {
  %f = gemma.fusion ["norm", "qkv"] {
    // CHECK: %[[H:.*]] = gemma.rms_norm %{{.*}}, @ln
    %h = gemma.rms_norm %x, @ln {group = 8, eps = 1.0e-6} : tensor<?x8xf32>
    // CHECK: %[[Y:.*]] = gemma.linear %[[H]], @w
    %y = gemma.linear %h, @w : tensor<?x8xf32> -> tensor<?x16xf32>
    // CHECK: gemma.yield %[[Y]] : tensor<?x16xf32>
    gemma.yield %y : tensor<?x16xf32>
  // CHECK: } : tensor<?x16xf32>
  } : tensor<?x16xf32>
  // CHECK: gemma.fusion ["empty"] {
  // CHECK-NEXT: }
  gemma.fusion ["empty"] {
  }
  // CHECK: return %[[F]]
  return %f : tensor<?x16xf32>
}
