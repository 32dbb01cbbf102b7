// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// matmul_c1
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<64x100xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 100, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op act has 64 columns, expected 128 for 1 packed f32 vectors of 100}}
      step.matmul %d, %x, @w as f32 : memref<4x16xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_c1_type
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op act has elements of 'f32', expected i8 for i8 activations}}
      step.matmul %d, %x, @w as i8 : memref<4x16xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_c2
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @w rows_f32 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op weight @w is rows_f32 with 0 experts, expected a p16 format with none for f32 activations}}
      step.matmul %d, %x, @w as f32 : memref<4x16xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_c2_i8
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @w bf16p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op weight @w is bf16p16 with 0 experts, expected a quantised p16 format with none for i8 activations}}
      step.matmul %d, %x, @w as i8 : memref<4x16xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_c2_experts
gemma.weight @w quant(q8) {random = 1 : i64} : tensor<8x64x64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @w q8p16 {n = 64, k = 64, tile = 16, sources = [@w], experts = 8 : i64}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %d = step.buffer "d" : memref<4x16xf32, "private">
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op weight @w is q8p16 with 8 experts, expected a p16 format with none for f32 activations}}
      step.matmul %d, %x, @w as f32 : memref<4x16xf32, "private">, memref<4x64xf32>
    }
  }
}

// -----

// matmul_c2_tiles
gemma.weight @w {random = 1 : i64} : tensor<64x64xf32>
step.program @p attributes {context = 40, chunk = 32, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @w f32p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 32} {
    %x = step.buffer "x" : memref<32x64xf32>
    %a = step.buffer "a" : memref<32x128xi8>
    %d = step.buffer "d" : memref<32x16xf32, "private">
    step.phase "init" rows(all) cols(1) by_row do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<32x64xf32>
      step.pack %a, %x as bf16t : memref<32x128xi8>, memref<32x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op weight @w is f32p16 with 0 experts, expected a p16 format other than f32p16 with none for bf16t activations}}
      step.matmul %d, %a, @w as bf16t : memref<32x16xf32, "private">, memref<32x128xi8>
    }
  }
}

// -----

// matmul_c5
gemma.weight @w {random = 1 : i64} : tensor<64x64xbf16>
step.program @p attributes {context = 40, chunk = 32, batch = 1} {
  step.weight @w bf16p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 32} {
    %x = step.buffer "x" : memref<32x64xf32>
    %a = step.buffer "a" : memref<32x128xi8>
    %d = step.buffer "d" : memref<1x16xf32, "private">
    step.phase "init" rows(all) cols(1) by_row do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<32x64xf32>
      step.pack %a, %x as bf16t : memref<32x128xi8>, memref<32x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) by_row do {
      // expected-error @+1 {{'step.matmul' op stands in a by_row phase, expected one of column tasks for bf16t activations}}
      step.matmul %d, %a, @w as bf16t : memref<1x16xf32, "private">, memref<32x128xi8>
    }
  }
}

// -----

// matmul_c5_rows
gemma.weight @w {random = 1 : i64} : tensor<64x64xbf16>
step.program @p attributes {context = 40, chunk = 32, batch = 1} {
  step.weight @w bf16p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 32} {
    %x = step.buffer "x" : memref<32x64xf32>
    %a = step.buffer "a" : memref<32x128xi8>
    %d = step.buffer "d" : memref<1x16xf32, "private">
    step.phase "init" rows(all) cols(1) by_row do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<32x64xf32>
      step.pack %a, %x as bf16t : memref<32x128xi8>, memref<32x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.matmul' op dst has 1 rows, expected the 32 of the bf16t activations}}
      step.matmul %d, %a, @w as bf16t : memref<1x16xf32, "private">, memref<32x128xi8>
    }
  }
}

// -----

// matmul_c5_tile
gemma.weight @w {random = 1 : i64} : tensor<64x64xbf16>
step.program @p attributes {context = 40, chunk = 32, batch = 1} {
  step.weight @w bf16p16 {n = 64, k = 64, tile = 16, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 32} {
    %x = step.buffer "x" : memref<32x64xf32>
    %a = step.buffer "a" : memref<32x128xi8>
    %d = step.buffer "d" : memref<32x16xf32, "private">
    step.phase "init" rows(all) cols(1) by_row do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<32x64xf32>
      step.pack %a, %x as bf16t : memref<32x128xi8>, memref<32x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(4) do {
      %t = step.tile %a {offset = 0, stride = 0, width = 128} : memref<32x128xi8> -> memref<32x128xi8>
      // expected-error @+1 {{'step.matmul' op act is a part of a buffer, expected a whole one for bf16t activations}}
      step.matmul %d, %t, @w as bf16t : memref<32x16xf32, "private">, memref<32x128xi8>
    }
  }
}
