// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// cache_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op heads is 0, head_dim 16 and window 0, expected heads and head_dim at least 1 and window 0 to 2147483647}}
  step.cache @kv f32 {heads = 0, head_dim = 16, window = 0, slots = 48}
}

// -----

// cache_c1_window
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op heads is 1, head_dim 16 and window -1, expected heads and head_dim at least 1 and window 0 to 2147483647}}
  step.cache @kv f32 {heads = 1, head_dim = 16, window = -1, slots = 48}
}

// -----

// cache_c1_q8
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op head_dim is 48 with q8 elements, expected a multiple of 32}}
  step.cache @kv q8 {heads = 1, head_dim = 48, window = 0, slots = 48}
}

// -----

// cache_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op slots is 40, expected a positive multiple of 16}}
  step.cache @kv f32 {heads = 1, head_dim = 16, window = 0, slots = 40}
}

// -----

// cache_c2_context
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op slots is 32, expected at least 40 for context 40}}
  step.cache @kv f32 {heads = 1, head_dim = 16, window = 0, slots = 32}
}

// -----

// cache_c2_window: the last row of a chunk would overwrite what its first row sees
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op slots is 16, expected at least 19 for context 40, window 4 and 16 rows}}
  step.cache @kv f32 {heads = 1, head_dim = 16, window = 4, slots = 16}
  step.entry @e logits(none) attributes {rows = 16} {

  }
}

// -----

// Large enough: a window of 4 behind 13 rows, and a window wider than the context.
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @a f32 {heads = 1, head_dim = 16, window = 4, slots = 16}
  step.cache @b f32 {heads = 1, head_dim = 16, window = 512, slots = 48}
  step.entry @e logits(none) attributes {rows = 13} {

  }
}

// -----

// cache_c2_wraps
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op heads is 4611686018427387904, head_dim 16 and slots 48, expected at most 2^48 elements}}
  step.cache @kv f32 {heads = 4611686018427387904, head_dim = 16, window = 0, slots = 48}
}

// -----

// cache_c3
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op k_offset is 8, expected a non-negative multiple of 64}}
  step.cache @kv f32 {heads = 1, head_dim = 16, window = 0, slots = 48, k_offset = 8 : i64}
}

// -----

// cache_c3_v
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'step.cache' op v_offset is -64, expected a non-negative multiple of 64}}
  step.cache @kv f32 {heads = 1, head_dim = 16, window = 0, slots = 48, v_offset = -64 : i64}
}

// -----

// cache_c1_pairs
step.program @p attributes {context = 16, chunk = 1, batch = 1} {
  // expected-error @+1 {{'step.cache' op head_dim is 5 with bf16 elements, expected an even number}}
  step.cache @kv bf16 {heads = 1, head_dim = 5, window = 0, slots = 16}
}
