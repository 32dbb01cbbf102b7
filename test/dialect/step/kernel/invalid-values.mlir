// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// kernel_power
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // expected-error @+1 {{'step.matmul' op step.kernel: streams: found 3 : i64, expected a power of two from 1 to 8}}
      step.matmul %d, %x, @w as f32 {step.kernel = {streams = 3 : i64}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// kernel_type
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // expected-error @+1 {{'step.matmul' op step.kernel: streams: found 2 : i32, expected a power of two from 1 to 8}}
      step.matmul %d, %x, @w as f32 {step.kernel = {streams = 2 : i32}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// kernel_text
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // expected-error @+1 {{'step.matmul' op step.kernel: ahead: found "far", expected a power of two from 64 to 65536}}
      step.matmul %d, %x, @w as f32 {step.kernel = {ahead = "far"}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// kernel_range
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      // expected-error @+1 {{'step.matmul' op step.kernel: block_rows: found 17 : i64, expected an i64 from 1 to 16}}
      step.matmul %d, %x, @w as f32 {step.kernel = {block_panels = 1 : i64, block_rows = 17 : i64}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}
