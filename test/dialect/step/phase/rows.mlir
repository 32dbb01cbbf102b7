// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// phase_c4: one row of a buffer of four, where all rows are live
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<1x64xf32>
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op writes buffer "x" of 1 rows, expected 4 in a phase of rows(all)}}
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
  }
}

// -----

// phase_c4_last: four rows where one is live
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(last) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op writes buffer "x" of 4 rows, expected 1 in a phase of rows(last)}}
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// phase_c4_read: only take_row picks the last row
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<1x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(last) cols(1) do {
      // expected-error @+1 {{'step.copy' op reads buffer "x" of 4 rows, expected 1 in a phase of rows(last)}}
      step.copy %y, %x : memref<1x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// phase_c4_private: not by_row, a task does all rows
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<1x64xf32, "private">
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op writes buffer "x" of 1 rows, expected 4 in a phase of rows(all)}}
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32, "private">
    }
  }
}

// -----

// phase_c4_prologue: a prologue does all rows, in a by_row phase too
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<1x64xf32, "private">
    step.phase "f" rows(all) cols(1) by_row prologue {
      // expected-error @+1 {{'step.rope_table' op writes buffer "x" of 1 rows, expected 4 in a phase of rows(all)}}
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32, "private">
    } do {

    }
  }
}

// -----

// phase_c4_batch: two sequences, two last rows
step.program @p attributes {context = 40, chunk = 16, batch = 2} {
  step.entry @e logits(none) attributes {rows = 4, batch = 2 : i64} {
    %x = step.buffer "x" : memref<1x64xf32>
    step.phase "f" rows(last) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op writes buffer "x" of 1 rows, expected 2 in a phase of rows(last)}}
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
  }
}
