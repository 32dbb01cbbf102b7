// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// pack_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack' op groups is 3, expected a positive divisor of the 64 columns of src}}
      step.pack %x, %x as f32 {groups = 3 : i64} : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// pack_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack' op dst has elements of 'f32', expected i8 for i8 activations}}
      step.pack %x, %x as i8 : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// pack_c2_f32
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x128xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack' op dst has elements of 'i8', expected f32 for bf16 activations}}
      step.pack %a, %x as bf16 : memref<4x128xi8>, memref<4x64xf32>
    }
  }
}

// -----

// pack_c3
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %y = step.buffer "y" : memref<4x32xf32>
    %z = step.buffer "z" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %y {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
      step.rope_table %z {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack' op dst has 32 columns, expected 64 for 1 packed f32 vectors of 32}}
      step.pack %z, %y as f32 : memref<4x32xf32>, memref<4x32xf32>
    }
  }
}

// -----

// pack_c3_i8
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x80xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack' op dst has 80 columns, expected 128 for 1 packed i8 vectors of 64}}
      step.pack %a, %x as i8 : memref<4x80xi8>, memref<4x64xf32>
    }
  }
}

// -----

// pack_c3_groups
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x128xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack' op dst has 128 columns, expected 256 for 2 packed i8 vectors of 32}}
      step.pack %a, %x as i8 {groups = 2 : i64} : memref<4x128xi8>, memref<4x64xf32>
    }
  }
}

// -----

// pack_c4
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x128xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack' op dst has 4 rows for 1 groups, expected a multiple of 32 shared rows and one group for bf16t activations}}
      step.pack %a, %x as bf16t : memref<4x128xi8>, memref<4x64xf32>
    }
  }
}

// -----

// pack_c4_tile
step.program @p attributes {context = 40, chunk = 32, batch = 1} {
  step.entry @e logits(none) attributes {rows = 32} {
    %x = step.buffer "x" : memref<32x64xf32>
    %a = step.buffer "a" : memref<32x256xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<32x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      %t = step.tile %a {offset = 128, stride = 0, width = 128} : memref<32x256xi8> -> memref<32x128xi8>
      // expected-error @+1 {{'step.pack' op dst is a part of a buffer, expected a whole one for bf16t activations}}
      step.pack %t, %x as bf16t : memref<32x128xi8>, memref<32x64xf32>
    }
  }
}

// -----

// pack_tile_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x128xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack_tile' op packs as bf16, expected i8 or bf16t}}
      step.pack_tile %a, %x as bf16 : memref<4x128xi8>, memref<4x64xf32>
    }
  }
}

// -----

// pack_tile_c1_width
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x192xi8>
    %y = step.buffer "y" : memref<4x48xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // expected-error @+1 {{'step.pack_tile' op src has 48 columns in 2 tasks, expected a multiple of 32, and of 64 in all}}
      step.pack_tile %a, %y as i8 : memref<4x192xi8>, memref<4x48xf32>
    }
  }
}

// -----

// pack_tile_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x128xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // expected-error @+1 {{'step.pack_tile' op dst has 128 columns, expected 192 for 1 packed i8 vectors of 128}}
      step.pack_tile %a, %x as i8 : memref<4x128xi8>, memref<4x64xf32>
    }
  }
}

// -----

// pack_tile_c2_rows
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x128xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack_tile' op dst has 4 rows for 1 groups, expected a multiple of 32 shared rows and one group for bf16t activations}}
      step.pack_tile %a, %x as bf16t : memref<4x128xi8>, memref<4x64xf32>
    }
  }
}

// -----

// pack_tile_c2_private
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x128xi8, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.pack_tile' op dst is private, expected a whole shared buffer}}
      step.pack_tile %a, %x as i8 : memref<4x128xi8, "private">, memref<4x64xf32>
    }
  }
}

// -----

// pack_tile_c3
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x128xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) by_row do {
      // expected-error @+1 {{'step.pack_tile' op stands in a phase that is by_row, expected in the body of a phase that is not}}
      step.pack_tile %a, %x as i8 : memref<4x128xi8>, memref<4x64xf32>
    }
  }
}

// -----

// phase_c7_pack_tile: before all tasks are done
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %a = step.buffer "a" : memref<4x192xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // expected-error @+1 {{'step.pack_tile' op packs into buffer "a", expected one that no other op of the phase touches}}
      step.pack_tile %a, %x as i8 : memref<4x192xi8>, memref<4x64xf32>
      // expected-note @+1 {{written here}}
      step.pack_tile %a, %x as i8 : memref<4x192xi8>, memref<4x64xf32>
    }
  }
}
