// What has no code is named; so is what is asked for wrongly.
// RUN: split-file %s %t
// RUN: not gemma-codegen %t/math.mlir --gpu-arch=sm_80 2>&1 | FileCheck %s --check-prefix=MATH
// RUN: not gemma-codegen %t/twice.mlir --gpu-arch=sm_80 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not gemma-codegen %t/stack.mlir --gpu-arch=sm_80 2>&1 | FileCheck %s --check-prefix=STACK
// RUN: not gemma-codegen %t/none.mlir --gpu-arch=sm_80 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not gemma-codegen %t/none.mlir --gpu-arch=sm_70 2>&1 | FileCheck %s --check-prefix=ARCH
// RUN: not gemma-codegen %t/none.mlir --gpu-arch=sm_80,sm_89 2>&1 | FileCheck %s --check-prefix=ONE
// MATH: error: failed to legalize operation 'gpu.subgroup_reduce'
// MATH: error: code generation failed: gpu.module @m does not lower to the NVVM dialect
// TWICE: error: code generation failed: kernel @k of gpu.module @two is in another one, too
// STACK: error: code generation failed: {{.*}}dynamic alloca
// NONE: error: {{.*}}none.mlir: expected one step.program, found 0
// ARCH: error: --gpu-arch: found "sm_70", expected one of sm_80, sm_89, sm_90a, sm_100a, sm_120a
// ONE: error: --gpu-arch: found 2 architectures, expected one

//--- math.mlir
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %x = llvm.load %p : !llvm.ptr -> f32
    %y = gpu.subgroup_reduce add %x : (f32) -> f32
    llvm.store %y, %p : f32, !llvm.ptr
    gpu.return
  }
}
//--- twice.mlir
gpu.module @one {
  gpu.func @k(%p: !llvm.ptr) kernel {
    gpu.return
  }
}
gpu.module @two {
  gpu.func @k(%p: !llvm.ptr) kernel {
    gpu.return
  }
}
//--- stack.mlir
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %n = llvm.load %p : !llvm.ptr -> i64
    %room = llvm.alloca %n x i8 : (i64) -> !llvm.ptr
    llvm.store %room, %p : !llvm.ptr, !llvm.ptr
    gpu.return
  }
}
//--- none.mlir
module {}
