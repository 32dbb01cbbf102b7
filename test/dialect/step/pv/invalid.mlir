// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// pv_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x64xf32>
    %s = step.buffer "s" : memref<4x192xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 192, angles = 96, theta = 10000.0, factor = 1.0} : memref<4x192xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(3) by_row do {
      // expected-error @+1 {{'step.pv' op runs in 3 column tasks of a by_row phase, expected 4 = heads of a by_row phase}}
      step.pv %d, %s, @kv {heads = 4, window = 8} : memref<4x64xf32>, memref<4x192xf32>
    }
  }
}

// -----

// pv_c1_rows
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x64xf32>
    %s = step.buffer "s" : memref<4x192xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 192, angles = 96, theta = 10000.0, factor = 1.0} : memref<4x192xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.pv' op runs in 4 column tasks of a phase, expected 4 = heads of a by_row phase}}
      step.pv %d, %s, @kv {heads = 4, window = 8} : memref<4x64xf32>, memref<4x192xf32>
    }
  }
}

// -----

// pv_c1_tile
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x64xf32>
    %s = step.buffer "s" : memref<4x192xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 192, angles = 96, theta = 10000.0, factor = 1.0} : memref<4x192xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      %t = step.tile %s {offset = 0, stride = 0, width = 192} : memref<4x192xf32> -> memref<4x192xf32>
      // expected-error @+1 {{'step.pv' op takes a tile of buffer "s", expected the whole buffer: task c takes head c}}
      step.pv %d, %t, @kv {heads = 4, window = 8} : memref<4x64xf32>, memref<4x192xf32>
    }
  }
}

// -----

// pv_c2_heads
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x48xf32>
    %s = step.buffer "s" : memref<4x144xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 144, angles = 72, theta = 10000.0, factor = 1.0} : memref<4x144xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(3) by_row do {
      // expected-error @+1 {{'step.pv' op has 3 heads, expected a multiple of the 2 KV heads of cache @kv}}
      step.pv %d, %s, @kv {heads = 3, window = 8} : memref<4x48xf32>, memref<4x144xf32>
    }
  }
}

// -----

// pv_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x64xf32>
    %s = step.buffer "s" : memref<4x128xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 128, angles = 64, theta = 10000.0, factor = 1.0} : memref<4x128xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.pv' op p has 128 columns, expected 192 = heads * the context rounded up to 16}}
      step.pv %d, %s, @kv {heads = 4, window = 8} : memref<4x64xf32>, memref<4x128xf32>
    }
  }
}
