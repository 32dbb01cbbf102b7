// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// phase_c2: each task writes its own columns, but reads those of its neighbours
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    // expected-error @+1 {{'step.phase' op "f": column task 0 writes columns [0, 16) of buffer "x", of which task 1 reads columns [0, 64), expected tasks that touch nothing another one writes}}
    step.phase "f" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      // expected-note @+1 {{written here}}
      step.gelu %t, %t : memref<4x16xf32>, memref<4x16xf32>
      // expected-note @+1 {{read here}}
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// phase_c2_whole: every task writes the whole buffer
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    // expected-error @+1 {{column task 0 writes columns [0, 64) of buffer "y", of which task 1 writes columns [0, 64)}}
    step.phase "f" rows(all) cols(2) do {
      // expected-note @+1 {{written here}}
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// phase_c2_stride: tiles wider than their stride
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    // expected-error @+1 {{column task 0 writes columns [0, 32) of buffer "x", of which task 1 writes columns [16, 48)}}
    step.phase "f" rows(all) cols(3) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 32} : memref<4x64xf32> -> memref<4x32xf32>
      // expected-note @+1 {{written here}}
      step.rope_table %t {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
  }
}

// -----

// phase_c2_by_row: rows keep rows apart, not the column tasks of one row
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    // expected-error @+1 {{column task 0 writes columns [0, 64) of buffer "x", of which task 1 writes columns [0, 64)}}
    step.phase "f" rows(all) cols(2) by_row do {
      // expected-note @+1 {{written here}}
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// phase_c2_cases: two cases, whose tasks write the same columns
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    // expected-error @+1 {{column task 1 writes columns [16, 32) of buffer "x", of which task 2 writes columns [16, 32)}}
    step.phase "f" rows(all) cols(4) do {
      step.case 0 to 2 {
        %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
        // expected-note @+1 {{written here}}
        step.rope_table %t {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x16xf32>
      }
      step.case 2 to 4 {
        %t = step.tile %x {offset = 16, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
        // expected-note @+1 {{and written here}}
        step.rope_table %t {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x16xf32>
      }
    }
  }
}

// -----

// phase_c2_act: a product reads the whole of its activation
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %a {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    // expected-error @+1 {{column task 0 writes columns [0, 16) of buffer "a", of which task 1 reads columns [0, 64)}}
    step.phase "f" rows(all) cols(4) do {
      %s = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      %t = step.tile %a {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      // expected-note @+1 {{written here}}
      step.copy %t, %s : memref<4x16xf32>, memref<4x16xf32>
      // expected-note @+1 {{read here}}
      step.matmul %s, %a, @w as f32 : memref<4x16xf32>, memref<4x64xf32>
    }
  }
}
