// RUN: not gemma-codegen %s --march=x86-64-v4 2>&1 | FileCheck %s
// Columns of a task that become tiles need a matrix unit, as whole rows do (amx.test).
// CHECK: error: 'step.pack_tile' op writes bf16t activations, which need a matrix unit: target x86-64-v4 lacks amx-tile and amx-bf16
step.program @p attributes {context = 64, chunk = 32, batch = 1, arena_bytes = 65536 : i64, scratch_bytes = 0 : i64} {
  step.entry @prefill_none logits(none) attributes {rows = 32} {
    %x = step.buffer "x" {offset = 0 : i64} : memref<32x64xf32>
    %a = step.buffer "a" {offset = 8192 : i64} : memref<32x256xi8>
    step.phase "init" rows(all) cols(1) do {
      step.rope_table %x {head_dim = 64, angles = 32, theta = 1.0, factor = 1.0} : memref<32x64xf32>
    }
    step.barrier
    step.phase "pack" rows(all) cols(2) do {
      step.pack_tile %a, %x as bf16t : memref<32x256xi8>, memref<32x64xf32>
    }
  }
}
