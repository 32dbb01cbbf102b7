// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK: gemma.cache @kv.0 {head_dim = 32 : i64, heads = 2 : i64, window = 0 : i64}
gemma.cache @kv.0 {heads = 2, head_dim = 32, window = 0}
// CHECK: gemma.cache @kv.1 {head_dim = 16 : i64, heads = 1 : i64, window = 512 : i64}
gemma.cache @kv.1 {heads = 1, head_dim = 16, window = 512}
