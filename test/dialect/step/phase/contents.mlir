// RUN: gemma-opt %s --verify-diagnostics --split-input-file --allow-unregistered-dialect

// phase_c5_case: inside of a case as well
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    step.phase "a" rows(all) cols(1) do {
      step.case 0 to 1 {
        // expected-error @+1 {{'arith.constant' op stands in a step.phase, expected only tiles, cases and tile ops}}
        %c = arith.constant 1 : index
        %d = arith.addi %c, %c : index
      }
    }
  }
}

// -----

// phase_c5_memref: operands that are no buffers at all
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    step.phase "a" rows(all) cols(1) do {
      step.case 0 to 1 {
        // expected-error @+1 {{'memref.alloc' op stands in a step.phase, expected only tiles, cases and tile ops}}
        %m = memref.alloc() : memref<f32>
        %v = memref.load %m[] : memref<f32>
        memref.store %v, %m[] : memref<f32>
      }
    }
  }
}

// -----

// phase_c5_unregistered: an op of no dialect
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    step.phase "a" rows(all) cols(1) do {
      // expected-error @+1 {{'foo.bar' op stands in a step.phase, expected only tiles, cases and tile ops}}
      "foo.bar"() : () -> ()
    }
  }
}

// -----

// phase_c5_operand: memory that the plan does not know
"foo.scope"() ({
  %m = "foo.memory"() : () -> memref<1x64xf32>
  step.program @p attributes {context = 40, chunk = 16, batch = 1} {
    step.entry @e logits(none) attributes {rows = 1} {
      step.phase "a" rows(all) cols(1) do {
        step.case 0 to 1 {
          // expected-error @+1 {{'step.rope_table' op operand 0 is no step.buffer of the entry nor a tile of one, expected one}}
          step.rope_table %m {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<1x64xf32>
        }
      }
    }
  }
}) : () -> ()
