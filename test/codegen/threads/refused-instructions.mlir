// RUN: gemma-opt %s --split-input-file --verify-diagnostics --lower-to-threads
// Scopes and instructions that have no definition for the CPU are refused by name.

// scopes
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    // expected-error @+1 {{'llvm.fence' op has no definition for the CPU in syncscope "cluster", expected device, block or none}}
    llvm.fence syncscope("cluster") release
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %one = arith.constant 1 : i64
    // expected-error @+1 {{'llvm.atomicrmw' op has no definition for the CPU in syncscope "cluster", expected device, block or none}}
    %old = llvm.atomicrmw add %p, %one syncscope("cluster") monotonic : !llvm.ptr, i64
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    // expected-error @+1 {{'llvm.load' op has no definition for the CPU in syncscope "agent", expected device, block or none}}
    %x = llvm.load %p atomic syncscope("agent") acquire {alignment = 8 : i64} : !llvm.ptr -> i64
    gpu.return
  }
}

// -----

// instructions
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    // expected-error @+1 {{'llvm.inline_asm' op has no definition for the CPU}}
    llvm.inline_asm has_side_effects "membar.gl;", "" : () -> ()
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %x = arith.constant 1 : i32
    // expected-error @+1 {{'llvm.call_intrinsic' op "llvm.nvvm.idp4a.u.u" has no definition for the CPU}}
    %sum = llvm.call_intrinsic "llvm.nvvm.idp4a.u.u"(%x, %x, %x) : (i32, i32, i32) -> i32
    gpu.return
  }
}

// -----

gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    // expected-error @+1 {{'nvvm.cp.async.wait.group' op has no definition for the CPU}}
    nvvm.cp.async.wait.group 0
    gpu.return
  }
}

// -----

gpu.module @m {
  // expected-error @+1 {{'func.func' op is declared only, expected a body}}
  func.func private @elsewhere()
  gpu.func @k(%p: !llvm.ptr) kernel {
    gpu.return
  }
}
