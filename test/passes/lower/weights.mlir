// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 compute=int8})' | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 compute=bf16})' | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 compute=f32})' | FileCheck %s --check-prefixes=CHECK,F32

// Formats follow the stored type and the quantisation, activations the format and --compute. A table that is also streamed
// (tied embeddings) is packed once, for both. Only bf16 rounds the embedding's scale.
gemma.weight @tied {random = 1 : i64, quant = 1 : i32} : tensor<64x64xbf16>
gemma.weight @rows_q8 {random = 2 : i64, quant = 1 : i32} : tensor<16x64xbf16>
gemma.weight @rows_f16 {random = 3 : i64} : tensor<16x64xf16>
gemma.weight @rows_bf16 {random = 3 : i64} : tensor<16x64xbf16>
gemma.weight @rows_f32 {random = 3 : i64} : tensor<16x64xf32>
gemma.weight @q4 {random = 4 : i64, quant = 2 : i32} : tensor<64x64xbf16>
gemma.weight @bf16 {random = 5 : i64} : tensor<64x64xbf16>
gemma.weight @f16 {random = 6 : i64} : tensor<64x64xf16>
gemma.weight @f32 {random = 7 : i64} : tensor<64x64xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x64xf32> attributes {gemma.entry = "decode"} {
  %0 = gemma.embed %tokens, @tied {scale = 7.1 : f64} : tensor<1xi32> -> tensor<1x64xf32>
  %1 = gemma.embed %tokens, @rows_q8 {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32>
  %2 = gemma.embed %tokens, @rows_f16 {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32>
  %3 = gemma.embed %tokens, @rows_bf16 {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32>
  %4 = gemma.embed %tokens, @rows_f32 {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32>
  %a = gemma.linear %0, @q4 : tensor<1x64xf32> -> tensor<1x64xf32>
  %b = gemma.linear %1, @bf16 : tensor<1x64xf32> -> tensor<1x64xf32>
  %c = gemma.linear %2, @f16 : tensor<1x64xf32> -> tensor<1x64xf32>
  %d = gemma.linear %3, @f32 : tensor<1x64xf32> -> tensor<1x64xf32>
  %e = gemma.linear %4, @tied : tensor<1x64xf32> -> tensor<1x64xf32>
  return %e : tensor<1x64xf32>
}

// CHECK-DAG: step.weight @rows_q8 rows_q8
// CHECK-DAG: step.weight @rows_f16 rows_f16
// CHECK-DAG: step.weight @rows_bf16 rows_bf16
// CHECK-DAG: step.weight @rows_f32 rows_f32
// CHECK-DAG: step.weight @q4 q4p16
// CHECK-DAG: step.weight @bf16 bf16p16
// CHECK-DAG: step.weight @f16 f16p16
// CHECK-DAG: step.weight @f32 f32p16
// CHECK-DAG: step.weight @tied q8p16
// CHECK: step.entry
// INT8: step.embed %{{.*}}, @tied {scale = 7.100000e+00 : f64}
// BF16: step.embed %{{.*}}, @tied {scale = 7.093750e+00 : f64}
// F32: step.embed %{{.*}}, @tied {scale = 7.100000e+00 : f64}
// INT8: step.buffer "q4.act" : memref<1x128xi8, "private">
// INT8: step.matmul %{{.*}}, @q4 as i8
// INT8: step.matmul %{{.*}}, @bf16 as bf16
// INT8: step.matmul %{{.*}}, @f16 as bf16
// INT8: step.matmul %{{.*}}, @f32 as f32
// INT8: step.matmul %{{.*}}, @tied as i8
// BF16-COUNT-5: step.matmul {{.*}} as bf16
// F32-COUNT-5: step.matmul {{.*}} as f32
