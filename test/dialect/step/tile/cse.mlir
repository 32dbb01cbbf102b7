// RUN: gemma-opt %s --cse --canonicalize | FileCheck %s

// Equal tiles inside and outside of a case are not the same columns; unused ones go.
// CHECK-LABEL: step.phase "a"
// CHECK-NEXT: step.tile
// CHECK-NEXT: step.rope_table
// CHECK-NEXT: step.case 2 to 4
// CHECK-NEXT: step.tile
// CHECK-NEXT: step.scale
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x96xf32>
    step.phase "a" rows(all) cols(4) do {
      %unused = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x96xf32> -> memref<1x16xf32>
      %t = step.tile %x {offset = 32, stride = 16, width = 16} : memref<1x96xf32> -> memref<1x16xf32>
      step.rope_table %t {head_dim = 16, angles = 8, theta = 1.0, factor = 1.0} : memref<1x16xf32>
      step.case 2 to 4 {
        %u = step.tile %x {offset = 64, stride = 16, width = 16} : memref<1x96xf32> -> memref<1x16xf32>
        step.scale %u, %u {factor = 2.0} : memref<1x16xf32>, memref<1x16xf32>
      }
    }
  }
}
