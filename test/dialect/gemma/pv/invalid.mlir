// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @pv_c1(%p: tensor<?x3x?xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.pv' op has 3 heads, expected a positive multiple of the 2 KV heads}}
  %o = gemma.pv %p, %kv, %pos, %pos : tensor<?x3x?xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x48xf32>
  return
}

// -----

func.func @pv_c1_shape(%p: tensor<?x4x64xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.pv' op p has shape ?x4x64, expected rows x heads x ?}}
  %o = gemma.pv %p, %kv, %pos, %pos : tensor<?x4x64xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x64xf32>
  return
}

// -----

func.func @pv_c2(%p: tensor<?x4x?xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.pv' op result has 32 columns, expected 64 = heads * head_dim}}
  %o = gemma.pv %p, %kv, %pos, %pos : tensor<?x4x?xf32>, <2 x 16>, tensor<?xi32> -> tensor<?x32xf32>
  return
}

// -----

func.func @pv_c2_rows(%p: tensor<?x4x?xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.pv' op result has 1 rows, expected ? as p}}
  %o = gemma.pv %p, %kv, %pos, %pos : tensor<?x4x?xf32>, <2 x 16>, tensor<?xi32> -> tensor<1x64xf32>
  return
}

// -----

func.func @pv_c3(%p: tensor<?x4x?xf32>, %kv: !gemma.kv<2 x 16>, %pos: tensor<1xi32>) {
  // expected-error @+1 {{'gemma.pv' op pos has 1 rows, expected ? as p}}
  %o = gemma.pv %p, %kv, %pos, %pos : tensor<?x4x?xf32>, <2 x 16>, tensor<1xi32> -> tensor<?x64xf32>
  return
}
