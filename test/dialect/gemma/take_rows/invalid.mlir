// RUN: gemma-opt %s --verify-diagnostics --split-input-file

func.func @take_rows_c1(%x: tensor<?x8xf32>, %seq: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.take_rows' op batch is 2, expected at least 1 and the 1 rows of the result}}
  %a = gemma.take_rows %x, %seq {batch = 2} : tensor<?x8xf32>, tensor<?xi32> -> tensor<1x8xf32>
  return
}

// -----

func.func @take_rows_c1_zero(%x: tensor<?x8xf32>, %seq: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.take_rows' op batch is 0, expected at least 1 and the 0 rows of the result}}
  %a = gemma.take_rows %x, %seq {batch = 0} : tensor<?x8xf32>, tensor<?xi32> -> tensor<0x8xf32>
  return
}

// -----

func.func @take_rows_c2_rows(%x: tensor<?x8xf32>, %seq: tensor<4xi32>) {
  // expected-error @+1 {{'gemma.take_rows' op x has shape ?x8, expected 4 rows as seq}}
  %a = gemma.take_rows %x, %seq {batch = 1} : tensor<?x8xf32>, tensor<4xi32> -> tensor<1x8xf32>
  return
}

// -----

func.func @take_rows_c2(%x: tensor<?x8xf32>, %seq: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.take_rows' op result is 'tensor<1x9xf32>', expected 1 rows of x, which is 'tensor<?x8xf32>'}}
  %a = gemma.take_rows %x, %seq {batch = 1} : tensor<?x8xf32>, tensor<?xi32> -> tensor<1x9xf32>
  return
}

// -----

func.func @take_rows_rank(%x: tensor<?xf32>, %seq: tensor<?xi32>) {
  // expected-error @+1 {{'gemma.take_rows' op operand #0 must be activation or indices, rows first, but got 'tensor<?xf32>'}}
  %a = gemma.take_rows %x, %seq {batch = 1} : tensor<?xf32>, tensor<?xi32> -> tensor<1xf32>
  return
}
