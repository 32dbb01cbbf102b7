// A prompt's step on a matrix unit: rows packed as bf16t, a product of 4-bit weights and one of bf16, and attention.
gemma.weight @a {random = 1 : i64} : tensor<64x128xf32>
gemma.weight @a4 quant(q4) {random = 1 : i64} : tensor<64x128xf32>
step.program @tiles attributes {context = 64, chunk = 32, batch = 1, arena_bytes = 131072 : i64, scratch_bytes = 4096 : i64, weight_bytes = 32768 : i64} {
  step.weight @q4 q4p16 {n = 64, k = 128, tile = 32, sources = [@a4], offset = 0 : i64}
  step.weight @bf bf16p16 {n = 64, k = 128, tile = 32, sources = [@a], offset = 8192 : i64}
  step.weight @table rows_f32 {n = 64, k = 128, tile = 1, sources = [@a], offset = 0 : i64}
  step.cache @kv bf16 {heads = 1, head_dim = 32, window = 0, slots = 64, k_offset = 65536 : i64, v_offset = 73728 : i64}
  step.entry @prefill_none logits(none) attributes {rows = 32} {
    %x = step.buffer "x" {offset = 0 : i64} : memref<32x128xf32>
    %act = step.buffer "act" {offset = 16384 : i64} : memref<32x256xi8>
    %q = step.buffer "q" {offset = 24576 : i64} : memref<32x64xf32>
    %kv = step.buffer "kv" {offset = 32768 : i64} : memref<32x64xf32>
    %y = step.buffer "y" {offset = 40960 : i64} : memref<32x64xf32>
    step.phase "rows" rows(all) cols(1) by_row do {
      step.embed %x, @table {scale = 2.0} : memref<32x128xf32>
      step.pack %act, %x as bf16t : memref<32x256xi8>, memref<32x128xf32>
    }
    step.barrier
    step.phase "q" rows(all) cols(2) do {
      %t = step.tile %q {offset = 0, stride = 32, width = 32} : memref<32x64xf32> -> memref<32x32xf32>
      step.matmul %t, %act, @q4 as bf16t : memref<32x32xf32>, memref<32x256xi8>
    }
    step.barrier
    step.phase "kv" rows(all) cols(2) do {
      %t = step.tile %kv {offset = 0, stride = 32, width = 32} : memref<32x64xf32> -> memref<32x32xf32>
      step.matmul %t, %act, @bf as bf16t : memref<32x32xf32>, memref<32x256xi8>
    }
    step.barrier
    step.phase "write" rows(all) cols(1) by_row do {
      %t = step.tile %kv {offset = 0, stride = 32, width = 32} : memref<32x64xf32> -> memref<32x32xf32>
      step.cache_write @kv k, %t : memref<32x32xf32>
      step.cache_write @kv v, %t : memref<32x32xf32>
    }
    step.barrier
    step.phase "attention" rows(all) cols(2) by_row do {
      step.attention %y, %q, @kv {heads = 2, scale = 1.0, window = 0} : memref<32x64xf32>, memref<32x64xf32>
    }
  }
}
