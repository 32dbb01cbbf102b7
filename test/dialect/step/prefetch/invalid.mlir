// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// prefetch_c1
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.weight @v f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    // expected-error @+1 {{'step.prefetch' op bytes is 0, expected at least 1}}
    step.prefetch @w {bytes = 0}
    step.phase "w" rows(all) cols(1) do {
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// prefetch_c2
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.weight @v f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    // expected-error @+1 {{'step.prefetch' op weight @u is not defined, expected the name of a step.weight}}
    step.prefetch @u {bytes = 64}
    step.phase "w" rows(all) cols(1) do {
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// prefetch_c2_late
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.weight @v f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "w" rows(all) cols(1) do {
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
    // expected-error @+1 {{'step.prefetch' op weight @w is used by no later phase, expected the next one to}}
    step.prefetch @w {bytes = 64}
  }
}

// -----

// prefetch_c2_next
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.weight @v f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    // expected-error @+1 {{'step.prefetch' op weight @w is not used by the next phase, expected it to be}}
    step.prefetch @w {bytes = 64}
    step.barrier
    // expected-note @+1 {{next phase is here}}
    step.phase "v" rows(all) cols(1) do {
      step.embed %x, @v {scale = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "w" rows(all) cols(1) do {
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// prefetch_c2_format: gathered, not streamed
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w rows_f32 {n = 64, k = 64, tile = 1, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    // expected-error @+1 {{'step.prefetch' op weight @w is rows_f32, expected a p16 format, which tasks stream}}
    step.prefetch @w {bytes = 64}
    step.barrier
    step.phase "w" rows(all) cols(1) do {
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// prefetch_c1_most: a task streams 64 rows of 64 f32
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    // expected-error @+1 {{'step.prefetch' op bytes is 9223372036854775807, expected at most the 16384 that a task of weight @w streams}}
    step.prefetch @w {bytes = 9223372036854775807}
    step.barrier
    step.phase "w" rows(all) cols(1) do {
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}
