// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
gemma.weight @scalar {random = 1 : i64} : tensor<1xbf16>
gemma.weight @columns {random = 2 : i64} : tensor<8xf32>

// CHECK-LABEL: func.func @scale_by
func.func @scale_by(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[A:.*]] = gemma.scale_by %{{.*}}, @scalar : tensor<?x8xf32>
  %a = gemma.scale_by %x, @scalar : tensor<?x8xf32>
  // CHECK: gemma.scale_by %[[A]], @columns : tensor<?x8xf32>
  %b = gemma.scale_by %a, @columns : tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}
