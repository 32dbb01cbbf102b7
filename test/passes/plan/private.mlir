// RUN: gemma-opt %s --step-plan-memory | FileCheck %s

// A private buffer that two phases touch has one place, where it overlaps the others of neither: @p stays where phase "a"
// has put it, and @r, which comes first in phase "b", goes beside it, where @q was.
// CHECK: step.program @p attributes {{{.*}}scratch_bytes = 512 : i64
step.program @p attributes {context = 64, chunk = 16, batch = 1} {
  step.entry @decode logits(none) attributes {rows = 1, batch = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %y = step.buffer "y" : memref<1x64xf32>
    // CHECK: step.buffer "p" {offset = 0 : i64}
    %p = step.buffer "p" : memref<1x64xf32, "private">
    // CHECK: step.buffer "q" {offset = 256 : i64}
    %q = step.buffer "q" : memref<1x64xf32, "private">
    // CHECK: step.buffer "r" {offset = 256 : i64}
    %r = step.buffer "r" : memref<1x64xf32, "private">
    step.phase "a" rows(all) cols(1) do {
      step.rope_table %p {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<1x64xf32, "private">
      step.rope_table %q {head_dim = 64, angles = 32, theta = 2.0, factor = 1.0} : memref<1x64xf32, "private">
      step.add %x, %p, %q : memref<1x64xf32>, memref<1x64xf32, "private">, memref<1x64xf32, "private">
    }
    step.barrier
    step.phase "b" rows(all) cols(1) do {
      step.rope_table %r {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<1x64xf32, "private">
      step.rope_table %p {head_dim = 64, angles = 32, theta = 2.0, factor = 1.0} : memref<1x64xf32, "private">
      step.add %y, %p, %r : memref<1x64xf32>, memref<1x64xf32, "private">, memref<1x64xf32, "private">
    }
    step.yield
  }
}
