// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// kernel_dictionary
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
      // expected-error @+1 {{'step.matmul' op step.kernel: found [1], expected a dictionary}}
      step.matmul %d, %x, @w as f32 {step.kernel = [1]} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// kernel_name
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
      // expected-error @+1 {{'step.matmul' op step.kernel: found "stream", expected streams, ahead, block_rows or block_panels}}
      step.matmul %d, %x, @w as f32 {step.kernel = {stream = 2 : i64}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// kernel_unread: columns are for bf16t
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
      // expected-error @+1 {{'step.matmul' op step.kernel: found "columns", expected streams, ahead, block_rows or block_panels}}
      step.matmul %d, %x, @w as f32 {step.kernel = {columns = 128 : i64}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// kernel_pair
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
      // expected-error @+1 {{'step.matmul' op step.kernel: expected block_rows and block_panels together}}
      step.matmul %d, %x, @w as f32 {step.kernel = {block_rows = 2 : i64}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_c6
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
      // expected-error @+1 {{'step.matmul' op step.kernel: streams: found 8, expected a divisor of the 2 panels of a task}}
      step.matmul %d, %x, @w as f32 {step.kernel = {streams = 8 : i64}} : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}
