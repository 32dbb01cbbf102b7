// RUN: gemma-opt %s --gemma-entries --split-input-file --verify-diagnostics

// expected-error @+1 {{expected a function @forward to make entries of}}
module {
}

// -----

module {
  // expected-error @+1 {{@forward needs a body of one block}}
  func.func private @forward(tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32>
}

// -----

module {
  // expected-error @+1 {{expected the arguments tokens, pos, seq of tensor<?xi32>, found '(tensor<?xi32>) -> tensor<?xi32>'}}
  func.func @forward(%tokens: tensor<?xi32>) -> tensor<?xi32> {
    return %tokens : tensor<?xi32>
  }
}

// -----

module {
  // expected-error @+1 {{expected one result of tensor<?xVxf32>, found '(tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>'}}
  func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?xi32> {
    return %tokens : tensor<?xi32>
  }
}
