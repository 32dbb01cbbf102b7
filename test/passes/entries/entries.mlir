// RUN: gemma-opt %s --gemma-entries | FileCheck %s
// RUN: gemma-opt %s --gemma-entries="batch=3" | FileCheck %s --check-prefix=BATCH

gemma.weight @embed {random = 1 : i64} : tensor<32x8xf32>
gemma.cache @kv.0 {heads = 1 : i64, head_dim = 8 : i64, window = 0 : i64}
func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x32xf32> {
  %x = gemma.embed %tokens, @embed {scale = 2.0 : f64} : tensor<?xi32> -> tensor<?x8xf32>
  %kv = gemma.cache_update @kv.0, %x, %x, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %s = gemma.qk %x, %kv, %pos, %seq {heads = 1 : i64, window = 0 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x1x?xf32>
  %a = gemma.pv %s, %kv, %pos, %seq : tensor<?x1x?xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x8xf32>
  %l = gemma.linear %a, @embed : tensor<?x8xf32> -> tensor<?x32xf32>
  return %l : tensor<?x32xf32>
}

// CHECK-NOT: @forward
// One row for each sequence; the keys of attention scores stay `?`.
// CHECK: func.func @decode(%[[T:.*]]: tensor<1xi32>, %{{.*}}: tensor<1xi32>, %{{.*}}: tensor<1xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "decode"}
// CHECK: gemma.embed %[[T]], @embed {{.*}} -> tensor<1x8xf32>
// CHECK: gemma.qk {{.*}} -> tensor<1x1x?xf32>
// CHECK: func.func @prefill_none({{.*}}) -> tensor<1x32xf32> attributes {gemma.entry = "prefill_none"}
// CHECK: %[[L0:.*]] = gemma.linear {{.*}} -> tensor<?x32xf32>
// CHECK: gemma.take_rows %[[L0]], %{{.*}} {batch = 1 : i64}
// CHECK: func.func @prefill_last(%{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?xi32>, %[[SEQ:.*]]: tensor<?xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "prefill_last"}
// CHECK: %[[L1:.*]] = gemma.linear {{.*}} -> tensor<?x32xf32>
// CHECK: %[[LAST:.*]] = gemma.take_rows %[[L1]], %[[SEQ]] {batch = 1 : i64} : tensor<?x32xf32>, tensor<?xi32> -> tensor<1x32xf32>
// CHECK: return %[[LAST]]
// CHECK: func.func @prefill_all({{.*}}) -> tensor<?x32xf32> attributes {gemma.entry = "prefill_all"}
// CHECK-NOT: take_rows

// BATCH: func.func @decode({{.*}}) -> tensor<3x32xf32>
// BATCH: func.func @prefill_last({{.*}}) -> tensor<3x32xf32>
// BATCH: gemma.take_rows {{.*}} {batch = 3 : i64}
