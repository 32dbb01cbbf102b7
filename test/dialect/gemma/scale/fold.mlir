// RUN: gemma-opt %s --canonicalize --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @by_one
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>)
func.func @by_one(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = gemma.scale %x {factor = 1.0} : tensor<?x8xf32>
  // CHECK-NEXT: return %[[X]]
  return %a : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @of_scale
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>)
func.func @of_scale(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[S:.*]] = gemma.scale %[[X]] {factor = 1.500000e+00 : f64}
  %a = gemma.scale %x {factor = 0.5} : tensor<?x8xf32>
  %b = gemma.scale %a {factor = 3.0} : tensor<?x8xf32>
  // CHECK-NEXT: return %[[S]]
  return %b : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @to_one
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>)
func.func @to_one(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = gemma.scale %x {factor = 0.5} : tensor<?x8xf32>
  %b = gemma.scale %a {factor = 2.0} : tensor<?x8xf32>
  // CHECK-NEXT: return %[[X]]
  return %b : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @kept
func.func @kept(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: gemma.scale
  %a = gemma.scale %x {factor = -1.0} : tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// -----

// In f32, the first product overflows; the product of the factors would not even be a number of that type.
// CHECK-LABEL: func.func @overflows
func.func @overflows(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK-COUNT-2: gemma.scale
  %a = gemma.scale %x {factor = 1.0e30} : tensor<?x8xf32>
  %b = gemma.scale %a {factor = 1.0e30} : tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}

// -----

// 1e-60 is 0 as an f32, 1e-20 is not.
// CHECK-LABEL: func.func @vanishes
func.func @vanishes(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK-COUNT-2: gemma.scale
  %a = gemma.scale %x {factor = 1.0e-60} : tensor<?x8xf32>
  %b = gemma.scale %a {factor = 1.0e40} : tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}
