// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// cache_write_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.cache_write' op cache @kv is not defined, expected the name of a step.cache}}
      step.cache_write @kv k, %x : memref<4x32xf32>
    }
  }
}

// -----

// cache_write_c1_kind
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{defined here}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.cache_write' op cache @w is a 'step.weight', expected a step.cache}}
      step.cache_write @w k, %x : memref<4x32xf32>
    }
  }
}

// -----

// cache_write_c1_columns
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x24xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 24, angles = 12, theta = 10000.0, factor = 1.0} : memref<4x24xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.cache_write' op src has 24 columns, expected a multiple of 16 = head_dim of cache @kv}}
      step.cache_write @kv k, %x : memref<4x24xf32>
    }
  }
}

// -----

// cache_write_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{cache defined here}}
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.cache_write' op writes heads 1 + 0 * 0 + 2, expected at most the 2 of cache @kv}}
      step.cache_write @kv k, %x {head = 1 : i64} : memref<4x32xf32>
    }
  }
}

// -----

// cache_write_c2_stride: the third task writes a third head
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{cache defined here}}
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x16xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : memref<4x16xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(3) do {
      // expected-error @+1 {{'step.cache_write' op writes heads 0 + 1 * 2 + 1, expected at most the 2 of cache @kv}}
      step.cache_write @kv v, %x {head_stride = 1 : i64} : memref<4x16xf32>
    }
  }
}

// -----

// cache_write_c2_negative
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.cache_write' op head is -1 and head_stride 0, expected both at least 0}}
      step.cache_write @kv k, %x {head = -1 : i64} : memref<4x32xf32>
    }
  }
}

// -----

// cache_write_prologue
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.cache @kv f32 {heads = 2, head_dim = 16, window = 8, slots = 48}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) prologue {
      // expected-error @+1 {{'step.cache_write' op stands in a prologue, expected in a phase's body}}
      step.cache_write @kv k, %x : memref<4x32xf32>
    } do {

    }
  }
}
