// RUN: gemma-codegen %s --march=x86-64-v3 --emit=obj -o %t
// A window longer than the context needs no more scratch for its scores than the context.
step.program @p attributes {context = 64, chunk = 16, batch = 1, arena_bytes = 65536 : i64, scratch_bytes = 0 : i64} {
  step.cache @kv f32 {heads = 1, head_dim = 64, window = 0, slots = 64, k_offset = 1024 : i64, v_offset = 20480 : i64}
  step.entry @decode logits(none) attributes {rows = 1, batch = 1} {
    %q = step.buffer "q" {offset = 0 : i64} : memref<1x64xf32>
    %o = step.buffer "o" {offset = 256 : i64} : memref<1x64xf32>
    step.phase "a" rows(all) cols(1) do {
      step.rope_table %q {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "b" rows(all) cols(1) by_row do {
      step.attention %o, %q, @kv {heads = 1, window = 2147483647, scale = 1.0} : memref<1x64xf32>, memref<1x64xf32>
    }
  }
}
