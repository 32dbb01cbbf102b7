// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @cache_update_c1_undefined(%k: tensor<?x32xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.cache_update' op cache @kv.0 is not defined, expected the name of a gemma.cache}}
  %kv = gemma.cache_update @kv.0, %k, %k, %pos, %pos : tensor<?x32xf32>, tensor<?xi32> -> <2 x 16>
  return
}

// -----

gemma.weight @kv.0 {random = 1 : i64} : tensor<8xf32>
func.func @cache_update_c1_kind(%k: tensor<?x32xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.cache_update' op cache @kv.0 is not a gemma.cache}}
  %kv = gemma.cache_update @kv.0, %k, %k, %pos, %pos : tensor<?x32xf32>, tensor<?xi32> -> <2 x 16>
  return
}

// -----

// expected-note @+1 {{cache defined here}}
gemma.cache @kv.0 {heads = 1, head_dim = 32, window = 0}
func.func @cache_update_c1(%k: tensor<?x32xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.cache_update' op result has 2 heads of 16, expected 1 of 32 as cache @kv.0}}
  %kv = gemma.cache_update @kv.0, %k, %k, %pos, %pos : tensor<?x32xf32>, tensor<?xi32> -> <2 x 16>
  return
}

// -----

gemma.cache @kv.0 {heads = 2, head_dim = 16, window = 0}
func.func @cache_update_c2(%k: tensor<?x48xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.cache_update' op k has 48 columns, expected 32 = heads * head_dim of the result}}
  %kv = gemma.cache_update @kv.0, %k, %k, %pos, %pos : tensor<?x48xf32>, tensor<?xi32> -> <2 x 16>
  return
}

// -----

gemma.cache @kv.0 {heads = 2, head_dim = 16, window = 0}
func.func @cache_update_c3(%k: tensor<?x32xf32>, %pos: tensor<1xi32>) {
  // expected-error @+1 {{'gemma.cache_update' op pos has 1 rows, expected ? as k}}
  %kv = gemma.cache_update @kv.0, %k, %k, %pos, %pos : tensor<?x32xf32>, tensor<1xi32> -> <2 x 16>
  return
}

// -----

gemma.cache @kv.0 {heads = 2, head_dim = 16, window = 0}
func.func @cache_update_c4(%k: tensor<?x32xf32>, %pos: tensor<?xi32>) {
  // expected-note @+1 {{first updated here}}
  %a = gemma.cache_update @kv.0, %k, %k, %pos, %pos : tensor<?x32xf32>, tensor<?xi32> -> <2 x 16>
  // expected-error @+1 {{'gemma.cache_update' op updates cache @kv.0 a second time, expected one update of it in a function}}
  %b = gemma.cache_update @kv.0, %k, %k, %pos, %pos : tensor<?x32xf32>, tensor<?xi32> -> <2 x 16>
  return
}
