// RUN: gemma-opt %s --gemma-share-kv | FileCheck %s

// CHECK: gemma.cache @kv.0
gemma.cache @kv.0 {heads = 1 : i64, head_dim = 8 : i64, window = 4 : i64}
// The same content, the same window.
// CHECK-NOT: @kv.1 {
gemma.cache @kv.1 {heads = 1 : i64, head_dim = 8 : i64, window = 4 : i64}
// A longer window than @kv.0 keeps.
// CHECK: gemma.cache @kv.2
gemma.cache @kv.2 {heads = 1 : i64, head_dim = 8 : i64, window = 0 : i64}
// Shorter: @kv.0 covers it.
// CHECK-NOT: @kv.3 {
gemma.cache @kv.3 {heads = 1 : i64, head_dim = 8 : i64, window = 3 : i64}
// Other values.
// CHECK: gemma.cache @kv.4
gemma.cache @kv.4 {heads = 1 : i64, head_dim = 8 : i64, window = 4 : i64}
// Shared in @prefill, but not in @decode.
// CHECK: gemma.cache @kv.5
gemma.cache @kv.5 {heads = 1 : i64, head_dim = 8 : i64, window = 4 : i64}

// CHECK-LABEL: func.func @prefill(
// CHECK-SAME: %[[K:.*]]: tensor<?x8xf32>, %[[V:.*]]: tensor<?x8xf32>
func.func @prefill(%k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>)
    -> (!gemma.kv<1 x 8>, !gemma.kv<1 x 8>, !gemma.kv<1 x 8>, !gemma.kv<1 x 8>, !gemma.kv<1 x 8>, !gemma.kv<1 x 8>) {
  // CHECK: %[[KV0:.*]] = gemma.cache_update @kv.0, %[[K]], %[[V]]
  %0 = gemma.cache_update @kv.0, %k, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %1 = gemma.cache_update @kv.1, %k, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  // CHECK-NEXT: %[[KV2:.*]] = gemma.cache_update @kv.2, %[[K]], %[[V]]
  %2 = gemma.cache_update @kv.2, %k, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %3 = gemma.cache_update @kv.3, %k, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  // CHECK-NEXT: %[[KV4:.*]] = gemma.cache_update @kv.4, %[[V]], %[[K]]
  %4 = gemma.cache_update @kv.4, %v, %k, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  // CHECK-NEXT: %[[KV5:.*]] = gemma.cache_update @kv.5
  %5 = gemma.cache_update @kv.5, %k, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  // CHECK-NEXT: return %[[KV0]], %[[KV0]], %[[KV2]], %[[KV0]], %[[KV4]], %[[KV5]]
  return %0, %1, %2, %3, %4, %5 : !gemma.kv<1 x 8>, !gemma.kv<1 x 8>, !gemma.kv<1 x 8>, !gemma.kv<1 x 8>, !gemma.kv<1 x 8>, !gemma.kv<1 x 8>
}
func.func @decode(%k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) {
  // CHECK-LABEL: func.func @decode
  // CHECK-NEXT: gemma.cache_update @kv.0
  // CHECK-NEXT: gemma.cache_update @kv.5
  // CHECK-NEXT: return
  %0 = gemma.cache_update @kv.0, %k, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %1 = gemma.cache_update @kv.1, %k, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %3 = gemma.cache_update @kv.3, %k, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %5 = gemma.cache_update @kv.5, %v, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  return
}
