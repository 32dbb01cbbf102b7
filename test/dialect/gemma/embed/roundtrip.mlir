// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
gemma.weight @embed {random = 1 : i64} : tensor<100x8xbf16>

// CHECK-LABEL: func.func @embed_rows
func.func @embed_rows(%tokens: tensor<?xi32>) -> tensor<?x8xf32> {
  // CHECK: gemma.embed %{{.*}}, @embed {scale = 8.000000e+00 : f64} : tensor<?xi32> -> tensor<?x8xf32>
  %x = gemma.embed %tokens, @embed {scale = 8.0} : tensor<?xi32> -> tensor<?x8xf32>
  return %x : tensor<?x8xf32>
}
