// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @scale_factor(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{'gemma.scale' op requires attribute 'factor'}}
  %a = gemma.scale %x : tensor<?x8xf32>
  return
}
