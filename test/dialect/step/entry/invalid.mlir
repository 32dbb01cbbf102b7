// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// entry_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.entry' op rows is 1 and batch 2, expected batch at least 1 and rows at least batch}}
  step.entry @e logits(none) attributes {rows = 1, batch = 2 : i64} {

  }
}

// -----

// entry_c1_batch
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.entry' op rows is 1 and batch 0, expected batch at least 1 and rows at least batch}}
  step.entry @e logits(none) attributes {rows = 1, batch = 0 : i64} {

  }
}

// -----

// entry_c2: two phases without a barrier
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x64xf32>
    // expected-note @+1 {{earlier phase is here}}
    step.phase "a" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    // expected-error @+1 {{'step.phase' op "b" follows "a" without a barrier, expected one}}
    step.phase "b" rows(all) cols(1) do {
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// entry_c2_leading
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    // expected-error @+1 {{'step.barrier' op stands before the first phase, expected barriers only behind one}}
    step.barrier
    step.phase "a" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// entry_c2_twice: other ops between the barriers do not matter
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "a" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    // expected-note @+1 {{earlier barrier is here}}
    step.barrier
    %y = step.buffer "y" : memref<4x64xf32>
    // expected-error @+1 {{'step.barrier' op follows a barrier, expected a phase between them}}
    step.barrier
    step.phase "b" rows(all) cols(1) do {
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// entry_c2_foreign
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'arith.constant' op stands in a step.entry, expected only buffers, phases, barriers and prefetches}}
    %c = arith.constant 1 : i32
  }
}

// -----

// entry_c2_outside: a phase outside an entry
// expected-error @+1 {{'step.phase' op expects parent op 'step.entry'}}
step.phase "f" rows(all) cols(1) do {

}

// -----

// entry_c3: logits promised, none yielded
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(last) attributes {rows = 4} {
    // expected-error @+1 {{'step.yield' op yields 0 buffers, expected 1 for logits(last)}}
    step.yield
  }
}

// -----

// entry_c3_none
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<1x64xf32>
    step.phase "init" rows(last) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    // expected-error @+1 {{'step.yield' op yields 1 buffers, expected 0 for logits(none)}}
    step.yield %x : memref<1x64xf32>
  }
}

// -----

// entry_c3_rows
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(all) attributes {rows = 4} {
    %x = step.buffer "x" : memref<1x64xf32>
    step.phase "init" rows(last) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    // expected-error @+1 {{'step.yield' op yields buffer "x" of 1 rows, expected 4 for logits(all)}}
    step.yield %x : memref<1x64xf32>
  }
}

// -----

// entry_c3_private
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(all) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32, "private">
    step.phase "f" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32, "private">
    }
    // expected-error @+1 {{'step.yield' op yields a value that is no shared step.buffer, expected one}}
    step.yield %x : memref<4x64xf32, "private">
  }
}
