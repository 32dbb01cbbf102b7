// RUN: gemma-codegen %s --gpu-arch=sm_90a | FileCheck %s
// A bulk copy into shared memory, counted by an mbarrier that a thread waits at.
// CHECK: .entry k
// CHECK: mbarrier.init.shared{{(::cta)?}}.b64
// CHECK: mbarrier.arrive.expect_tx{{.*}}.b64
// CHECK: cp.async.bulk.shared::cluster.global.mbarrier
// CHECK: mbarrier.try_wait.parity
gpu.module @m {
  llvm.mlir.global external @gm_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
  gpu.func @k(%p: !llvm.ptr) kernel {
    %shared = llvm.mlir.addressof @gm_shared : !llvm.ptr<3>
    %barrier = llvm.getelementptr %shared[4096] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i8
    %one = arith.constant 1 : i32
    %bytes = arith.constant 4096 : i32
    %phase = arith.constant 0 : i32
    nvvm.mbarrier.init %barrier, %one : !llvm.ptr<3>, i32
    nvvm.mbarrier.arrive.expect_tx %barrier, %bytes : !llvm.ptr<3>, i32
    %global = llvm.addrspacecast %p : !llvm.ptr to !llvm.ptr<1>
    %cluster = llvm.addrspacecast %shared : !llvm.ptr<3> to !llvm.ptr<7>
    nvvm.cp.async.bulk.shared.cluster.global %cluster, %global, %barrier, %bytes : !llvm.ptr<7>, !llvm.ptr<1>
    scf.while : () -> () {
      %done = nvvm.mbarrier.try_wait %barrier, %phase : !llvm.ptr<3>, i32 -> i1
      %true = arith.constant true
      %again = arith.xori %done, %true : i1
      scf.condition(%again)
    } do {
      scf.yield
    }
    %x = llvm.load %shared : !llvm.ptr<3> -> f32
    llvm.store %x, %p : f32, !llvm.ptr
    gpu.return
  }
}
