// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK: gemma.weight @layers.0.q {file = "model.safetensors", offset = 1024 : i64, tensor = "model.layers.0.self_attn.q_proj.weight"} : tensor<64x32xbf16>
gemma.weight @layers.0.q {file = "model.safetensors", tensor = "model.layers.0.self_attn.q_proj.weight", offset = 1024 : i64} : tensor<64x32xbf16>
// CHECK: gemma.weight @layers.0.k quant(q4) {random = 7 : i64} : tensor<64x32xf16>
gemma.weight @layers.0.k quant(q4) {random = 7 : i64} : tensor<64x32xf16>
// CHECK: gemma.weight @norm {literal = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>} : tensor<2xf32>
gemma.weight @norm quant(none) {literal = dense<[1.0, 2.0]> : tensor<2xf32>} : tensor<2xf32>
