// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<16x8xbf16>

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  // CHECK: gemma.linear %{{.*}}, @w : tensor<?x8xf32> -> tensor<?x16xf32>
  %y = gemma.linear %x, @w : tensor<?x8xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
