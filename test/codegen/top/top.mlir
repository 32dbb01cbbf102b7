// Candidates are gathered by compares of 16 columns; each worker's list goes to the others once, and the last to arrive,
// which an atomic counter tells, selects among all.
// RUN: gemma-codegen %s --march=x86-64-v4 --emit=mlir | FileCheck %s
// RUN: gemma-codegen %s --march=x86-64-v4 | FileCheck %s --check-prefix=V4
// RUN: gemma-codegen %s --march=x86-64-v3 | FileCheck %s --check-prefix=V3
// RUN: gemma-codegen %s --march=armv8.2-a+dotprod | FileCheck %s --check-prefix=NEON

// CHECK-LABEL: func.func private @phase_top_0
// CHECK: scf.while
// CHECK: arith.cmpf ogt, %{{.*}} : vector<16xf32>
// CHECK: llvm.call_intrinsic "llvm.experimental.vector.compress"
// CHECK: call @keep_largest
// CHECK: llvm.atomicrmw add {{.*}} monotonic
// CHECK: llvm.atomicrmw add {{.*}} acq_rel
// CHECK: scf.if
// CHECK: call @keep_largest
// CHECK: call @sort_selection

// V4-LABEL: phase_top_0:
// V4: vcmp{{.*}}ps {{.*}}%zmm{{.*}}, %k
// V4: vcompressps %zmm{{[0-9]+}}, {{.*}}{%k
// V3-LABEL: phase_top_0:
// V3: vcmp{{.*}}ps
// NEON-LABEL: phase_top_0:
// NEON: fcmgt
step.program @top attributes {context = 64, chunk = 1, batch = 1, arena_bytes = 65536 : i64, scratch_bytes = 0 : i64, weight_bytes = 0 : i64} {
  step.entry @decode_top logits(top) attributes {rows = 1} {
    %x = step.buffer "x" {offset = 0 : i64} : memref<1x4096xf32>
    %v = step.buffer "v" {offset = 16384 : i64} : memref<1x64xf32>
    %i = step.buffer "i" {offset = 16640 : i64} : memref<1x64xi32>
    step.phase "x" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 4096, angles = 2048, theta = 10000.0, factor = 1.0} : memref<1x4096xf32>
    }
    step.barrier
    step.phase "top" rows(all) cols(64) do {
      %t = step.tile %x {offset = 0, stride = 64, width = 64} : memref<1x4096xf32> -> memref<1x64xf32>
      step.select_top %v, %i, %t {columns = 4090} : memref<1x64xf32>, memref<1x64xi32>, memref<1x64xf32>
    }
    step.yield %v, %i : memref<1x64xf32>, memref<1x64xi32>
  }
}
