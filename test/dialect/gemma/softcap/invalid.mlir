// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @softcap_c1(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.softcap' op cap is 0.000000e+00, expected a positive, normal f32}}
  %a = gemma.softcap %x {cap = 0.0} : tensor<?x8xf32>
  return
}

// -----

func.func @softcap_c1_small(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.softcap' op cap is 1.000000e-60, expected a positive, normal f32}}
  %a = gemma.softcap %x {cap = 1.0e-60} : tensor<?x8xf32>
  return
}
