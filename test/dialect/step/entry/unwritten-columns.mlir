// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// entry_c5_columns: an earlier phase wrote the first 16 columns only
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    // expected-note @+1 {{buffer defined here}}
    %x = step.buffer "x" : memref<1x64xf32>
    %y = step.buffer "y" : memref<1x64xf32>
    step.phase "a" rows(all) cols(1) do {
      %t = step.tile %x {offset = 0, stride = 0, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.rope_table %t {head_dim = 16, angles = 8, theta = 1.0, factor = 1.0} : memref<1x16xf32>
    }
    step.barrier
    step.phase "b" rows(all) cols(1) do {
      // expected-error @+1 {{'step.copy' op reads column 16 of buffer "x" before it is written, expected an earlier phase or this task to write it first}}
      step.copy %y, %x : memref<1x64xf32>, memref<1x64xf32>
    }
  }
}

// -----

// entry_c5_task: task 0 reads private columns that only task 1 wrote, in a scratch that need not be the same
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    // expected-note @+1 {{buffer defined here}}
    %p = step.buffer "p" : memref<1x64xf32, "private">
    step.phase "a" rows(all) cols(2) do {
      %t = step.tile %p {offset = 0, stride = 32, width = 32} : memref<1x64xf32, "private"> -> memref<1x32xf32, "private">
      step.rope_table %t {head_dim = 32, angles = 16, theta = 1.0, factor = 1.0} : memref<1x32xf32, "private">
      step.case 0 to 1 {
        %d = step.tile %x {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
        %u = step.tile %p {offset = 32, stride = 0, width = 32} : memref<1x64xf32, "private"> -> memref<1x32xf32, "private">
        // expected-error @+1 {{'step.copy' op reads column 32 of buffer "p" before it is written, expected this phase to write it first}}
        step.copy %d, %u : memref<1x32xf32>, memref<1x32xf32, "private">
      }
    }
  }
}

// -----

// entry_c5_gaps: tiles narrower than their stride leave columns out
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    // expected-note @+1 {{buffer defined here}}
    %x = step.buffer "x" : memref<1x64xf32>
    %y = step.buffer "y" : memref<1x64xf32>
    step.phase "a" rows(all) cols(2) do {
      %t = step.tile %x {offset = 0, stride = 32, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.rope_table %t {head_dim = 16, angles = 8, theta = 1.0, factor = 1.0} : memref<1x16xf32>
    }
    step.barrier
    step.phase "b" rows(all) cols(2) do {
      %t = step.tile %x {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
      %u = step.tile %y {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
      // expected-error @+1 {{'step.copy' op reads column 16 of buffer "x" before it is written, expected an earlier phase or this task to write it first}}
      step.copy %u, %t : memref<1x32xf32>, memref<1x32xf32>
    }
  }
}

// -----

// Pieces that together are all columns: of two phases, of the prologue and of the task itself.
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %y = step.buffer "y" : memref<1x96xf32>
    %p = step.buffer "p" : memref<1x48xf32, "private">
    step.phase "a" rows(all) cols(2) do {
      %t = step.tile %x {offset = 0, stride = 32, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.rope_table %t {head_dim = 16, angles = 8, theta = 1.0, factor = 1.0} : memref<1x16xf32>
    }
    step.barrier
    step.phase "b" rows(all) cols(1) do {
      %t = step.tile %x {offset = 16, stride = 0, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.rope_table %t {head_dim = 16, angles = 8, theta = 1.0, factor = 1.0} : memref<1x16xf32>
    }
    step.barrier
    step.phase "c" rows(all) cols(2) prologue {
      %t = step.tile %p {offset = 0, stride = 0, width = 16} : memref<1x48xf32, "private"> -> memref<1x16xf32, "private">
      step.rope_table %t {head_dim = 16, angles = 8, theta = 1.0, factor = 1.0} : memref<1x16xf32, "private">
    } do {
      step.case 0 to 1 {
        %t = step.tile %p {offset = 16, stride = 0, width = 32} : memref<1x48xf32, "private"> -> memref<1x32xf32, "private">
        %u = step.tile %x {offset = 0, stride = 0, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
        step.copy %t, %u : memref<1x32xf32, "private">, memref<1x32xf32>
        %y0 = step.tile %y {offset = 0, stride = 0, width = 48} : memref<1x96xf32> -> memref<1x48xf32>
        step.copy %y0, %p : memref<1x48xf32>, memref<1x48xf32, "private">
      }
    }
  }
}
