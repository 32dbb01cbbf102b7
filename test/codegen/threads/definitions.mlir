// RUN: gemma-opt %s --split-input-file --lower-to-threads=shared-bytes=512 | FileCheck %s
// Each operation that only GPUs have becomes its definition, or a call of what emulates a block. Where threads wait for each
// other they say where that is.

// CHECK-DAG: llvm.mlir.global private constant @"gm_decode, barrier 1"("gm_decode, barrier 1\00")
// CHECK-DAG: llvm.mlir.global private constant @"gm_decode, barrier 2"
// CHECK-DAG: llvm.mlir.global private constant @"gm_decode.f, barrier 1"
// CHECK-DAG: llvm.mlir.global private constant @"gm_decode.grid_barrier, barrier 1"
// CHECK-NOT: gpu.
// CHECK-LABEL: func.func private @gm_decode.grid_barrier()
// CHECK: %[[PLACE:.*]] = llvm.mlir.addressof @"gm_decode.grid_barrier, barrier 1"
// CHECK: call @gm_emu_grid_barrier(%[[PLACE]], %{{.*}})
// CHECK-LABEL: func.func private @gm_decode.f()
// CHECK: %[[PLACE:.*]] = llvm.mlir.addressof @"gm_decode.f, barrier 1"
// CHECK: call @gm_emu_barrier(%[[PLACE]], %{{.*}})
// CHECK-LABEL: func.func private @gm_decode.kernel(
// CHECK: call @gm_emu_thread() : () -> i64
// CHECK: call @gm_emu_block() : () -> i64
// CHECK: call @gm_emu_blocks() : () -> i64
// CHECK: %[[PLACE:.*]] = llvm.mlir.addressof @"gm_decode, barrier 1"
// CHECK: call @gm_emu_barrier(%[[PLACE]], %{{.*}})
// CHECK: %[[PLACE:.*]] = llvm.mlir.addressof @"gm_decode, barrier 2"
// CHECK: call @gm_emu_barrier(%[[PLACE]], %{{.*}})
// CHECK: call @gm_decode.f()
// CHECK: call @gm_decode.grid_barrier()
// CHECK-LABEL: func.func @gm_entry_decode(
// CHECK-SAME: %[[STEP:.*]]: !llvm.ptr
// CHECK: constant @gm_decode.kernel
// CHECK-DAG: %[[THREADS:.*]] = arith.constant 288
// CHECK-DAG: %[[SHARED:.*]] = arith.constant 512
// CHECK: call @gm_emu_run(%{{.*}}, %[[STEP]], %[[THREADS]], %[[SHARED]], %{{.*}})
gpu.module @gm_decode {
  func.func private @grid_barrier() {
    gpu.barrier
    return
  }
  func.func private @f() {
    gpu.barrier
    return
  }
  gpu.func @gm_decode(%p: !llvm.ptr) kernel {
    %thread = gpu.thread_id x
    %block = gpu.block_id x
    %blocks = gpu.grid_dim x
    gpu.barrier
    gpu.barrier
    func.call @f() : () -> ()
    func.call @grid_barrier() : () -> ()
    gpu.return
  }
}

// -----

// CHECK-LABEL: func.func private @m.kernel(
// CHECK: %[[X:.*]] = llvm.load
// CHECK: %[[WORD:.*]] = arith.bitcast %[[X]] : f32 to i32
// CHECK: %[[PLACE:.*]] = llvm.mlir.addressof @"m.k, shuffle 1"
// CHECK: %[[OTHER:.*]] = call @gm_emu_shuffle_xor(%[[WORD]], %{{.*}}, %[[PLACE]]) : (i32, i32, !llvm.ptr) -> i32
// CHECK: %[[Y:.*]] = arith.bitcast %[[OTHER]] : i32 to f32
// CHECK: llvm.store %[[Y]]
// CHECK: llvm.mlir.addressof @"m.k, shuffle 2"
// CHECK: call @gm_emu_shuffle_xor(
// CHECK: call @gm_emu_pause()
gpu.module @m {
  gpu.func @k(%p: !llvm.ptr) kernel {
    %width = arith.constant 32 : i32
    %mask = arith.constant 5 : i32
    %x = llvm.load %p {alignment = 4 : i64} : !llvm.ptr -> f32
    %y, %valid = gpu.shuffle xor %x, %mask, %width : f32
    llvm.store %y, %p {alignment = 4 : i64} : f32, !llvm.ptr
    %z, %also = gpu.shuffle xor %mask, %mask, %width : i32
    %ns = arith.constant 20 : i32
    llvm.call_intrinsic "llvm.nvvm.nanosleep"(%ns) : (i32) -> ()
    gpu.return
  }
}

// -----

