// Products of a single row on tasks of eight panels, as decoding has them.
gemma.weight @a {random = 1 : i64} : tensor<128x128xf32>
gemma.weight @a4 quant(q4) {random = 1 : i64} : tensor<128x128xf32>
gemma.weight @a8 quant(q8) {random = 1 : i64} : tensor<128x128xf32>
step.program @decode attributes {context = 64, chunk = 1, batch = 1, arena_bytes = 4096 : i64,
                                 scratch_bytes = 1024 : i64, weight_bytes = 65536 : i64} {
  step.weight @q4 q4p16 {n = 128, k = 128, tile = 128, sources = [@a4], offset = 0 : i64}
  step.weight @q8 q8p16 {n = 128, k = 128, tile = 128, sources = [@a8], offset = 16384 : i64}
  step.weight @table rows_f32 {n = 128, k = 128, tile = 1, sources = [@a], offset = 0 : i64}
  step.entry @decode logits(none) attributes {rows = 1} {
    %x = step.buffer "x" {offset = 0 : i64} : memref<1x128xf32>
    %y = step.buffer "y" {offset = 512 : i64} : memref<1x128xf32>
    %z = step.buffer "z" {offset = 1024 : i64} : memref<1x128xf32>
    %p = step.buffer "p" {offset = 0 : i64} : memref<1x192xi8, "private">
    step.phase "embed" rows(all) cols(1) by_row do {
      step.embed %x, @table {scale = 1.0} : memref<1x128xf32>
    }
    step.barrier
    step.phase "q4" rows(all) cols(1) prologue {
      step.pack %p, %x as i8 : memref<1x192xi8, "private">, memref<1x128xf32>
    } do {
      step.matmul %y, %p, @q4 as i8 : memref<1x128xf32>, memref<1x192xi8, "private">
    }
    step.barrier
    step.phase "q8" rows(all) cols(1) prologue {
      step.pack %p, %y as i8 : memref<1x192xi8, "private">, memref<1x128xf32>
    } do {
      step.matmul %z, %p, @q8 as i8 : memref<1x128xf32>, memref<1x192xi8, "private">
    }
  }
}
