// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// publish_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %h = step.buffer "h" : memref<4x32xf32, "private">
    step.phase "f" rows(all) cols(1) prologue {
      step.rope_table %h {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32, "private">
      // expected-error @+1 {{'step.publish' op dst has 64 columns and a source 32, expected the same}}
      step.publish %x, %h : memref<4x64xf32>, memref<4x32xf32, "private">
    } do {

    }
  }
}

// -----

// publish_c1_elements
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x32xi32>
    %h = step.buffer "h" : memref<4x32xf32, "private">
    step.phase "f" rows(all) cols(1) prologue {
      step.rope_table %h {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<4x32xf32, "private">
      // expected-error @+1 {{'step.publish' op failed to verify that all of {dst, src} have same element type}}
      step.publish %x, %h : memref<4x32xi32>, memref<4x32xf32, "private">
    } do {

    }
  }
}

// -----

// publish_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %z = step.buffer "z" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %z {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) prologue {
      // expected-error @+1 {{'step.publish' op copies shared to shared, expected private to shared}}
      step.publish %x, %z : memref<4x64xf32>, memref<4x64xf32>
    } do {

    }
  }
}

// -----

// take_row_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x32xf32>
    step.phase "f" rows(last) cols(1) do {
      // expected-error @+1 {{'step.take_row' op dst has 64 columns and a source 32, expected the same}}
      step.take_row %x, %y : memref<4x64xf32>, memref<4x32xf32>
    }
  }
}

// -----

// take_row_c2
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %z = step.buffer "z" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
      step.rope_table %z {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.take_row' op stands in a phase of rows(all), expected rows(last)}}
      step.take_row %x, %z : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// embed_c1
gemma.weight @w {random = 1 : i64} : tensor<64x32xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @w rows_f32 {n = 64, k = 32, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.embed' op table @w is rows_f32 with k = 32 and 0 experts, expected p16 or rows_* with k = 64 and none}}
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// embed_c1_format
gemma.weight @w {random = 1 : i64} : tensor<64xf32>
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  // expected-note @+1 {{weight defined here}}
  step.weight @w vec {n = 64, k = 1, tile = 64, sources = [@w]}
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.embed' op table @w is vec with k = 1 and 0 experts, expected p16 or rows_* with k = 64 and none}}
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// embed_c1_undefined
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
    step.barrier
    step.phase "f" rows(all) cols(1) do {
      // expected-error @+1 {{'step.embed' op table @w is not defined, expected the name of a step.weight}}
      step.embed %x, @w {scale = 1.0} : memref<4x64xf32>
    }
  }
}
