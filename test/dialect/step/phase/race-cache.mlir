// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// phase_c2_cache: attention would read what cache_write is writing
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 0, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xf32>
    %y = step.buffer "y" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    // expected-error @+1 {{cache @kv is written and read in one phase, expected a barrier between}}
    step.phase "f" rows(all) cols(2) by_row do {
      %k = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x32xf32> -> memref<4x16xf32>
      // expected-note @+1 {{written here}}
      step.cache_write @kv k, %k {head_stride = 1 : i64} : memref<4x16xf32>
      // expected-note @+1 {{read here}}
      step.attention %y, %x, @kv {heads = 2, window = 0, scale = 1.0} : memref<4x32xf32>, memref<4x32xf32>
    }
  }
}

// -----

// phase_c2_cache_heads: two tasks write one KV head
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 0, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    // expected-error @+1 {{column task 0 writes columns [0, 16) of cache @kv, of which task 1 writes columns [0, 16)}}
    step.phase "f" rows(all) cols(2) do {
      %k = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x32xf32> -> memref<4x16xf32>
      // expected-note @+1 {{written here}}
      step.cache_write @kv k, %k : memref<4x16xf32>
    }
  }
}

// -----

// phase_c2_qk: scores of all heads, of which each task writes one
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 0, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xf32>
    %s = step.buffer "s" : memref<4x96xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    // expected-error @+1 {{column task 0 writes columns [0, 48) of buffer "s", of which task 1 reads columns [0, 96)}}
    step.phase "f" rows(all) cols(2) by_row do {
      // expected-note @+1 {{written here}}
      step.qk %s, %x, @kv {heads = 2, window = 0, scale = 1.0} : memref<4x96xf32>, memref<4x32xf32>
      // expected-note @+1 {{read here}}
      step.softmax %s, %s : memref<4x96xf32>, memref<4x96xf32>
    }
  }
}

// -----

// phase_c2_prologue: a late prologue reads what a task has already written
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %h = step.buffer "h" : memref<4x64xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    // expected-error @+1 {{the prologue reads columns [0, 64) of buffer "x", of which column task 0 writes columns [0, 16), expected none that a task writes}}
    step.phase "f" rows(all) cols(4) prologue {
      // expected-note @+1 {{read here}}
      step.copy %h, %x : memref<4x64xf32, "private">, memref<4x64xf32>
    } do {
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      %u = step.tile %h {offset = 0, stride = 16, width = 16} : memref<4x64xf32, "private"> -> memref<4x16xf32, "private">
      // expected-note @+1 {{written here}}
      step.copy %t, %u : memref<4x16xf32>, memref<4x16xf32, "private">
    }
  }
}

// -----

// phase_c2_private: tasks that meet in one scratch hand each other what the prologue made
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %h = step.buffer "h" : memref<4x64xf32, "private">
    // expected-error @+1 {{column task 0 writes columns [0, 64) of buffer "h", of which task 1 reads columns [0, 64)}}
    step.phase "f" rows(all) cols(4) prologue {
      step.rope_table %h {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32, "private">
    } do {
      // expected-note @+1 {{written here}}
      step.gelu %h, %h : memref<4x64xf32, "private">, memref<4x64xf32, "private">
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<4x64xf32> -> memref<4x16xf32>
      %u = step.tile %h {offset = 0, stride = 16, width = 16} : memref<4x64xf32, "private"> -> memref<4x16xf32, "private">
      step.copy %t, %u : memref<4x16xf32>, memref<4x16xf32, "private">
    }
  }
}
