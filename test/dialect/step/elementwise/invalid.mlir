// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// gelu_c1
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
      // expected-error @+1 {{'step.gelu' op dst has 64 columns and a source 32, expected the same}}
      step.gelu %x, %y : memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// copy_c1
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
      // expected-error @+1 {{'step.copy' op dst has 64 columns and a source 32, expected the same}}
      step.copy %x, %y : memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// softmax_c1
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
      // expected-error @+1 {{'step.softmax' op dst has 64 columns and a source 32, expected the same}}
      step.softmax %x, %y : memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// add_c1
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
      // expected-error @+1 {{'step.add' op dst has 64 columns and a source 32, expected the same}}
      step.add %x, %x, %y : memref<4x64xf32>, memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// mul_c1
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
      // expected-error @+1 {{'step.mul' op dst has 64 columns and a source 32, expected the same}}
      step.mul %x, %x, %y : memref<4x64xf32>, memref<4x64xf32>, memref<4x32xf32>
    }
  }
}
