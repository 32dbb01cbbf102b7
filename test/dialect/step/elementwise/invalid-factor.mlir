// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// scale_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %y {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.scale' op dst has 64 columns and a source 32, expected the same}}
      step.scale %x, %y {factor = 2.0} : memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// softcap_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %y {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.softcap' op dst has 64 columns and a source 32, expected the same}}
      step.softcap %x, %y {cap = 2.0} : memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// softcap_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.softcap' op cap is -2.000000e+00, expected a positive, normal f32}}
      step.softcap %x, %x {cap = -2.0} : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}
