// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// buffer_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op memory space is 1 : i64, expected none or "private"}}
    %x = step.buffer "x" : memref<4x64xf32, 1>
  }
}

// -----

// buffer_c1_shape
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op type is 'memref<?x64xf32>', expected static dimensions of at least 1}}
    %x = step.buffer "x" : memref<?x64xf32>
  }
}

// -----

// buffer_c1_zero
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op type is 'memref<4x0xf32>', expected static dimensions of at least 1}}
    %x = step.buffer "x" : memref<4x0xf32>
  }
}

// -----

// buffer_c1_layout
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op layout is strided<[128, 1]>, expected none}}
    %x = step.buffer "x" : memref<4x64xf32, strided<[128, 1]>>
  }
}

// -----

// buffer_c1_bytes
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op type is 'memref<2305843009213693952x64xf32>', expected at most 2^44 bytes}}
    %x = step.buffer "x" : memref<2305843009213693952x64xf32>
  }
}

// -----

// buffer_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op offset is 100, expected a non-negative multiple of 64}}
    %x = step.buffer "x" {offset = 100 : i64} : memref<4x64xf32>
  }
}

// -----

// buffer_c2_negative
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.buffer' op offset is -64, expected a non-negative multiple of 64}}
    %x = step.buffer "x" {offset = -64 : i64} : memref<4x64xf32>
  }
}
