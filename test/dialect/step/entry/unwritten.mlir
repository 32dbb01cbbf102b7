// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// entry_c5: nobody wrote x
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-note @+1 {{buffer defined here}}
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x64xf32>
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.copy' op reads column 0 of buffer "x" before it is written, expected an earlier phase or this task to write it first}}
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// entry_c5_private: scratch does not last from phase to phase
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-note @+1 {{buffer defined here}}
    %h = step.buffer "h" : memref<4x64xf32, "private">
    %y = step.buffer "y" : memref<4x64xf32>
    step.phase "f" rows(all) cols(1) do {
      step.rope_table %h {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32, "private">
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.copy' op reads column 0 of buffer "h" before it is written, expected this phase to write it first}}
      step.copy %y, %h : memref<4x64xf32>, memref<4x64xf32, "private">
    }
  }
}

// -----

// entry_c5_case: some tasks read what only others wrote
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-note @+1 {{buffer defined here}}
    %h = step.buffer "h" : memref<4x16xf32, "private">
    %y = step.buffer "y" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      step.case 0 to 2 {
        step.rope_table %h {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x16xf32, "private">
      }
      %t = step.tile %y {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      // expected-error @+1 {{'step.copy' op reads column 0 of buffer "h" before it is written, expected this phase to write it first}}
      step.copy %t, %h : memref<4x16xf32>, memref<4x16xf32, "private">
    }
  }
}

// -----

// Cases that together are all tasks write it for all.
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %h = step.buffer "h" : memref<4x16xf32, "private">
    %y = step.buffer "y" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      step.case 0 to 2 {
        step.rope_table %h {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x16xf32, "private">
      }
      step.case 2 to 4 {
        step.rope_table %h {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x16xf32, "private">
      }
      %t = step.tile %y {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      step.copy %t, %h : memref<4x16xf32>, memref<4x16xf32, "private">
    }
  }
}

// -----

// entry_c5_logits
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.entry' op yields buffer "l", column 0 of which no phase writes, expected some phase to}}
  step.entry @e logits(all) attributes {rows = 4} {
    %l = step.buffer "l" : memref<4x64xf32>
    step.yield %l : memref<4x64xf32>
  }
}

// -----

// entry_c5_logits_columns: no phase writes the last 16
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.entry' op yields buffer "l", column 48 of which no phase writes, expected some phase to}}
  step.entry @e logits(all) attributes {rows = 4} {
    %l = step.buffer "l" : memref<4x64xf32>
    step.phase "f" rows(all) cols(3) do {
      %t = step.tile %l {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      step.rope_table %t {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x16xf32>
    }
    step.yield %l : memref<4x64xf32>
  }
}
