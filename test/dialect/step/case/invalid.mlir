// RUN: gemma-opt %s --verify-diagnostics --split-input-file

// case_c1
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.case' op has column tasks [2, 5), expected some of [0, 4)}}
      step.case 2 to 5 {
      }
    }
  }
}

// -----

// case_c1_empty
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.case' op has column tasks [2, 2), expected some of [0, 4)}}
      step.case 2 to 2 {
      }
    }
  }
}

// -----

// case_c1_negative
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 4} {
    step.phase "f" rows(all) cols(4) do {
      // expected-error @+1 {{'step.case' op has column tasks [-1, 2), expected some of [0, 4)}}
      step.case -1 to 2 {
      }
    }
  }
}
