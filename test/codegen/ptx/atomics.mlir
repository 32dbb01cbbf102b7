// RUN: gemma-codegen %s --gpu-arch=sm_80 | FileCheck %s
// RUN: gemma-codegen %s --gpu-arch=sm_120a | FileCheck %s
// Blocks meet at counters in device memory: order and scope come out as the IR has them. PTX's atom.add is relaxed; fences
// order what stands before and behind it. A relaxed one has none.
// CHECK: .entry k
// CHECK: fence.{{acq_rel|release}}.gpu;
// CHECK-NEXT: atom.global.add.u64
// CHECK-NEXT: fence.{{acq_rel|acquire}}.gpu;
// CHECK-NEXT: ld.acquire.gpu.global.b64
// CHECK-NEXT: add.s64
// CHECK-NEXT: st.release.gpu.global.b64
// CHECK-NEXT: fence.{{acq_rel|release}}.gpu;
// CHECK-NEXT: atom.global.add.u64
// CHECK-NEXT: atom.global.add.u64
// CHECK-NEXT: st.global.b64
// CHECK-NEXT: ret
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %one = arith.constant 1 : i64
    %claimed = llvm.atomicrmw add %p, %one syncscope("device") acq_rel : !llvm.ptr, i64
    %q = llvm.getelementptr %p[64] : (!llvm.ptr) -> !llvm.ptr, i8
    %seen = llvm.load %q atomic syncscope("device") acquire {alignment = 8 : i64} : !llvm.ptr -> i64
    %next = arith.addi %seen, %claimed : i64
    llvm.store %next, %q atomic syncscope("device") release {alignment = 8 : i64} : i64, !llvm.ptr
    %come = llvm.atomicrmw add %p, %next syncscope("device") release : !llvm.ptr, i64
    %task = llvm.atomicrmw add %p, %come syncscope("device") monotonic : !llvm.ptr, i64
    llvm.store %task, %q : i64, !llvm.ptr
    gpu.return
  }
}
