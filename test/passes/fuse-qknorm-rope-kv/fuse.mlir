// RUN: gemma-opt %s --gemma-fuse-qkv --gemma-fuse-qknorm-rope-kv | FileCheck %s
// RUN: gemma-opt %s --gemma-fuse-qknorm-rope-kv | FileCheck %s --check-prefix=ALONE

gemma.weight @q {random = 1 : i64} : tensor<16x8xf32>
gemma.weight @k {random = 2 : i64} : tensor<8x8xf32>
gemma.weight @v {random = 3 : i64} : tensor<8x8xf32>
gemma.weight @qn {random = 4 : i64} : tensor<8xf32>
gemma.weight @kn {random = 5 : i64} : tensor<8xf32>
gemma.cache @kv {heads = 1 : i64, head_dim = 8 : i64, window = 0 : i64}

// CHECK-LABEL: func.func @layer(
// CHECK: %[[F:.*]]:2 = gemma.fusion ["qkv", "qknorm-rope-kv"] {
// CHECK-DAG: %[[Q:.*]] = gemma.linear %{{.*}}, @q
// CHECK-DAG: %[[K:.*]] = gemma.linear %{{.*}}, @k
// CHECK-DAG: %[[V:.*]] = gemma.linear %{{.*}}, @v
// CHECK-DAG: %[[QN:.*]] = gemma.rms_norm %[[Q]], @qn
// CHECK-DAG: %[[QR:.*]] = gemma.rope %[[QN]]
// CHECK-DAG: %[[KN:.*]] = gemma.rms_norm %[[K]], @kn
// CHECK-DAG: %[[KR:.*]] = gemma.rope %[[KN]]
// CHECK-DAG: %[[VN:.*]] = gemma.rms_norm %[[V]] {
// CHECK: %[[KV:.*]] = gemma.cache_update @kv, %[[KR]], %[[VN]]
// CHECK: gemma.yield %[[QR]], %[[KV]]
// CHECK: gemma.qk %[[F]]#0, %[[F]]#1

// Each projection for itself; the cache write needs two of them and stands alone.
// ALONE-LABEL: func.func @layer(
// ALONE: %[[Q:.*]] = gemma.fusion ["qknorm-rope-kv"] {
// ALONE-NEXT: gemma.linear %{{.*}}, @q
// ALONE-NEXT: gemma.rms_norm %{{.*}}, @qn
// ALONE-NEXT: gemma.rope
// ALONE-NEXT: gemma.yield
// ALONE: %[[K:.*]] = gemma.fusion ["qknorm-rope-kv"] {
// ALONE-NEXT: gemma.linear %{{.*}}, @k
// ALONE-NEXT: gemma.rms_norm %{{.*}}, @kn
// ALONE-NEXT: gemma.rope
// ALONE-NEXT: gemma.yield
// ALONE: %[[V:.*]] = gemma.fusion ["qknorm-rope-kv"] {
// ALONE-NEXT: gemma.linear %{{.*}}, @v
// ALONE-NEXT: gemma.rms_norm
// ALONE-NEXT: gemma.yield
// ALONE: %[[KV:.*]] = gemma.cache_update @kv, %[[K]], %[[V]]
// ALONE: gemma.qk %[[Q]], %[[KV]]
func.func @layer(%h: tensor<?x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x2x?xf32> {
  %q = gemma.linear %h, @q : tensor<?x8xf32> -> tensor<?x16xf32>
  %qn = gemma.rms_norm %q, @qn {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x16xf32>
  %qr = gemma.rope %qn, %pos {head_dim = 8 : i64, angles = 4 : i64, theta = 10000.0 : f64} : tensor<?x16xf32>, tensor<?xi32>
  %k = gemma.linear %h, @k : tensor<?x8xf32> -> tensor<?x8xf32>
  %v = gemma.linear %h, @v : tensor<?x8xf32> -> tensor<?x8xf32>
  %kn = gemma.rms_norm %k, @kn {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %kr = gemma.rope %kn, %pos {head_dim = 8 : i64, angles = 4 : i64, theta = 10000.0 : f64} : tensor<?x8xf32>, tensor<?xi32>
  %vn = gemma.rms_norm %v {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %kv = gemma.cache_update @kv, %kr, %vn, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %s = gemma.qk %qr, %kv, %pos, %seq {heads = 2 : i64, window = 0 : i64, scale = 1.0 : f64} : tensor<?x16xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x2x?xf32>
  return %s : tensor<?x2x?xf32>
}

// K = V (gemma4.md (17)): one projection holds both halves, so the write joins it even without gemma-fuse-qkv.
// ALONE-LABEL: func.func @key_is_value(
// ALONE: gemma.fusion ["qknorm-rope-kv"] {
// ALONE: %[[RAW:.*]] = gemma.linear %{{.*}}, @k
// ALONE: %[[KN:.*]] = gemma.rms_norm %[[RAW]], @kn
// ALONE: %[[VN:.*]] = gemma.rms_norm %[[RAW]] {
// ALONE: gemma.cache_update @kv, %[[KN]], %[[VN]]
// ALONE: gemma.yield
func.func @key_is_value(%h: tensor<?x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> !gemma.kv<1 x 8> {
  %k = gemma.linear %h, @k : tensor<?x8xf32> -> tensor<?x8xf32>
  %kn = gemma.rms_norm %k, @kn {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %vn = gemma.rms_norm %k {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %kv = gemma.cache_update @kv, %kn, %vn, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  return %kv : !gemma.kv<1 x 8>
}
