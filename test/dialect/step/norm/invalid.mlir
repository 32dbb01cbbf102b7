// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// scale_by_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %y {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.scale_by' op dst has 64 columns and a source 32, expected the same}}
      step.scale_by %x, %y, @v : memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// scale_by_c2
gemma.weight @v {random = 1 : i64} : tensor<32xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @v vec {n = 32, k = 1, tile = 32, sources = [@v]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.scale_by' op weight @v is vec of 32, expected vec of 1 or 64}}
      step.scale_by %x, %x, @v : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// scale_by_c2_undefined
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.scale_by' op weight @v is not defined, expected the name of a step.weight}}
      step.scale_by %x, %x, @v : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// norm_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %y {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.norm' op dst has 64 columns and a source 32, expected the same}}
      step.norm %x, %y {group = 32, eps = 0.0} : memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// norm_c1_group
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.norm' op group is 48, expected a positive divisor of the 64 columns of src}}
      step.norm %x, %x {group = 48, eps = 0.0} : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// norm_c2
gemma.weight @v {random = 1 : i64} : tensor<32xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @v vec {n = 32, k = 1, tile = 32, sources = [@v]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.norm' op weight @v is vec of 32, expected vec of 64}}
      step.norm %x, %x, @v {group = 64, eps = 0.0} : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// norm_c2_format
gemma.weight @v {random = 1 : i64} : tensor<32x1xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @v rows_f32 {n = 32, k = 1, tile = 32, sources = [@v]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.norm' op weight @v is rows_f32 of 32, expected vec of 32}}
      step.norm %x, %x, @v {group = 32, eps = 0.0} : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// norm_c3
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.norm' op eps is -1.000000e+00, expected 0 or a positive, normal f32}}
      step.norm %x, %x {group = 64, eps = -1.0} : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}
