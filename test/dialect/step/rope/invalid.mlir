// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// rope_table_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op dst has 32 columns, expected 16 = 2 * angles}}
      step.rope_table %t {head_dim = 32, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
  }
}

// -----

// rope_table_c1_angles
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op angles is 17, expected 1 to 16 = head_dim / 2}}
      step.rope_table %t {head_dim = 32, angles = 17, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
  }
}

// -----

// rope_table_c1_odd
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op head_dim is 31, expected an even, positive number}}
      step.rope_table %t {head_dim = 31, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
  }
}

// -----

// rope_table_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op theta is 1.000000e+04 and factor 0.000000e+00, expected positive, normal f32}}
      step.rope_table %t {head_dim = 32, angles = 16, theta = 10000.0, factor = 0.0} : memref<4x32xf32>
    }
  }
}

// -----

// rope_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %t {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope' op head_dim is 48, expected a divisor of the 64 columns of src}}
      step.rope %x, %x, %t {head_dim = 48, angles = 16} : memref<4x64xf32>, memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// rope_c1_columns
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %t {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope' op dst has 32 columns, expected 64 = columns of src}}
      step.rope %t, %x, %t {head_dim = 32, angles = 16} : memref<4x32xf32>, memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// rope_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %t {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope' op table has 32 columns, expected 16 = 2 * angles}}
      step.rope %x, %x, %t {head_dim = 32, angles = 8} : memref<4x64xf32>, memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// rope_c2_angles
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %t {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope' op angles is 0, expected 1 to 16 = head_dim / 2}}
      step.rope %x, %x, %t {head_dim = 32, angles = 0} : memref<4x64xf32>, memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// rope_table: the table is read for every head, so it is not what is turned
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %t = step.buffer "t" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %t {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope' op reads columns [0, 32) and writes columns [0, 32) of buffer "t"}}
      step.rope %t, %t, %t {head_dim = 32, angles = 16} : memref<4x32xf32>, memref<4x32xf32>, memref<4x32xf32>
    }
  }
}
