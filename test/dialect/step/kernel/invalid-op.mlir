// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// kernel_op: only products have kernels to choose
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op step.kernel: stands on no product, expected step.matmul or step.expert_matmul}}
      step.rope_table %x {step.kernel = {streams = 2 : i64}, head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      step.matmul %d, %x, @w as f32 : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// attribute_name
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op step.kernels = {streams = 2 : i64}: expected step.kernel on a product, step.predicted_us, a number, on a step.phase, or step.machine, a dictionary, on a step.program}}
      step.rope_table %x {step.kernels = {streams = 2 : i64}, head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      step.matmul %d, %x, @w as f32 : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// attribute_op: a prediction is of a phase
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      // expected-error @+1 {{'step.rope_table' op step.predicted_us = 1.000000e+00 : f64: expected step.kernel on a product, step.predicted_us, a number, on a step.phase, or step.machine, a dictionary, on a step.program}}
      step.rope_table %x {step.predicted_us = 1.0, head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      step.matmul %d, %x, @w as f32 : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// attribute_value
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x32xf32, "private">
    // expected-error @+1 {{'step.phase' op step.predicted_us = 1 : i64: expected step.kernel on a product, step.predicted_us, a number, on a step.phase, or step.machine, a dictionary, on a step.program}}
    step.phase "init" rows(all) cols(1) {step.predicted_us = 1 : i64} do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      step.matmul %d, %x, @w as f32 : memref<4x32xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// expert_matmul_c8
gemma.weight @w {random = 1 : i64} : tensor<4x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w f32p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 4 : i64}
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %ww = step.buffer "ww" : memref<1x2xf32>
    %i = step.buffer "i" : memref<1x2xi32>
    %y = step.buffer "y" : memref<1x128xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "choose" rows(all) cols(1) do {
      %p = step.tile %x {offset = 0, stride = 0, width = 4} : memref<1x64xf32> -> memref<1x4xf32>
      step.top_k %ww, %i, %p {k = 2} : memref<1x2xf32>, memref<1x2xi32>, memref<1x4xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(8) by_row do {
      %d = step.tile %y {offset = 0, stride = 16, width = 16} : memref<1x128xf32> -> memref<1x16xf32>
      // expected-error @+1 {{'step.expert_matmul' op step.kernel: streams: found 2, expected a divisor of the 1 panels of a task}}
      step.expert_matmul %d, %x, %i, @w as f32 {slots = 2, step.kernel = {streams = 2 : i64}} : memref<1x16xf32>, memref<1x64xf32>, memref<1x2xi32>
    }
  }
}

// -----

// kernel_unread_tiles
gemma.weight @w {random = 1 : i64} : tensor<64x64xbf16>
step.program @p attributes {context = 40, chunk = 32, batch = 1} {
  step.weight @w bf16p16 {n = 64, k = 64, tile = 32, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 32} {
    %x = step.buffer "x" : memref<32x64xf32>
    %act = step.buffer "act" : memref<32x128xi8>
    %y = step.buffer "y" : memref<32x64xf32>
    step.phase "init" rows(all) cols(1) by_row do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<32x64xf32>
      step.pack %act, %x as bf16t : memref<32x128xi8>, memref<32x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(2) do {
      %d = step.tile %y {offset = 0, stride = 32, width = 32} : memref<32x64xf32> -> memref<32x32xf32>
      // expected-error @+1 {{'step.matmul' op step.kernel: found "streams", expected columns}}
      step.matmul %d, %act, @w as bf16t {step.kernel = {streams = 2 : i64}} : memref<32x32xf32>, memref<32x128xi8>
    }
  }
}
