// One product of each kind: int8 on 4 and 8 bits, f32 on bf16 and 4 bits; two of them twice.
gemma.weight @a {random = 1 : i64} : tensor<64x128xf32>
gemma.weight @a4 quant(q4) {random = 1 : i64} : tensor<64x128xf32>
gemma.weight @a8 quant(q8) {random = 1 : i64} : tensor<64x128xf32>
step.program @products attributes {context = 64, chunk = 16, batch = 1, arena_bytes = 65536 : i64, scratch_bytes = 16384 : i64, weight_bytes = 131072 : i64} {
  step.weight @q4 q4p16 {n = 64, k = 128, tile = 32, sources = [@a4], offset = 0 : i64}
  step.weight @q4.again q4p16 {n = 64, k = 128, tile = 32, sources = [@a4], offset = 4608 : i64}
  step.weight @q8 q8p16 {n = 64, k = 128, tile = 32, sources = [@a8], offset = 16384 : i64}
  step.weight @bf bf16p16 {n = 64, k = 128, tile = 32, sources = [@a], offset = 32768 : i64}
  step.weight @table rows_f32 {n = 64, k = 128, tile = 1, sources = [@a], offset = 65536 : i64}
  step.entry @decode logits(none) attributes {rows = 1} {
    %x = step.buffer "x" {offset = 0 : i64} : memref<1x128xf32>
    %y = step.buffer "y" {offset = 512 : i64} : memref<1x64xf32>
    %z = step.buffer "z" {offset = 1024 : i64} : memref<1x64xf32>
    %i8 = step.buffer "i8" {offset = 0 : i64} : memref<1x192xi8, "private">
    %f = step.buffer "f" {offset = 256 : i64} : memref<1x128xf32, "private">
    step.phase "embed" rows(all) cols(1) by_row do {
      step.embed %x, @table {scale = 2.0} : memref<1x128xf32>
    }
    step.prefetch @q4 {bytes = 256}
    step.barrier
    step.phase "layers.0.q4" rows(all) cols(2) prologue {
      step.pack %i8, %x as i8 : memref<1x192xi8, "private">, memref<1x128xf32>
    } do {
      %t = step.tile %y {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
      step.matmul %t, %i8, @q4 as i8 : memref<1x32xf32>, memref<1x192xi8, "private">
    }
    step.barrier
    step.phase "layers.1.q4" rows(all) cols(2) prologue {
      step.pack %i8, %x as i8 : memref<1x192xi8, "private">, memref<1x128xf32>
    } do {
      %t = step.tile %z {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
      step.matmul %t, %i8, @q4.again as i8 : memref<1x32xf32>, memref<1x192xi8, "private">
    }
    step.barrier
    step.phase "q8" rows(all) cols(2) prologue {
      step.pack %i8, %x as i8 : memref<1x192xi8, "private">, memref<1x128xf32>
    } do {
      %t = step.tile %y {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
      step.matmul %t, %i8, @q8 as i8 : memref<1x32xf32>, memref<1x192xi8, "private">
    }
    step.barrier
    step.phase "bf" rows(all) cols(2) prologue {
      step.pack %f, %x as bf16 : memref<1x128xf32, "private">, memref<1x128xf32>
    } do {
      %t = step.tile %y {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
      step.matmul %t, %f, @bf as bf16 : memref<1x32xf32>, memref<1x128xf32, "private">
    }
    step.barrier
    step.phase "q4.f32" rows(all) cols(2) prologue {
      step.pack %f, %x as f32 : memref<1x128xf32, "private">, memref<1x128xf32>
    } do {
      %t = step.tile %y {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
      step.matmul %t, %f, @q4 as f32 : memref<1x32xf32>, memref<1x128xf32, "private">
    }
  }
}
