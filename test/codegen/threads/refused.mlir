// RUN: gemma-opt %s --split-input-file --verify-diagnostics --lower-to-threads
// Places and shuffles that have no definition for the CPU are refused by name.

// places
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    // expected-error @+1 {{'gpu.thread_id' op has no definition for the CPU but in dimension x}}
    %thread = gpu.thread_id y
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    // expected-error @+1 {{'gpu.grid_dim' op has no definition for the CPU but in dimension x}}
    %blocks = gpu.grid_dim z
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    // expected-error @+1 {{'gpu.block_dim' op has no definition for the CPU}}
    %threads = gpu.block_dim x
    gpu.return
  }
}

// -----

// shuffles: mode, type, width, offset
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %width = arith.constant 32 : i32
    // expected-error @+1 {{'gpu.shuffle' op has no definition for the CPU but in mode xor}}
    %y, %valid = gpu.shuffle down %width, %width, %width : i32
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %width = arith.constant 32 : i32
    %one = arith.constant 1 : i32
    %x = arith.constant 1.0 : f64
    // expected-error @+1 {{'gpu.shuffle' op has no definition for the CPU but of i32 and f32, found 'f64'}}
    %y, %valid = gpu.shuffle xor %x, %one, %width : f64
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %width = arith.constant 16 : i32
    %one = arith.constant 1 : i32
    // expected-error @+1 {{'gpu.shuffle' op has no definition for the CPU but of constant width 32}}
    %y, %valid = gpu.shuffle xor %one, %one, %width : i32
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %width = arith.constant 32 : i32
    // expected-error @+1 {{'gpu.shuffle' op has no definition for the CPU but with a constant offset of 0 to 31}}
    %y, %valid = gpu.shuffle xor %width, %width, %width : i32
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %width = arith.constant 32 : i32
    %offset = llvm.load %p : !llvm.ptr -> i32
    // expected-error @+1 {{'gpu.shuffle' op has no definition for the CPU but with a constant offset of 0 to 31}}
    %y, %valid = gpu.shuffle xor %width, %offset, %width : i32
    gpu.return
  }
}
