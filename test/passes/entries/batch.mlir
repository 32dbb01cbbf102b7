// RUN: gemma-opt %s --gemma-entries="batch=0" --verify-diagnostics

// expected-error @+1 {{expected a positive batch, found 0}}
module {
  func.func private @forward(tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32>
}
