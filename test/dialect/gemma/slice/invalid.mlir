// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @slice_c1(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.slice' op takes columns [6, 6 + 3) of x, which has 8, expected some that it has}}
  %a = gemma.slice %x {offset = 6, size = 3} : tensor<?x8xf32> -> tensor<?x3xf32>
  return
}

// -----

func.func @slice_c1_negative(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.slice' op takes columns [-1, -1 + 3) of x, which has 8, expected some that it has}}
  %a = gemma.slice %x {offset = -1, size = 3} : tensor<?x8xf32> -> tensor<?x3xf32>
  return
}

// -----

func.func @slice_c1_wraps(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.slice' op takes columns [9223372036854775807, 9223372036854775807 + 3) of x, which has 8, expected some that it has}}
  %a = gemma.slice %x {offset = 9223372036854775807, size = 3} : tensor<?x8xf32> -> tensor<?x3xf32>
  return
}

// -----

func.func @slice_c2(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.slice' op result has shape ?x4, expected ?x3}}
  %a = gemma.slice %x {offset = 0, size = 3} : tensor<?x8xf32> -> tensor<?x4xf32>
  return
}
