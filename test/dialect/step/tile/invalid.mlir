// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// tile_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.tile' op offset is -1, stride 16 and width 16, expected offset at least 0, stride 0 to 64 and width at least 1}}
      %t = step.tile %x {offset = -1, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
    }
  }
}

// -----

// tile_c1_width
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.tile' op offset is 0, stride 16 and width 0, expected offset at least 0, stride 0 to 64 and width at least 1}}
      %t = step.tile %x {offset = 0, stride = 16, width = 0} : memref<4x64xf32> -> memref<4x0xf32>
    }
  }
}

// -----

// tile_c1_stride
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.tile' op offset is 0, stride 65 and width 16, expected offset at least 0, stride 0 to 64 and width at least 1}}
      %t = step.tile %x {offset = 0, stride = 65, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
    }
  }
}

// -----

// tile_c1_end
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.tile' op offset 16 + stride 16 * 3 + width 16 ends behind the 64 columns of buffer "x"}}
      %t = step.tile %x {offset = 16, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
    }
  }
}

// -----

// tile_c1_case: the last task of the case counts
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      step.case 1 to 4 {
        %s = step.tile %x {offset = 16, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
        // expected-error @+1 {{'step.tile' op offset 32 + stride 16 * 2 + width 16 ends behind the 64 columns of buffer "x"}}
        %t = step.tile %x {offset = 32, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      }
    }
  }
}

// -----

// tile_c1_wraps
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.tile' op offset 9223372036854775807 + stride 16 * 3 + width 16 ends behind the 64 columns of buffer "x"}}
      %t = step.tile %x {offset = 9223372036854775807, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
    }
  }
}

// -----

// tile_c1_tile
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 0, width = 32} : memref<4x64xf32> -> memref<4x32xf32>
      // expected-error @+1 {{'step.tile' op buffer is no result of a step.buffer, expected one}}
      %u = step.tile %t {offset = 0, stride = 0, width = 16} : memref<4x32xf32> -> memref<4x16xf32>
    }
  }
}

// -----

// tile_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.tile' op result is 'memref<4x32xf32>', expected 'memref<4x16xf32>'}}
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x32xf32>
    }
  }
}

// -----

// tile_c2_space
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.tile' op result is 'memref<4x16xf32, "private">', expected 'memref<4x16xf32>'}}
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32, "private">
    }
  }
}

// -----

// tile_c3: in the case, the first column task is number 2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    step.phase "a" rows(all) cols(4) do {
      // expected-note @+1 {{tile made here}}
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.rope_table %t {head_dim = 16, angles = 8, theta = 1.0, factor = 1.0} : memref<1x16xf32>
      step.case 2 to 4 {
        // expected-error @+1 {{'step.scale' op uses a tile of buffer "x" from another block, expected one of its own: a case counts its column tasks from its beginning}}
        step.scale %t, %t {factor = 2.0} : memref<1x16xf32>, memref<1x16xf32>
      }
    }
  }
}
