// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @rope_c1(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.rope' op head_dim is 48, expected an even, positive divisor of the 64 columns of x}}
  %a = gemma.rope %x, %pos {head_dim = 48, angles = 16, theta = 10000.0} : tensor<?x64xf32>, tensor<?xi32>
  return
}

// -----

func.func @rope_c1_odd(%x: tensor<?x27xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.rope' op head_dim is 9, expected an even, positive divisor of the 27 columns of x}}
  %a = gemma.rope %x, %pos {head_dim = 9, angles = 4, theta = 10000.0} : tensor<?x27xf32>, tensor<?xi32>
  return
}

// -----

func.func @rope_c2(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.rope' op angles is 17, expected 1 to 16 = head_dim / 2}}
  %a = gemma.rope %x, %pos {head_dim = 32, angles = 17, theta = 10000.0} : tensor<?x64xf32>, tensor<?xi32>
  return
}

// -----

func.func @rope_c3(%x: tensor<?x64xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.rope' op theta is 1.000000e+04 and factor 0.000000e+00, expected positive, normal f32}}
  %a = gemma.rope %x, %pos {head_dim = 32, angles = 16, theta = 10000.0, factor = 0.0} : tensor<?x64xf32>, tensor<?xi32>
  return
}

// -----

func.func @rope_c4(%x: tensor<?x64xf32>, %pos: tensor<3xi32>) {
  // expected-error @+1 {{'gemma.rope' op pos has 3 rows, expected ? as x}}
  %a = gemma.rope %x, %pos {head_dim = 32, angles = 16, theta = 10000.0} : tensor<?x64xf32>, tensor<3xi32>
  return
}

// -----

// As an f32 it is infinity.
func.func @rope_c3_large(%x: tensor<?x32xf32>, %pos: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.rope' op theta is 1.000000e+40 and factor 1.000000e+00, expected positive, normal f32}}
  %a = gemma.rope %x, %pos {head_dim = 32, angles = 16, theta = 1.0e40} : tensor<?x32xf32>, tensor<?xi32>
  return
}
