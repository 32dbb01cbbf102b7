// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// phase_c7: two
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    %w = step.buffer "w" : memref<1x8xf32>
    %j = step.buffer "j" : memref<1x8xi32>
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      // expected-note @+1 {{first one is here}}
      step.select_top %v, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
      // expected-error @+1 {{'step.select_top' op is the second one of its phase, expected at most one}}
      step.select_top %w, %j, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
  }
}

// -----

// phase_c7_read: before all tasks are done
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    %w = step.buffer "w" : memref<1x8xf32>
    step.phase "top" rows(all) cols(1) do {
      // expected-error @+1 {{'step.select_top' op selects into buffer "v", expected one that no other op of the phase touches}}
      step.select_top %v, %i, %x {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x64xf32>
      // expected-note @+1 {{read here}}
      step.copy %w, %v : memref<1x8xf32>, memref<1x8xf32>
    }
  }
}

// -----

// entry_c3_top: without ids
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(top) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.select_top %v, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
    // expected-error @+1 {{'step.yield' op yields 1 buffers, expected 2 for logits(top)}}
    step.yield %v : memref<1x8xf32>
  }
}

// -----

// entry_c3_top_last
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(last) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.select_top %v, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
    // expected-error @+1 {{'step.yield' op yields 2 buffers, expected 1 for logits(last)}}
    step.yield %v, %i : memref<1x8xf32>, memref<1x8xi32>
  }
}

// -----

// entry_c3_top_other
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(top) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.select_top %v, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
    // expected-error @+1 {{'step.yield' op yields buffers "x" and "i", expected the values and the ids of one step.select_top}}
    step.yield %x, %i : memref<1x64xf32>, memref<1x8xi32>
  }
}

// -----

// entry_c3_last_i32
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(last) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.select_top %v, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
    // expected-error @+1 {{'step.yield' op yields buffer "i" of 'i32', expected logits of f32}}
    step.yield %i : memref<1x8xi32>
  }
}
