// RUN: gemma-opt %s --cse --canonicalize | FileCheck %s

// Equal tiles inside and outside of a case are not the same columns, so neither stands for the other; unused ones go.
// CHECK-LABEL: step.phase "b"
// CHECK-NEXT: step.tile
// CHECK-NEXT: step.tile
// CHECK-NEXT: step.copy
// CHECK-NEXT: step.case 2 to 4
// CHECK-NEXT: %[[IN:.*]] = step.tile %{{.*}} {offset = 0
// CHECK-NEXT: %[[OUT:.*]] = step.tile
// CHECK-NEXT: step.copy %[[OUT]], %[[IN]]
step.program @p attributes {context = 40, chunk = 16, batch = 1} {
  step.entry @e logits(none) attributes {rows = 1} {
    %x = step.buffer "x" : memref<1x64xf32>
    %y = step.buffer "y" : memref<1x64xf32>
    %z = step.buffer "z" : memref<1x64xf32>
    step.phase "a" rows(all) cols(1) do {
      step.rope_table %y {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<1x64xf32>
    }
    step.barrier
    step.phase "b" rows(all) cols(4) do {
      %unused = step.tile %x {offset = 0, stride = 8, width = 8} : memref<1x64xf32> -> memref<1x8xf32>
      %v = step.tile %y {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      %t = step.tile %x {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
      step.copy %t, %v : memref<1x16xf32>, memref<1x16xf32>
      step.case 2 to 4 {
        %u = step.tile %y {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
        %w = step.tile %z {offset = 0, stride = 16, width = 16} : memref<1x64xf32> -> memref<1x16xf32>
        step.copy %w, %u : memref<1x16xf32>, memref<1x16xf32>
      }
    }
  }
}
