// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// pv_c2_dst
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x128xf32>
    %s = step.buffer "s" : memref<4x192xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 192, angles = 96, theta = 10000.0, factor = 1.0} : memref<4x192xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.pv' op dst has 128 columns, expected 64 = heads * head_dim}}
      step.pv %d, %s, @kv {heads = 4, window = 8} : memref<4x128xf32>, memref<4x192xf32>
    }
  }
}

// -----

// pv_c3
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
      // expected-error @+1 {{'step.pv' op window is -1, expected 0 (sees every position) to 2147483647}}
      step.pv %d, %s, @kv {heads = 4, window = -1} : memref<4x64xf32>, memref<4x192xf32>
    }
  }
}

// -----

// pv_c3_kept: the cache has dropped what would be read
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{cache defined here}}
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x64xf32>
    %s = step.buffer "s" : memref<4x192xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 192, angles = 96, theta = 10000.0, factor = 1.0} : memref<4x192xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.pv' op window is 9, expected 1 to 8 = window of cache @kv}}
      step.pv %d, %s, @kv {heads = 4, window = 9} : memref<4x64xf32>, memref<4x192xf32>
    }
  }
}

// -----

// pv_c3_all
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{cache defined here}}
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x64xf32>
    %s = step.buffer "s" : memref<4x192xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 192, angles = 96, theta = 10000.0, factor = 1.0} : memref<4x192xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.pv' op window is 0, expected 1 to 8 = window of cache @kv}}
      step.pv %d, %s, @kv {heads = 4, window = 0} : memref<4x64xf32>, memref<4x192xf32>
    }
  }
}
