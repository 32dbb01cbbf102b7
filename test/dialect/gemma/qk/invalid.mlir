// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @qk_c1(%q: tensor<?x48xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.qk' op has 3 heads, expected a positive multiple of the 2 KV heads}}
  %s = gemma.qk %q, %kv, %pos, %pos {heads = 3, window = 0, scale = 1.0} : tensor<?x48xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x3x?xf32>
  return
}

// -----

func.func @qk_c2(%q: tensor<?x48xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.qk' op q has 48 columns, expected 64 = heads * head_dim}}
  %s = gemma.qk %q, %kv, %pos, %pos {heads = 4, window = 0, scale = 1.0} : tensor<?x48xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x4x?xf32>
  return
}

// -----

func.func @qk_c3(%q: tensor<?x64xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.qk' op result has shape ?x2x?, expected ?x4x?}}
  %s = gemma.qk %q, %kv, %pos, %pos {heads = 4, window = 0, scale = 1.0} : tensor<?x64xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x2x?xf32>
  return
}

// -----

func.func @qk_c4(%q: tensor<?x64xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.qk' op window is -4, expected 0 (sees every position) to 2147483647}}
  %s = gemma.qk %q, %kv, %pos, %pos {heads = 4, window = -4, scale = 1.0} : tensor<?x64xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x4x?xf32>
  return
}

// -----

func.func @qk_c5(%q: tensor<?x64xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<1xi32>) {
  // expected-error @+1 {{'gemma.qk' op pos has 1 rows, expected ? as q}}
  %s = gemma.qk %q, %kv, %pos, %pos {heads = 4, window = 0, scale = 1.0} : tensor<?x64xf32>, <2 x 16>, tensor<1xi32> -> tensor<?x4x?xf32>
  return
}