// Shared memory is generic; scopes go; what an access promises is checked, of an atomic one its own size.
// CHECK-LABEL: func.func private @memory.kernel(
// CHECK-NOT: ptr<3>
// CHECK: %[[SHARED:.*]] = call @gm_emu_shared() : () -> !llvm.ptr
// CHECK: %[[SIXTEEN:.*]] = arith.constant 16
// CHECK: call @gm_emu_aligned(%[[SHARED]], %[[SIXTEEN]])
// CHECK: %[[X:.*]] = llvm.load %[[SHARED]] {alignment = 16 : i64}
// CHECK: llvm.fence release
// CHECK: %[[EIGHT:.*]] = arith.constant 8
// CHECK: call @gm_emu_aligned(%{{.*}}, %[[EIGHT]])
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} release : !llvm.ptr, i64
// CHECK: llvm.load %{{.*}} atomic acquire {alignment = 8 : i64} : !llvm.ptr -> i64
gpu.module @memory {
  llvm.mlir.global external @gm_shared() {addr_space = 3 : i32, alignment = 128 : i64} : !llvm.array<0 x i8>
  gpu.func @k(%p: !llvm.ptr) kernel {
    %shared = llvm.mlir.addressof @gm_shared : !llvm.ptr<3>
    %generic = llvm.addrspacecast %shared : !llvm.ptr<3> to !llvm.ptr
    %x = llvm.load %generic {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>
    llvm.store %x, %p : vector<4xf32>, !llvm.ptr
    %one = arith.constant 1 : i64
    llvm.fence syncscope("block") release
    %old = llvm.atomicrmw add %p, %one syncscope("device") release : !llvm.ptr, i64
    %now = llvm.load %p atomic syncscope("device") acquire {alignment = 8 : i64} : !llvm.ptr -> i64
    gpu.return
  }
}

// -----

// Barriers of some of the threads, mbarriers and copies: their operands are cast to spaces, of which nothing is left.
// CHECK-LABEL: func.func private @stream.kernel(
// CHECK-SAME: %[[P:.*]]: !llvm.ptr
// CHECK-NOT: addrspacecast
// CHECK: call @gm_emu_mbarrier_init(%[[P]], %{{.*}}) : (!llvm.ptr, i32) -> ()
// CHECK-NOT: nvvm.
// CHECK: call @gm_emu_mbarrier_arrive_expect(%[[P]], %{{.*}}) : (!llvm.ptr, i32) -> ()
// CHECK: call @gm_emu_warp_barrier(%{{.*}}) : (!llvm.ptr) -> ()
// CHECK: call @gm_emu_copy_bulk(%[[P]], %[[P]], %[[BYTES:.*]], %[[P]]) : (!llvm.ptr, !llvm.ptr, i32, !llvm.ptr) -> ()
// CHECK: call @gm_emu_copy(%[[P]], %[[P]], %{{.*}}) : (!llvm.ptr, !llvm.ptr, i32) -> ()
// CHECK: call @gm_emu_copy_arrive(%[[P]]) : (!llvm.ptr) -> ()
// CHECK: call @gm_emu_mbarrier_arrive(%[[P]]) : (!llvm.ptr) -> ()
// CHECK: %[[DONE:.*]] = call @gm_emu_mbarrier_test(%[[P]], %{{.*}}, %{{.*}}) : (!llvm.ptr, i32, !llvm.ptr) -> i32
// CHECK: arith.trunci %[[DONE]] : i32 to i1
// CHECK: call @gm_emu_mbarrier_test(
// CHECK: %[[SOME:.*]] = arith.constant 64 : i64
// CHECK: call @gm_emu_barrier(%{{.*}}, %[[SOME]]) : (!llvm.ptr, i64) -> ()
// CHECK-LABEL: func.func @gm_entry_stream(
// CHECK-DAG: %[[SHARED:.*]] = arith.constant 512
// CHECK-DAG: %[[OF_PHASES:.*]] = arith.constant 128
// CHECK: call @gm_emu_run(%{{.*}}, %{{.*}}, %{{.*}}, %[[SHARED]], %[[OF_PHASES]])
gpu.module @stream {
  gpu.func @stream(%p: !llvm.ptr) kernel attributes {gemmac.stream_at = 128 : i64} {
    %one = arith.constant 1 : i32
    %bytes = arith.constant 256 : i32
    %some = arith.constant 64 : i32
    %all = arith.constant -1 : i32
    %shared = llvm.addrspacecast %p : !llvm.ptr to !llvm.ptr<3>
    %global = llvm.addrspacecast %p : !llvm.ptr to !llvm.ptr<1>
    %cluster = llvm.addrspacecast %shared : !llvm.ptr<3> to !llvm.ptr<7>
    nvvm.mbarrier.init %shared, %one : !llvm.ptr<3>, i32
    nvvm.fence.mbarrier.init
    nvvm.mbarrier.arrive.expect_tx %shared, %bytes : !llvm.ptr<3>, i32
    nvvm.bar.warp.sync %all : i32
    nvvm.cp.async.bulk.shared.cluster.global %cluster, %global, %shared, %bytes : !llvm.ptr<7>, !llvm.ptr<1>
    nvvm.cp.async.shared.global %shared, %global, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>
    nvvm.cp.async.mbarrier.arrive %shared {noinc = true} : !llvm.ptr<3>
    %state = nvvm.mbarrier.arrive %shared : !llvm.ptr<3> -> i64
    %done = nvvm.mbarrier.test.wait %shared, %one : !llvm.ptr<3>, i32 -> i1
    %soon = nvvm.mbarrier.try_wait %shared, %one : !llvm.ptr<3>, i32 -> i1
    nvvm.barrier id = %one number_of_threads = %some
    gpu.return
  }
}
