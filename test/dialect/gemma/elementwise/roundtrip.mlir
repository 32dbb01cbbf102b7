// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @all
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[Y:.*]]: tensor<?x8xf32>)
func.func @all(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[A:.*]] = gemma.add %[[X]], %[[Y]] : tensor<?x8xf32>
  %a = gemma.add %x, %y : tensor<?x8xf32>
  // CHECK: %[[M:.*]] = gemma.mul %[[A]], %[[Y]] : tensor<?x8xf32>
  %m = gemma.mul %a, %y : tensor<?x8xf32>
  // CHECK: %[[G:.*]] = gemma.gelu %[[M]] : tensor<?x8xf32>
  %g = gemma.gelu %m : tensor<?x8xf32>
  return %g : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @static_rows
func.func @static_rows(%x: tensor<1x8xf32>) -> tensor<1x8xf32> {
  // CHECK: gemma.add %{{.*}}, %{{.*}} : tensor<1x8xf32>
  %a = gemma.add %x, %x : tensor<1x8xf32>
  return %a : tensor<1x8xf32>
}
