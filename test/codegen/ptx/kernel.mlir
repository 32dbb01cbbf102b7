// RUN: gemma-codegen %s --gpu-arch=sm_90a | FileCheck %s
// One entry for each kernel; other functions are local, stay functions and are named after the module. The block's size is the kernel's. What no
// alignment is given of is aligned as the target has it.
// CHECK: .version 8.0
// CHECK: .target sm_90a
// CHECK-NOT: .visible
// CHECK: .visible .entry gm_decode(
// CHECK-NEXT: .param .u64
// CHECK-NEXT: )
// CHECK-NEXT: .maxntid 256, 1, 1
// CHECK-DAG: mov.u32 %{{.*}}, %tid.x
// CHECK-DAG: mov.u32 %{{.*}}, %ctaid.x
// CHECK-DAG: mov.u32 %{{.*}}, %nctaid.x
// CHECK: call.uni gm_decode$helper,
// CHECK-NOT: .visible
// CHECK: {{^}}.func gm_decode$helper(
// CHECK: ld.b64 %{{.*}}, [%{{.*}}];
// CHECK: st.b64 [%{{.*}}], %{{.*}};
// CHECK-NOT: .entry
gpu.module @gm_decode {
  func.func private @helper(%p: !llvm.ptr, %at: i64) {
    %v = llvm.load %p : !llvm.ptr -> i64
    %sum = arith.addi %v, %at : i64
    %to = llvm.getelementptr %p[%at] : (!llvm.ptr, i64) -> !llvm.ptr, i64
    llvm.store %sum, %to : i64, !llvm.ptr
    return
  }
  gpu.func @gm_decode(%step: !llvm.ptr) kernel attributes {known_block_size = array<i32: 256, 1, 1>} {
    %thread = gpu.thread_id x
    %block = gpu.block_id x
    %blocks = gpu.grid_dim x
    %count = arith.constant 256 : index
    %c10 = arith.constant 10 : index
    %base = arith.muli %block, %count : index
    %first = arith.addi %base, %thread : index
    %stride = arith.muli %blocks, %count : index
    %limit = arith.muli %stride, %c10 : index
    scf.for %i = %first to %limit step %stride {
      %at = arith.index_cast %i : index to i64
      func.call @helper(%step, %at) : (!llvm.ptr, i64) -> ()
    }
    gpu.return
  }
}
