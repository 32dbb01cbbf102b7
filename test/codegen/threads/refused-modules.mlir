// RUN: gemma-opt %s --split-input-file --verify-diagnostics --lower-to-threads
// Memory that only GPUs have, and modules that are not one kernel with its functions.

// memory
gpu.module @m {
  llvm.mlir.global external @gm_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
  gpu.func @k(%p: !llvm.ptr) kernel {
    %shared = llvm.mlir.addressof @gm_shared : !llvm.ptr<3>
    // expected-error @+1 {{'llvm.load' op has no definition for the CPU on memory of a space of GPUs, expected generic pointers}}
    %x = llvm.load %shared : !llvm.ptr<3> -> f32
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @+1 {{'llvm.mlir.global' op has no definition for the CPU but as @gm_shared or in generic memory}}
  llvm.mlir.global internal @own() {addr_space = 3 : i32} : !llvm.array<16 x i8>
  gpu.func @k(%p: !llvm.ptr) kernel {
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %q = llvm.addrspacecast %p : !llvm.ptr to !llvm.ptr<1>
    // expected-error @+1 {{'llvm.load' op has no definition for the CPU on memory of a space of GPUs, expected generic pointers}}
    %x = llvm.load %q : !llvm.ptr<1> -> f32
    gpu.return
  }
}

// -----

// kernels
gpu.module @m {
  // expected-note @+1 {{the first is here}}
  gpu.func @k(%p: !llvm.ptr) kernel {
    gpu.return
  }
  // expected-error @+1 {{'gpu.func' op is a second kernel of gpu.module @m, expected one}}
  gpu.func @l(%p: !llvm.ptr) kernel {
    gpu.return
  }
}

// -----

// expected-error @+1 {{'gpu.module' op has no kernel, expected one}}
gpu.module @m {
}

// -----

gpu.module @m {
  // expected-error @+1 {{'gpu.func' op is no kernel, expected functions of the device to be func.func}}
  gpu.func @f() {
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @+1 {{'gpu.func' op is of type '(!llvm.ptr, i32) -> ()', expected one argument, the address of a GmStep}}
  gpu.func @k(%p: !llvm.ptr, %n: i32) kernel {
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @+1 {{'gpu.func' op has memory of its own, expected @gm_shared alone}}
  gpu.func @k(%p: !llvm.ptr) workgroup(%w: memref<32xf32, 3>) kernel {
    gpu.return
  }
}
