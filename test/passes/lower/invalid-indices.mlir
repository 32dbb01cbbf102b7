// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{batch=2})' --verify-diagnostics --split-input-file --allow-unregistered-dialect

// A step has one list of tokens, positions and sequences, which its ops read by themselves.
gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
func.func @tokens(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> attributes {gemma.entry = "prefill_all"} {
  // expected-error @+1 {{'gemma.embed' op tokens is not what the step gives its rows, expected argument 0 of the entry or a take_rows of it}}
  %x = gemma.embed %pos, @table {scale = 1.0} : tensor<?xi32> -> tensor<?x64xf32>
  return %x : tensor<?x64xf32>
}

// -----

gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
func.func @rope(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0} : tensor<?xi32> -> tensor<?x64xf32>
  // expected-error @+1 {{'gemma.rope' op pos is not what the step gives its rows, expected argument 1 of the entry or a take_rows of it}}
  %r = gemma.rope %x, %tokens {head_dim = 64, angles = 32, theta = 10000.0} : tensor<?x64xf32>, tensor<?xi32>
  return %r : tensor<?x64xf32>
}

// -----

gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
gemma.cache @kv {heads = 1, head_dim = 64, window = 0}
func.func @update(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0} : tensor<?xi32> -> tensor<?x64xf32>
  // expected-error @+1 {{'gemma.cache_update' op seq is not what the step gives its rows, expected argument 2 of the entry or a take_rows of it}}
  %kv = gemma.cache_update @kv, %x, %x, %pos, %pos : tensor<?x64xf32>, tensor<?xi32> -> <1 x 64>
  return %x : tensor<?x64xf32>
}

// -----

gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
gemma.cache @kv {heads = 1, head_dim = 64, window = 0}
func.func @attention(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0} : tensor<?xi32> -> tensor<?x64xf32>
  %kv = gemma.cache_update @kv, %x, %x, %pos, %seq : tensor<?x64xf32>, tensor<?xi32> -> <1 x 64>
  // expected-error @+1 {{'gemma.qk' op pos is not what the step gives its rows, expected argument 1 of the entry or a take_rows of it}}
  %s = gemma.qk %x, %kv, %tokens, %seq {heads = 1, window = 0, scale = 1.0} : tensor<?x64xf32>, <1 x 64>, tensor<?xi32> -> tensor<?x1x?xf32>
  %p = gemma.softmax %s : tensor<?x1x?xf32>
  %a = gemma.pv %p, %kv, %pos, %seq : tensor<?x1x?xf32>, <1 x 64>, tensor<?xi32> -> tensor<?x64xf32>
  return %a : tensor<?x64xf32>
}

// -----

gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
func.func @take(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<2x64xf32> attributes {gemma.entry = "prefill_last"} {
  %x = gemma.embed %tokens, @table {scale = 1.0} : tensor<?xi32> -> tensor<?x64xf32>
  // expected-error @+1 {{'gemma.take_rows' op seq is not what the step gives its rows, expected argument 2 of the entry or a take_rows of it}}
  %l = gemma.take_rows %x, %pos {batch = 2} : tensor<?x64xf32>, tensor<?xi32> -> tensor<2x64xf32>
  return %l : tensor<2x64xf32>
}

// -----

gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
func.func @take_three(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<3x64xf32> attributes {gemma.entry = "prefill_last"} {
  %x = gemma.embed %tokens, @table {scale = 1.0} : tensor<?xi32> -> tensor<?x64xf32>
  // expected-error @+1 {{'gemma.take_rows' op takes 3 rows, expected one for each of the 2 sequences of a step}}
  %l = gemma.take_rows %x, %seq {batch = 3} : tensor<?x64xf32>, tensor<?xi32> -> tensor<3x64xf32>
  return %l : tensor<3x64xf32>
}

// -----

gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
func.func @take_in_decode(%tokens: tensor<2xi32>, %pos: tensor<2xi32>, %seq: tensor<2xi32>) -> tensor<2x64xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0} : tensor<2xi32> -> tensor<2x64xf32>
  // expected-error @+1 {{'gemma.take_rows' op in a decode step of 2 sequences has no lowering: their rows may come in any order}}
  %l = gemma.take_rows %x, %seq {batch = 2} : tensor<2x64xf32>, tensor<2xi32> -> tensor<2x64xf32>
  return %l : tensor<2x64xf32>
}

// -----

// Eight experts to choose among, of which the weight holds two.
gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
gemma.weight @router {random = 1 : i64} : tensor<8x64xf32>
gemma.weight @experts {random = 1 : i64} : tensor<2x64x64xf32>
func.func @chosen(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0} : tensor<?xi32> -> tensor<?x64xf32>
  %s = gemma.linear %x, @router : tensor<?x64xf32> -> tensor<?x8xf32>
  %p = gemma.softmax %s : tensor<?x8xf32>
  %w, %i = gemma.top_k %p {k = 2} : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<?x2xi32>
  // expected-error @+1 {{'gemma.expert_linear' op has indices chosen of 8 experts, expected at most the 2 of @experts}}
  %y = gemma.expert_linear %x, %i, @experts : tensor<?x64xf32>, tensor<?x2xi32> -> tensor<?x2x64xf32>
  %c = gemma.combine %y, %w : tensor<?x2x64xf32>, tensor<?x2xf32> -> tensor<?x64xf32>
  return %c : tensor<?x64xf32>
}

// -----

gemma.weight @table {random = 1 : i64} : tensor<64x64xf32>
gemma.weight @experts {random = 1 : i64} : tensor<2x64x64xf32>
func.func @no_choice(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) attributes {gemma.entry = "prefill_none"} {
  %x = gemma.embed %tokens, @table {scale = 1.0} : tensor<?xi32> -> tensor<?x64xf32>
  %i = "some.op"() : () -> tensor<?x2xi32>
  // expected-error @+1 {{'gemma.expert_linear' op has indices that no gemma.top_k chose, expected some that one did}}
  %y = gemma.expert_linear %x, %i, @experts : tensor<?x64xf32>, tensor<?x2xi32> -> tensor<?x2x64xf32>
  return
}
