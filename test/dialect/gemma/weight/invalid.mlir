// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// weight_c1: no source
// expected-error @+1 {{'gemma.weight' op has 0 of file, literal and random, expected exactly 1}}
gemma.weight @weight_c1 : tensor<4xf32>

// -----

// weight_c1: two sources
// expected-error @+1 {{'gemma.weight' op has 2 of file, literal and random, expected exactly 1}}
gemma.weight @weight_c1_two {random = 1 : i64, literal = dense<0.0> : tensor<4xf32>} : tensor<4xf32>

// -----

// expected-error @+1 {{'gemma.weight' op offset is -8, expected at least 0}}
gemma.weight @weight_c2 {file = "m.safetensors", tensor = "w", offset = -8 : i64} : tensor<4xf32>

// -----

// expected-error @+1 {{'gemma.weight' op has file without offset, expected both}}
gemma.weight @weight_c2_missing {file = "m.safetensors", tensor = "w"} : tensor<4xf32>

// -----

// expected-error @+1 {{'gemma.weight' op has offset without file, expected both or none}}
gemma.weight @weight_c2_alone {random = 1 : i64, offset = 8 : i64} : tensor<4xf32>

// -----

// expected-error @+1 {{'gemma.weight' op shape is 4x?, expected static dimensions of 1 to 2147483647}}
gemma.weight @weight_c3 {random = 1 : i64} : tensor<4x?xf32>

// -----

// expected-error @+1 {{'gemma.weight' op shape is 4x0, expected static dimensions of 1 to 2147483647}}
gemma.weight @weight_c3_zero {random = 1 : i64} : tensor<4x0xf32>

// -----

// expected-error @+1 {{'gemma.weight' op literal is 'tensor<3xf32>', expected 'tensor<4xf32>'}}
gemma.weight @weight_c4 {literal = dense<0.0> : tensor<3xf32>} : tensor<4xf32>

// -----

// expected-error @+1 {{attribute 'type' failed to satisfy constraint}}
gemma.weight @weight_type {random = 1 : i64} : tensor<4xi32>

// -----

// expected-error @+1 {{'gemma.weight' op literal is 'tensor<4xi32>', expected 'tensor<4xf32>'}}
gemma.weight @weight_c4_type {literal = dense<1> : tensor<4xi32>} : tensor<4xf32>

// -----

// expected-error @+1 {{'gemma.weight' op shape is 4611686018427387904x64, expected static dimensions of 1 to 2147483647}}
gemma.weight @weight_c3_long {random = 1 : i64} : tensor<4611686018427387904x64xf32>

// -----

// expected-error @+1 {{'gemma.weight' op shape is 2147483647x2147483647x2147483647, expected at most 1099511627776 elements}}
gemma.weight @weight_c3_elements {random = 1 : i64} : tensor<2147483647x2147483647x2147483647xf32>
