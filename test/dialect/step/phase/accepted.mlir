// Independent tasks that look alike those of race.mlir: the verifier takes them.
// RUN: gemma-opt %s --split-input-file | FileCheck %s

// In place, tile by tile.
// CHECK: step.gelu
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      step.gelu %t, %t : memref<4x16xf32>, memref<4x16xf32>
    }
  }
}

// -----

// One task may write and read as it likes.
// CHECK: step.copy
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      step.gelu %t, %t : memref<4x16xf32>, memref<4x16xf32>
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// So may one task for each row.
// CHECK: step.copy
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) by_row do {
      step.gelu %x, %x : memref<4x64xf32>, memref<4x64xf32>
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// Cases that write side by side, counted from their first task.
// CHECK: step.case 1 to 3
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(3) do {
      step.case 0 to 1 {
        %t = step.tile %x {offset = 0, stride = 0, width = 32} : memref<4x64xf32> -> memref<4x32xf32>
        step.rope_table %t {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
      }
      step.case 1 to 3 {
        %t = step.tile %x {offset = 32, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
        step.rope_table %t {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x16xf32>
      }
    }
  }
}

// -----

// A row of its own, private, in a task of one row.
// CHECK: step.copy
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %r = step.buffer "r" : memref<1x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) by_row do {
      %t = step.tile %x {offset = 0, stride = 32, width = 32} : memref<4x64xf32> -> memref<4x32xf32>
      step.copy %r, %t : memref<1x32xf32, "private">, memref<4x32xf32>
      step.copy %t, %r : memref<4x32xf32>, memref<1x32xf32, "private">
    }
  }
}

// -----

// A prologue reads columns that no task writes.
// CHECK: prologue
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %h = step.buffer "h" : memref<4x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) prologue {
      %v = step.tile %x {offset = 0, stride = 0, width = 32} : memref<4x64xf32> -> memref<4x32xf32>
      step.copy %h, %v : memref<4x32xf32, "private">, memref<4x32xf32>
    } do {
      %t = step.tile %x {offset = 32, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      %u = step.tile %h {offset = 0, stride = 16, width = 16} : memref<4x32xf32, "private"> -> memref<4x16xf32, "private">
      step.copy %t, %u : memref<4x16xf32>, memref<4x16xf32, "private">
    }
  }
}

// -----

// K and V of one layer are written in one phase, each head by one task.
// CHECK: step.cache_write @kv v
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 0, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      step.case 0 to 2 {
        %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
        step.cache_write @kv k, %t {head_stride = 1 : i64} : memref<4x16xf32>
      }
      step.case 2 to 4 {
        %t = step.tile %x {offset = 32, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
        step.cache_write @kv v, %t {head_stride = 1 : i64} : memref<4x16xf32>
      }
    }
  }
}
