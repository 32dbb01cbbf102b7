// RUN: gemma-codegen %s --gpu-arch=sm_80 | FileCheck %s
// Products of bytes in a lane, and of bf16 tiles by a warp.
// CHECK: .entry k
// CHECK: dp4a.s32.s32
// CHECK: dp4a.u32.s32
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %a = llvm.load %p : !llvm.ptr -> i32
    %at = llvm.getelementptr %p[1] : (!llvm.ptr) -> !llvm.ptr, i32
    %b = llvm.load %at : !llvm.ptr -> i32
    %zero = arith.constant 0 : i32
    %signed = llvm.call_intrinsic "llvm.nvvm.idp4a.s.s"(%a, %b, %zero) : (i32, i32, i32) -> i32
    %bytes = llvm.bitcast %a : i32 to vector<4xi8>
    %others = llvm.bitcast %b : i32 to vector<4xi8>
    %mixed = nvvm.dot.accumulate.4way %bytes <unsigned>, %others <signed>, %signed : vector<4xi8>, vector<4xi8>
    llvm.store %mixed, %p : i32, !llvm.ptr
    %c = arith.constant 0.0 : f32
    %d = nvvm.mma.sync A[%a, %b, %a, %b] B[%a, %b] C[%c, %c, %c, %c]
        {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>,
         multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>,
         shape = #nvvm.shape<m = 16, n = 8, k = 16>} : (i32, i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
    %first = llvm.extractvalue %d[0] : !llvm.struct<(f32, f32, f32, f32)>
    llvm.store %first, %at : f32, !llvm.ptr
    gpu.return
  }
}
