// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// program_c1
// expected-error @+1 {{'step.program' op context is 0, chunk 16 and batch 1, expected all at least 1 and context at most 2^40}}
step.program @p attributes {context = 0, chunk = 16, batch = 1} {

}

// -----

// program_c1_bytes
// expected-error @+1 {{'step.program' op arena_bytes is -1, expected at least 0}}
step.program @p attributes {context = 40, chunk = 16, batch = 1, arena_bytes = -1 : i64} {

}

// -----

// program_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-error @+1 {{'arith.constant' op stands in a step.program, expected only weights, caches and entries}}
  %c = arith.constant 1 : i32
}

// -----

// program_c3: K and V
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+2 {{other is here}}
  // expected-error @+1 {{'step.cache' op V of @a of bytes [1472, 1472 + 1536) overlaps K of @a of bytes [0, 0 + 1536)}}
  step.cache @a bf16 {heads = 1, head_dim = 16, window = 0, slots = 48, k_offset = 0 : i64, v_offset = 1472 : i64}
}

// -----

// program_c3_caches
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{other is here}}
  step.cache @a bf16 {heads = 1, head_dim = 16, window = 0, slots = 48, k_offset = 0 : i64, v_offset = 1536 : i64}
  // expected-error @+1 {{'step.cache' op K of @b of bytes [2048, 2048 + 1536) overlaps V of @a of bytes [1536, 1536 + 1536)}}
  step.cache @b bf16 {heads = 1, head_dim = 16, window = 0, slots = 48, k_offset = 2048 : i64, v_offset = 8192 : i64}
}

// -----

// program_c3_buffer
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{other is here}}
  step.cache @a bf16 {heads = 1, head_dim = 16, window = 0, slots = 48, k_offset = 0 : i64, v_offset = 1536 : i64}
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op "x" of bytes [3008, 3008 + 1024) overlaps V of @a of bytes [1536, 1536 + 1536)}}
    %x = step.buffer "x" {offset = 3008 : i64} : memref<4x64xf32>
  }
}

// -----

// program_c3_arena
step.program @p attributes {context = 40, chunk = 16, batch = 1, arena_bytes = 1024 : i64} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op "x" of bytes [64, 64 + 1024) ends behind the arena of 1024 bytes}}
    %x = step.buffer "x" {offset = 64 : i64} : memref<4x64xf32>
  }
}

// -----

// program_c4: weights overlap
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1, weight_bytes = 65536 : i64} {
  // expected-error @+1 {{'step.weight' op @v of bytes [8192, 8192 + 16384) overlaps @w of bytes [0, 0 + 16384)}}
  step.weight @v f32p16 {n = 64, k = 64, tile = 64, sources = [@a], offset = 8192 : i64, bytes = 16384 : i64}
  // expected-note @+1 {{other is here}}
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@a], offset = 0 : i64, bytes = 16384 : i64}
}

// -----

// program_c4_end
gemma.weight @a {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1, weight_bytes = 16384 : i64} {
  // expected-error @+1 {{'step.weight' op @w of bytes [64, 64 + 16384) ends behind the weights of 16384 bytes}}
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@a], offset = 64 : i64, bytes = 16384 : i64}
}

// -----

// program_c5
step.program @p attributes {context = 40, chunk = 16, batch = 1, scratch_bytes = 64 : i64} {
  step.entry @e logits(none) attributes {rows = 1} {
    // expected-error @+1 {{'step.buffer' op "p" of bytes [0, 0 + 256) ends behind the scratch of 64 bytes}}
    %p = step.buffer "p" {offset = 0 : i64} : memref<1x64xf32, "private">
  }
}
