// RUN: gemma-opt %s --step-top=candidates=0 --verify-diagnostics

// expected-error @+1 {{expected candidates of step-top to be at least 1, found 0}}
module {
}
