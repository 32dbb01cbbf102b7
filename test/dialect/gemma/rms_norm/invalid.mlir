// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @rms_norm_c1(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.rms_norm' op group is 3, expected a positive divisor of the 8 columns of x}}
  %a = gemma.rms_norm %x {group = 3, eps = 1.0e-6} : tensor<?x8xf32>
  return
}

// -----

func.func @rms_norm_c1_zero(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.rms_norm' op group is 0, expected a positive divisor of the 8 columns of x}}
  %a = gemma.rms_norm %x {group = 0, eps = 1.0e-6} : tensor<?x8xf32>
  return
}

// -----

func.func @rms_norm_c1_unknown(%x: tensor<?x?xf32>) {
  // expected-error @+1 {{'gemma.rms_norm' op group is 4, expected a positive divisor of the ? columns of x}}
  %a = gemma.rms_norm %x {group = 4, eps = 1.0e-6} : tensor<?x?xf32>
  return
}

// -----

func.func @rms_norm_c2(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.rms_norm' op eps is -1.000000e+00, expected 0 or a positive, normal f32}}
  %a = gemma.rms_norm %x {group = 8, eps = -1.0} : tensor<?x8xf32>
  return
}

// -----

func.func @rms_norm_c3_undefined(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.rms_norm' op weight @norm is not defined, expected the name of a gemma.weight}}
  %a = gemma.rms_norm %x, @norm {group = 8, eps = 1.0e-6} : tensor<?x8xf32>
  return
}

// -----

// expected-note @+1 {{weight defined here}}
gemma.weight @norm {random = 1 : i64} : tensor<8xf32>
func.func @rms_norm_c3(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.rms_norm' op weight @norm has shape 8, expected 4}}
  %a = gemma.rms_norm %x, @norm {group = 4, eps = 1.0e-6} : tensor<?x8xf32>
  return
}

// -----

// As an f32 it is 0.
func.func @rms_norm_c2_small(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{'gemma.rms_norm' op eps is 1.000000e-60, expected 0 or a positive, normal f32}}
  %a = gemma.rms_norm %x {group = 64, eps = 1.0e-60} : tensor<?x64xf32>
  return
}
