// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// qk_c2_dst
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x160xf32>
    %s = step.buffer "s" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.qk' op dst has 160 columns, expected 192 = heads * the context rounded up to 16}}
      step.qk %d, %s, @kv {heads = 4, window = 8, scale = 1.0} : memref<4x160xf32>, memref<4x64xf32>
    }
  }
}

// -----

// qk_c3
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x192xf32>
    %s = step.buffer "s" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.qk' op window is -1, expected 0 (sees every position) to 2147483647}}
      step.qk %d, %s, @kv {heads = 4, window = -1, scale = 1.0} : memref<4x192xf32>, memref<4x64xf32>
    }
  }
}

// -----

// qk_c3_kept: the cache has dropped what would be read
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{cache defined here}}
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x192xf32>
    %s = step.buffer "s" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.qk' op window is 9, expected 1 to 8 = window of cache @kv}}
      step.qk %d, %s, @kv {heads = 4, window = 9, scale = 1.0} : memref<4x192xf32>, memref<4x64xf32>
    }
  }
}

// -----

// qk_c3_all
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{cache defined here}}
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %d = step.buffer "d" : memref<4x192xf32>
    %s = step.buffer "s" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %s {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.qk' op window is 0, expected 1 to 8 = window of cache @kv}}
      step.qk %d, %s, @kv {heads = 4, window = 0, scale = 1.0} : memref<4x192xf32>, memref<4x64xf32>
    }
  }
}
