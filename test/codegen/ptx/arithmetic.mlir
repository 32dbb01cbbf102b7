// RUN: gemma-codegen %s --gpu-arch=sm_80 | FileCheck %s --implicit-check-not=.ftz --implicit-check-not=.approx --implicit-check-not=__nv_
// RUN: gemma-codegen %s --gpu-arch=sm_80 -O 3 | FileCheck %s --implicit-check-not=.ftz --implicit-check-not=.approx --implicit-check-not=__nv_
// Every operation rounds once, to nearest: ptxas may fuse a mul and an add that do not say .rn. Fused is what the IR fuses.
// CHECK: .entry k
// CHECK-DAG: mul.rn.f32
// CHECK-DAG: add.rn.f32
// CHECK-DAG: sub.rn.f32
// CHECK-DAG: div.rn.f32
// CHECK-DAG: sqrt.rn.f32
// CHECK-DAG: fma.rn.f32
// CHECK-DAG: fma.rn.f64
// CHECK-DAG: mul.rn.f64
// CHECK-DAG: add.rn.f64
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %x = llvm.load %p : !llvm.ptr -> f32
    %at = llvm.getelementptr %p[1] : (!llvm.ptr) -> !llvm.ptr, f32
    %y = llvm.load %at : !llvm.ptr -> f32
    %product = arith.mulf %x, %y : f32
    %sum = arith.addf %product, %y : f32
    %difference = arith.subf %sum, %x : f32
    %quotient = arith.divf %difference, %y : f32
    %root = llvm.intr.sqrt(%quotient) : (f32) -> f32
    %fused = llvm.intr.fma(%root, %x, %y) : (f32, f32, f32) -> f32
    %wide = arith.extf %fused : f32 to f64
    %widePair = arith.extf %y : f32 to f64
    %wideFused = llvm.intr.fma(%wide, %widePair, %wide) : (f64, f64, f64) -> f64
    %wideProduct = arith.mulf %wideFused, %widePair : f64
    %wideSum = arith.addf %wideProduct, %wide : f64
    %result = arith.truncf %wideSum : f64 to f32
    llvm.store %result, %p : f32, !llvm.ptr
    gpu.return
  }
}
