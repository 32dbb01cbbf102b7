// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
gemma.cache @kv.0 {heads = 2, head_dim = 16, window = 0}

// CHECK-LABEL: func.func @cache_update
func.func @cache_update(%k: tensor<?x32xf32>, %v: tensor<?x32xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) {
  // CHECK: gemma.cache_update @kv.0, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x32xf32>, tensor<?xi32> -> <2 x 16>
  %kv = gemma.cache_update @kv.0, %k, %v, %pos, %seq : tensor<?x32xf32>, tensor<?xi32> -> <2 x 16>
  return
}
