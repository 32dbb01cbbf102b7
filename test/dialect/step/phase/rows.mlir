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

// -----

// phase_c4_take: one row is not the entry's 16, though as many as are live
step.program @p attributes {context = 64, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 16, batch = 1} {
    %a = step.buffer "a" : memref<1x64xf32>
    %b = step.buffer "b" : memref<1x64xf32>
    step.phase "a" rows(last) cols(1) do {
      step.rope_table %a {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "b" rows(last) cols(1) do {
      // expected-error @+1 {{'step.take_row' op takes a row of buffer "a" of 1 rows, expected the 16 rows of the entry}}
      step.take_row %b, %a : memref<1x64xf32>, memref<1x64xf32>
    }
  }
}

// -----

// phase_c4_take_written: the task of one row would read what the task of another writes
step.program @p attributes {context = 64, chunk = 16, batch = 2} {
  step.entry @e logits(none) attributes {rows = 2, batch = 2} {
    %a = step.buffer "a" : memref<2x64xf32>
    %b = step.buffer "b" : memref<2x64xf32>
    step.phase "b" rows(last) cols(1) by_row do {
      // expected-note @+1 {{written here}}
      step.rope_table %a {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<2x64xf32>
      // expected-error @+1 {{'step.take_row' op takes a row of buffer "a", which its phase writes, expected an earlier phase to}}
      step.take_row %b, %a : memref<2x64xf32>, memref<2x64xf32>
    }
  }
}
