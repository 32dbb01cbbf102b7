// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// entry_c4: y is written while x is read
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-note @+1 {{other buffer is here}}
    %x = step.buffer "x" {offset = 0 : i64} : memref<4x64xf32>
    // expected-error @+1 {{'step.buffer' op "y" of bytes [960, 960 + 1024), live in phases 1 to 1, overlaps "x" of bytes [0, 0 + 1024), live in phases 0 to 1}}
    %y = step.buffer "y" {offset = 960 : i64} : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "x-y" rows(all) cols(1) do {
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// entry_c4_across: z lies where x still has to be read
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-note @+1 {{other buffer is here}}
    %x = step.buffer "x" {offset = 0 : i64} : memref<4x64xf32>
    %y = step.buffer "y" {offset = 1024 : i64} : memref<4x64xf32>
    // expected-error @+1 {{'step.buffer' op "z" of bytes [0, 0 + 1024), live in phases 2 to 2, overlaps "x" of bytes [0, 0 + 1024), live in phases 0 to 3}}
    %z = step.buffer "z" {offset = 0 : i64} : memref<4x64xf32>
    %w = step.buffer "w" {offset = 2048 : i64} : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "x-y" rows(all) cols(1) do {
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "y-z" rows(all) cols(1) do {
      step.copy %z, %y : memref<4x64xf32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "x-w" rows(all) cols(1) do {
      step.copy %w, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// entry_c4_logits: logits live to the end
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(all) attributes {rows = 4} {
    %x = step.buffer "x" {offset = 0 : i64} : memref<4x64xf32>
    // expected-note @+1 {{other buffer is here}}
    %l = step.buffer "l" {offset = 1024 : i64} : memref<4x64xf32>
    // expected-error @+1 {{'step.buffer' op "z" of bytes [1024, 1024 + 1024), live in phases 2 to 2, overlaps "l" of bytes [1024, 1024 + 1024), live in phases 1 to 2}}
    %z = step.buffer "z" {offset = 1024 : i64} : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "x-l" rows(all) cols(1) do {
      step.copy %l, %x : memref<4x64xf32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "x-z" rows(all) cols(1) do {
      step.copy %z, %x : memref<4x64xf32>, memref<4x64xf32>
    }
    step.yield %l : memref<4x64xf32>
  }
}

// -----

// Dead when the other is first written: the place may be used again.
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" {offset = 0 : i64} : memref<4x64xf32>
    %y = step.buffer "y" {offset = 1024 : i64} : memref<4x64xf32>
    %z = step.buffer "z" {offset = 0 : i64} : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "x-y" rows(all) cols(1) do {
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "y-z" rows(all) cols(1) do {
      step.copy %z, %y : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// entry_c6: private buffers of one phase
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    // expected-note @+1 {{other buffer is here}}
    %p = step.buffer "p" {offset = 64 : i64} : memref<1x64xf32, "private">
    // expected-error @+1 {{'step.buffer' op "q" of bytes [0, 0 + 256) overlaps "p" of bytes [64, 64 + 256), which phase "a" touches too}}
    %q = step.buffer "q" {offset = 0 : i64} : memref<1x64xf32, "private">
    step.phase "a" rows(all) cols(1) do {
      step.rope_table %p {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<1x64xf32, "private">
      step.rope_table %q {head_dim = 64, angles = 32, theta = 2.0, factor = 1.0} : memref<1x64xf32, "private">
      step.add %x, %p, %q : memref<1x64xf32>, memref<1x64xf32, "private">, memref<1x64xf32, "private">
    }
  }
}

// -----

// Private buffers of two phases may lie in one place.
step.program @p attributes {context = 40, chunk = 16, batch = 1, scratch_bytes = 256 : i64} {
  step.entry @e logits(none) attributes {rows = 1} {
    %p = step.buffer "p" {offset = 0 : i64} : memref<1x64xf32, "private">
    %q = step.buffer "q" {offset = 0 : i64} : memref<1x64xf32, "private">
    step.phase "a" rows(all) cols(1) do {
      step.rope_table %p {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<1x64xf32, "private">
    }
    step.barrier
    step.phase "b" rows(all) cols(1) do {
      step.rope_table %q {head_dim = 64, angles = 32, theta = 2.0, factor = 1.0} : memref<1x64xf32, "private">
    }
  }
}
