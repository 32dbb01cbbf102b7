// RUN: split-file %s %t
// RUN: not gemma-opt %t/entry.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=ENTRY
// RUN: not gemma-opt %t/unknown.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not gemma-opt %t/empty.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not gemma-opt %t/empty.mlir --pass-pipeline='builtin.module(gemma-to-step{context=0})' 2>&1 | FileCheck %s --check-prefix=CONTEXT
// RUN: not gemma-opt %t/empty.mlir --pass-pipeline='builtin.module(gemma-to-step{compute=fp8})' 2>&1 | FileCheck %s --check-prefix=COMPUTE
// RUN: not gemma-opt %t/empty.mlir --pass-pipeline='builtin.module(gemma-to-step{kv=q4})' 2>&1 | FileCheck %s --check-prefix=KV
// RUN: not gemma-opt %t/cache.mlir --pass-pipeline='builtin.module(gemma-to-step)' 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not gemma-opt %t/empty.mlir --pass-pipeline='builtin.module(step-prefetch{bytes=0})' 2>&1 | FileCheck %s --check-prefix=PREFETCH

// ENTRY: error: is no entry of a step; run gemma-entries first
// UNKNOWN: error: unknown entry 'verify'; expected decode, prefill_none, prefill_last or prefill_all
// EMPTY: error: has no entry functions; run gemma-entries first
// CONTEXT: error: expected 1 <= context <= 16777216, 1 <= chunk and 1 <= batch <= 1024, found context 0, chunk 128, batch 1
// COMPUTE: error: unknown compute 'fp8'; expected f32, bf16 or int8
// KV: error: unknown kv 'q4'; expected f32, bf16 or q8
// ROWS: error: expected a static number of rows in decode, found 'tensor<?xi32>'
// PREFETCH: error: expected bytes of step-prefetch to be at least 1, found 0

//--- entry.mlir
func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) { return }
//--- unknown.mlir
func.func @verify(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) attributes {gemma.entry = "verify"} { return }
//--- empty.mlir
module {}
//--- cache.mlir
func.func @decode(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) attributes {gemma.entry = "decode"} { return }
