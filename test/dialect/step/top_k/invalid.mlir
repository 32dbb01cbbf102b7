// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// top_k_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %w2 = step.buffer "w2" : memref<4x2xf32>
    %i = step.buffer "i" : memref<4x2xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.top_k' op k is 65, expected 1 to 64 = the columns of src}}
      step.top_k %w2, %i, %x {k = 65} : memref<4x2xf32>, memref<4x2xi32>, memref<4x64xf32>
    }
  }
}

// -----

// top_k_c1_weights
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %w2 = step.buffer "w2" : memref<4x2xf32>
    %i = step.buffer "i" : memref<4x2xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.top_k' op weights has 2 columns, expected 3 = k}}
      step.top_k %w2, %i, %x {k = 3} : memref<4x2xf32>, memref<4x2xi32>, memref<4x64xf32>
    }
  }
}

// -----

// top_k_c1_indices
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %w2 = step.buffer "w2" : memref<4x2xf32>
    %i = step.buffer "i" : memref<4x3xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.top_k' op indices has 3 columns, expected 2 = k}}
      step.top_k %w2, %i, %x {k = 2} : memref<4x2xf32>, memref<4x3xi32>, memref<4x64xf32>
    }
  }
}

// -----

// top_k_c2
gemma.weight @v {random = 1 : i64} : tensor<32xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @v vec {n = 32, k = 1, tile = 32, sources = [@v]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %w2 = step.buffer "w2" : memref<4x2xf32>
    %i = step.buffer "i" : memref<4x2xi32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.top_k' op scale @v is vec of 32, expected vec of 64}}
      step.top_k %w2, %i, %x, @v {k = 2} : memref<4x2xf32>, memref<4x2xi32>, memref<4x64xf32>
    }
  }
}

// -----

// combine_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %w2 = step.buffer "w2" : memref<4x3xf32>
    %d = step.buffer "d" : memref<4x16xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.combine' op src has 64 columns, expected 48 = columns of weights * columns of dst}}
      step.combine %d, %x, %w2 : memref<4x16xf32>, memref<4x64xf32>, memref<4x3xf32>
    }
  }
}
