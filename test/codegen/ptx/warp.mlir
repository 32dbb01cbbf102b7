// RUN: gemma-codegen %s --gpu-arch=sm_80 | FileCheck %s
// Barriers of a block and shuffles of a warp. What a barrier separates stays separate: the load behind it is a load.
// CHECK: .version 7.1
// CHECK: .target sm_80
// CHECK: .entry k
// CHECK: st{{.*}}.b32
// CHECK: bar{{(rier)?}}.sync
// CHECK: ld{{.*}}.b32
// CHECK: shfl.sync.bfly.b32
// CHECK: add.rn.f32
// CHECK: shfl.sync.bfly.b32
// CHECK: add.s32
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %width = arith.constant 32 : i32
    %one = arith.constant 1 : i32
    %x = arith.constant 1.5 : f32
    %thread = gpu.thread_id x
    %t = arith.index_cast %thread : index to i64
    %at = llvm.getelementptr %p[%t] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    llvm.store %x, %at : f32, !llvm.ptr
    gpu.barrier
    %y = llvm.load %at : !llvm.ptr -> f32
    %other, %valid = gpu.shuffle xor %y, %one, %width : f32
    %sum = arith.addf %y, %other : f32
    llvm.store %sum, %at : f32, !llvm.ptr
    %bits = arith.index_cast %thread : index to i32
    %otherBits, %validBits = gpu.shuffle xor %bits, %one, %width : i32
    %count = arith.addi %bits, %otherBits : i32
    llvm.store %count, %p : i32, !llvm.ptr
    gpu.return
  }
}
