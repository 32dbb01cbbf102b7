// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// select_top_c1_ids
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x7xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      // expected-error @+1 {{'step.select_top' op ids has 7 columns, expected 8 = columns of values}}
      step.select_top %v, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x7xi32>, memref<1x16xf32>
    }
  }
}

// -----

// select_top_c1_tile
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      %u = step.tile %x {offset = 0, stride = 0, width = 8} : memref<1x64xf32> -> memref<1x8xf32>
      // expected-error @+1 {{'step.select_top' op values is no whole shared buffer, expected one}}
      step.select_top %u, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
  }
}

// -----

// select_top_c1_k
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(1) do {
      // expected-error @+1 {{'step.select_top' op selects 8 of 7 columns, expected at most all}}
      step.select_top %v, %i, %x {columns = 7} : memref<1x8xf32>, memref<1x8xi32>, memref<1x64xf32>
    }
  }
}

// -----

// select_top_c2: too many for the tasks
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      // expected-error @+1 {{'step.select_top' op columns is 65 and each of 4 tasks has 16, expected all tasks to hold them and the last one to be needed}}
      step.select_top %v, %i, %t {columns = 65} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
  }
}

// -----

// select_top_c2_few
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      // expected-error @+1 {{'step.select_top' op columns is 48 and each of 4 tasks has 16, expected all tasks to hold them and the last one to be needed}}
      step.select_top %v, %i, %t {columns = 48} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
  }
}

// -----

// select_top_c3_rows
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(1) do {
      // expected-error @+1 {{'step.select_top' op stands in a phase of 4 live rows, expected one of 1 that is not by_row}}
      step.select_top %v, %i, %x {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<4x64xf32>
    }
  }
}

// -----

// select_top_c3_by_row
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) by_row do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      // expected-error @+1 {{'step.select_top' op stands in a by_row phase of 1 live rows, expected one of 1 that is not by_row}}
      step.select_top %v, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
    }
  }
}

// -----

// select_top_c3_case
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %v = step.buffer "v" : memref<1x8xf32>
    %i = step.buffer "i" : memref<1x8xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(4) do {
      step.case 0 to 4 {
        %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
        // expected-error @+1 {{'step.select_top' op stands in a case, expected in the body of a phase}}
        step.select_top %v, %i, %t {columns = 64} : memref<1x8xf32>, memref<1x8xi32>, memref<1x16xf32>
      }
    }
  }
}
