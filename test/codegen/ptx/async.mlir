// RUN: gemma-codegen %s --gpu-arch=sm_80 | FileCheck %s
// 16 bytes at a time from global to shared memory, past the registers.
// CHECK: .entry k
// CHECK: cp.async.cg.shared.global [{{%.*|gm_shared}}], [%{{.*}}], 16;
// CHECK: cp.async.commit_group;
// CHECK: cp.async.wait_group 0;
// CHECK: bar{{(rier)?}}.sync
gpu.module @m {
  llvm.mlir.global external @gm_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
  gpu.func @k(%p: !llvm.ptr) kernel {
    %shared = llvm.mlir.addressof @gm_shared : !llvm.ptr<3>
    %global = llvm.addrspacecast %p : !llvm.ptr to !llvm.ptr<1>
    nvvm.cp.async.shared.global %shared, %global, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>
    nvvm.cp.async.commit.group
    nvvm.cp.async.wait.group 0
    gpu.barrier
    %x = llvm.load %shared : !llvm.ptr<3> -> f32
    llvm.store %x, %p : f32, !llvm.ptr
    gpu.return
  }
}
