// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// prefetch_c3: nobody waits any more
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    // expected-error @+1 {{'step.prefetch' op stands behind the barrier of phase "w", expected before it}}
    step.prefetch @w {bytes = 64}
    step.phase "w" rows(all) cols(1) do {
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// prefetch_c3_twice
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.prefetch @w {bytes = 64}
    // expected-error @+1 {{'step.prefetch' op weight @w is prefetched already, expected one prefetch of it}}
    step.prefetch @w {bytes = 64}
    step.barrier
    step.phase "w" rows(all) cols(1) do {
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}
