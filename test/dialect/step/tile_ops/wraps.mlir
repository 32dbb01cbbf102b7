// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// combine_c1_wraps: the product is 2^64 + 2^33 + 1
step.program @p attributes {context = 64, chunk = 16, batch = 1} {
  step.entry @decode logits(none) attributes {rows = 1, batch = 1} {
    %w = step.buffer "w" : memref<1x4294967297xf32>
    %d = step.buffer "d" : memref<1x4294967297xf32>
    %s = step.buffer "s" : memref<1x8589934593xf32>
    step.phase "a" rows(all) cols(1) do {
      // expected-error @+1 {{'step.combine' op weights has 4294967297 columns and dst 4294967297, expected a product of fewer than 2^63}}
      step.combine %d, %s, %w : memref<1x4294967297xf32>, memref<1x8589934593xf32>, memref<1x4294967297xf32>
    }
  }
}
