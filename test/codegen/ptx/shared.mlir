// RUN: gemma-codegen %s --gpu-arch=sm_80 | FileCheck %s
// Dynamic shared memory, one declaration for all functions; what is known to be there is reached by loads and stores of
// shared memory. Wide vectors are moved 16 bytes at a time.
// CHECK: .extern .shared .align 128 .b8 gm_shared[]
// CHECK-NOT: .extern .shared
// CHECK: .entry first
// CHECK-COUNT-4: ld{{.*}}.v4.b32
// CHECK: ld{{.*}}.v4.b32
// CHECK: st.shared.v4.b32
// CHECK-COUNT-4: st.shared.v4.b32
// CHECK: .entry second
// CHECK: ld.shared.v4.b32
gpu.module @one {
  llvm.mlir.global external @gm_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
  gpu.func @first(%p: !llvm.ptr) kernel {
    %shared = llvm.mlir.addressof @gm_shared : !llvm.ptr<3>
    %q = llvm.getelementptr %p[64] : (!llvm.ptr) -> !llvm.ptr, i8
    %lanes = llvm.load %p {alignment = 64 : i64} : !llvm.ptr -> vector<16xf32>
    %four = llvm.load %q {alignment = 16 : i64} : !llvm.ptr -> vector<4xi32>
    llvm.store %four, %shared {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
    %generic = llvm.addrspacecast %shared : !llvm.ptr<3> to !llvm.ptr
    %behind = llvm.getelementptr %generic[64] : (!llvm.ptr) -> !llvm.ptr, i8
    llvm.store %lanes, %behind {alignment = 64 : i64} : vector<16xf32>, !llvm.ptr
    gpu.return
  }
}
gpu.module @two {
  llvm.mlir.global external @gm_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
  gpu.func @second(%p: !llvm.ptr) kernel {
    %shared = llvm.mlir.addressof @gm_shared : !llvm.ptr<3>
    %four = llvm.load %shared {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
    llvm.store %four, %p {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr
    gpu.return
  }
}
