// RUN: gemma-opt %s --split-input-file --lower-to-threads | FileCheck %s
// Products of bytes in a lane, and of bf16 tiles by a warp.

// The bytes of a word, each with its sign.
// CHECK-LABEL: func.func private @dp4a.kernel(
// CHECK: %[[A:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i32
// CHECK: %[[B:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i32
// CHECK-COUNT-3: arith.shli %[[A]]
// CHECK-NOT: arith.shli %[[A]]
// CHECK: %[[A3:.*]] = arith.shrsi %[[A]]
// CHECK: arith.shrsi %[[B]]
// CHECK: arith.muli
// CHECK: %[[SUM:.*]] = arith.addi
// CHECK: llvm.store %[[SUM]]
gpu.module @dp4a {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %a = llvm.load %p : !llvm.ptr -> i32
    %at = llvm.getelementptr %p[4] : (!llvm.ptr) -> !llvm.ptr, i8
    %b = llvm.load %at : !llvm.ptr -> i32
    %sum = llvm.call_intrinsic "llvm.nvvm.idp4a.s.s"(%a, %b, %a) : (i32, i32, i32) -> i32
    llvm.store %sum, %p : i32, !llvm.ptr
    gpu.return
  }
}

// -----

// The operands lie in memory while the warp multiplies.
// CHECK-LABEL: func.func private @mma.kernel(
// CHECK: %[[ROOM:.*]] = llvm.alloca %{{.*}} x i32 {alignment = 16 : i64}
// CHECK-COUNT-10: llvm.store
// CHECK: %[[PLACE:.*]] = llvm.mlir.addressof @"mma.k, mma 1"
// CHECK: call @gm_emu_mma_bf16(%[[ROOM]], %[[PLACE]]) : (!llvm.ptr, !llvm.ptr) -> ()
// CHECK-COUNT-4: llvm.insertvalue
gpu.module @mma {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %a = llvm.load %p : !llvm.ptr -> i32
    %c = arith.constant 0.0 : f32
    %d = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.bf16"(%a, %a, %a, %a, %a, %a, %c, %c, %c, %c)
        : (i32, i32, i32, i32, i32, i32, f32, f32, f32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
    %first = llvm.extractvalue %d[0] : !llvm.struct<(f32, f32, f32, f32)>
    llvm.store %first, %p : f32, !llvm.ptr
    gpu.return
  }
}
