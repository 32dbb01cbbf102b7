// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// phase_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.phase' op cols is 0, expected 1 to 1048576}}
    step.phase "f" rows(all) cols(0) do {

    }
  }
}

// -----

// phase_c1_bytes
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    // expected-error @+1 {{'step.phase' op row_bytes is -1, expected at least 0}}
    step.phase "f" rows(all) cols(1) {row_bytes = -1 : i64} do {

    }
  }
}

// -----

// phase_c3: a shared buffer written in a prologue
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    step.phase "f" rows(all) cols(1) prologue {
      // expected-error @+1 {{'step.rope_table' op writes shared buffer "x" in a prologue, expected a private one or step.publish}}
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    } do {

    }
  }
}

// -----

// phase_c3_read: what is published is read by the phase
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %y = step.buffer "y" : memref<4x64xf32>
    %h = step.buffer "h" : memref<4x64xf32, "private">
    step.phase "f" rows(all) cols(1) prologue {
      step.rope_table %h {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32, "private">
      // expected-error @+1 {{'step.publish' op publishes to buffer "x", expected one that no other op of the phase touches}}
      step.publish %x, %h : memref<4x64xf32>, memref<4x64xf32, "private">
    } do {
      // expected-note @+1 {{read here}}
      step.copy %y, %x : memref<4x64xf32>, memref<4x64xf32>
    }
  }
}

// -----

// phase_c3_written: what is published is written by the phase
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %h = step.buffer "h" : memref<4x64xf32, "private">
    step.phase "f" rows(all) cols(1) prologue {
      step.rope_table %h {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32, "private">
      // expected-error @+1 {{'step.publish' op publishes to buffer "x", expected one that no other op of the phase touches}}
      step.publish %x, %h : memref<4x64xf32>, memref<4x64xf32, "private">
    } do {
      // expected-note @+1 {{written here}}
      step.rope_table %x {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32>
    }
  }
}

// -----

// phase_c3_body: publish is for prologues
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    %x = step.buffer "x" : memref<4x64xf32>
    %h = step.buffer "h" : memref<4x64xf32, "private">
    step.phase "f" rows(all) cols(1) do {
      step.rope_table %h {head_dim = 64, angles = 32, theta = 10000.0, factor = 1.0} : memref<4x64xf32, "private">
      // expected-error @+1 {{'step.publish' op stands in a phase's body, expected in its prologue}}
      step.publish %x, %h : memref<4x64xf32>, memref<4x64xf32, "private">
    }
  }
}
