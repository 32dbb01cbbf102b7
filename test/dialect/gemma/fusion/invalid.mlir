// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @fusion_c1(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.fusion' op names 0 kinds, expected at least 1}}
  %f = gemma.fusion [] {
    gemma.yield %x : tensor<?x8xf32>
  } : tensor<?x8xf32>
  return
}

// -----

func.func @fusion_c2_count(%x: tensor<?x8xf32>) {
  %f = gemma.fusion ["norm"] {
    // expected-error @+1 {{'gemma.yield' op hands out 2 values, expected 1 as the results of the fusion}}
    gemma.yield %x, %x : tensor<?x8xf32>, tensor<?x8xf32>
  } : tensor<?x8xf32>
  return
}

// -----

func.func @fusion_c2(%x: tensor<?x8xf32>) {
  %f = gemma.fusion ["norm"] {
    // expected-error @+1 {{'gemma.yield' op value 0 is 'tensor<?x8xf32>', expected 'tensor<?x9xf32>' as result 0 of the fusion}}
    gemma.yield %x : tensor<?x8xf32>
  } : tensor<?x9xf32>
  return
}

// -----

func.func @fusion_c3(%x: tensor<?x8xf32>) {
  %f = gemma.fusion ["norm"] {
    // expected-error @+1 {{'gemma.fusion' op stands inside another fusion, expected none inside a fusion}}
    %g = gemma.fusion ["mlp"] {
      gemma.yield %x : tensor<?x8xf32>
    } : tensor<?x8xf32>
    gemma.yield %g : tensor<?x8xf32>
  } : tensor<?x8xf32>
  return
}
