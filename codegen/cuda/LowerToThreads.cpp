// See LowerToThreads.h.
#include "codegen/cuda/LowerToThreads.h"

#include "codegen/cuda/BlockBuilder.h"
#include "codegen/cuda/StepToCuda.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace gemmac {

namespace {

/// Rewrites one gpu.module into its parent.
class ThreadLowering {
public:
  ThreadLowering(gpu::GPUModuleOp from, ModuleOp to) : from(from), to(to), b(from.getContext()) {}
  LogicalResult run(int64_t shared);

private:
  gpu::GPUModuleOp from;
  ModuleOp to;
  OpBuilder b;

  std::string renamed(StringRef name) { return (from.getName() + "." + name).str(); }
  Type i32() { return b.getI32Type(); }
  Type i64() { return b.getI64Type(); }
  Type pointer() { return LLVM::LLVMPointerType::get(b.getContext()); }
  func::FuncOp helper(StringRef name, TypeRange arguments, TypeRange results);
  Value call(Location loc, StringRef name, ValueRange arguments, TypeRange results);

  LogicalResult rewrite(Operation &op);
  void placeOf(Operation &op, StringRef name);
  void shuffle(gpu::ShuffleOp op);
  LogicalResult intrinsic(LLVM::CallIntrinsicOp op);
  void tensorProduct(LLVM::CallIntrinsicOp op);
  void aligned(Location loc, Value address, uint64_t to);
  void shared(LLVM::AddressOfOp op);
  func::FuncOp kernelFunction(gpu::GPUFuncOp kernel);
  void entry(func::FuncOp kernel, int64_t shared);
};

func::FuncOp ThreadLowering::helper(StringRef name, TypeRange arguments, TypeRange results) {
  if (auto there = to.lookupSymbol<func::FuncOp>(name))
    return there;
  OpBuilder top = OpBuilder::atBlockBegin(to.getBody());
  auto function = func::FuncOp::create(top, to.getLoc(), name, top.getFunctionType(arguments, results));
  function.setPrivate();
  return function;
}

Value ThreadLowering::call(Location loc, StringRef name, ValueRange arguments, TypeRange results) {
  auto op = func::CallOp::create(b, loc, helper(name, arguments.getTypes(), results), arguments);
  return results.empty() ? Value() : op.getResult(0);
}

void ThreadLowering::placeOf(Operation &op, StringRef name) {
  Value place = call(op.getLoc(), name, {}, i64());
  op.getResult(0).replaceAllUsesWith(arith::IndexCastUIOp::create(b, op.getLoc(), b.getIndexType(), place));
  op.erase();
}

void ThreadLowering::shuffle(gpu::ShuffleOp op) {
  Value x = op.getValue();
  const bool isFloat = isa<FloatType>(x.getType());
  if (isFloat)
    x = arith::BitcastOp::create(b, op.getLoc(), i32(), x);
  Value y = call(op.getLoc(), "gm_emu_shuffle_xor", {x, op.getOffset()}, i32());
  if (isFloat)
    y = arith::BitcastOp::create(b, op.getLoc(), op.getValue().getType(), y);
  op.getShuffleResult().replaceAllUsesWith(y);
  op.getValid().replaceAllUsesWith(arith::ConstantOp::create(b, op.getLoc(), b.getBoolAttr(true)));
  op.erase();
}

/// The operands go through memory: 4 words of A, 2 of B, 4 f32 of C, in whose place come those of D.
void ThreadLowering::tensorProduct(LLVM::CallIntrinsicOp op) {
  auto function = op->getParentOfType<FunctionOpInterface>();
  OpBuilder top = OpBuilder::atBlockBegin(&function.getFunctionBody().front());
  Value count = arith::ConstantOp::create(top, op.getLoc(), top.getI64IntegerAttr(10));
  Value memory = LLVM::AllocaOp::create(top, op.getLoc(), pointer(), i32(), count, 16);
  kernel::KernelBuilder k(b, op.getLoc());
  for (auto [i, x] : llvm::enumerate(op.getArgs()))
    k.store(x, k.at(memory, static_cast<int64_t>(4 * i)));
  call(op.getLoc(), "gm_emu_mma_bf16", {memory}, {});
  Value made = LLVM::PoisonOp::create(b, op.getLoc(), op.getResult(0).getType());
  for (int64_t i = 0; i < 4; ++i)
    made = LLVM::InsertValueOp::create(b, op.getLoc(), made, k.load(k.f32(), k.at(memory, 24 + 4 * i)), i);
  op.getResult(0).replaceAllUsesWith(made);
}

LogicalResult ThreadLowering::intrinsic(LLVM::CallIntrinsicOp op) {
  if (op.getIntrin() == "llvm.nvvm.nanosleep") {
    call(op.getLoc(), "gm_emu_pause", {}, {});
  } else if (op.getIntrin() == "llvm.nvvm.idp4a.s.s") { // PTX ISA: dp4a
    kernel::KernelBuilder k(b, op.getLoc());
    Value sum = op.getArgs()[2];
    for (int64_t byte = 0; byte < 4; ++byte) {
      auto part = [&](Value word) { return k.sar(byte == 3 ? word : k.shl(word, 24 - 8 * byte), 24); };
      sum = k.add(sum, k.mul(part(op.getArgs()[0]), part(op.getArgs()[1])));
    }
    op.getResult(0).replaceAllUsesWith(sum);
  } else if (op.getIntrin() == "llvm.nvvm.mma.m16n8k16.row.col.bf16") {
    tensorProduct(op);
  } else if (op.getIntrin().starts_with("llvm.nvvm.")) {
    return op.emitOpError("has no definition for the CPU");
  } else {
    return success();
  }
  op.erase();
  return success();
}

/// GPUs fault where an address is not a multiple of what the access promises; many CPUs do not.
void ThreadLowering::aligned(Location loc, Value address, uint64_t to) {
  if (to > 1)
    call(loc, "gm_emu_aligned", {address, kernel::KernelBuilder(b, loc).c(static_cast<int64_t>(to))}, {});
}

/// The address of the block's shared memory, generic in the first place.
void ThreadLowering::shared(LLVM::AddressOfOp op) {
  Value base = call(op.getLoc(), "gm_emu_shared", {}, pointer());
  for (Operation *user : llvm::make_early_inc_range(op->getUsers()))
    if (auto cast = dyn_cast<LLVM::AddrSpaceCastOp>(user)) {
      cast.replaceAllUsesWith(base);
      cast.erase();
    }
  if (op.use_empty())
    op.erase();
}

LogicalResult ThreadLowering::rewrite(Operation &op) {
  b.setInsertionPoint(&op);
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case([&](gpu::ThreadIdOp) { return placeOf(op, "gm_emu_thread"), success(); })
      .Case([&](gpu::BlockIdOp) { return placeOf(op, "gm_emu_block"), success(); })
      .Case([&](gpu::GridDimOp) { return placeOf(op, "gm_emu_blocks"), success(); })
      .Case([&](gpu::BarrierOp o) {
        call(o.getLoc(), "gm_emu_barrier", {}, {});
        o.erase();
        return success();
      })
      .Case([&](gpu::ShuffleOp o) -> LogicalResult {
        if (o.getMode() != gpu::ShuffleMode::XOR)
          return o.emitOpError("has no definition for the CPU but in mode xor");
        return shuffle(o), success();
      })
      .Case([&](LLVM::CallIntrinsicOp o) { return intrinsic(o); })
      .Case([&](func::CallOp o) {
        if (from.lookupSymbol(o.getCallee()))
          o.setCallee(renamed(o.getCallee()));
        return success();
      })
      .Case([&](LLVM::AddressOfOp o) {
        if (o.getGlobalName() == cuda::kSharedMemory)
          shared(o);
        else
          o.setGlobalName(renamed(o.getGlobalName()));
        return success();
      })
      .Case([&](LLVM::AtomicRMWOp o) {
        o.setSyncscopeAttr(nullptr); // blocks are threads: all of the system
        return success();
      })
      .Case<LLVM::LoadOp, LLVM::StoreOp>([&](auto o) {
        o.setSyncscopeAttr(nullptr);
        aligned(o.getLoc(), o.getAddr(), o.getAlignment().value_or(1));
        return success();
      })
      .Default([](Operation *o) -> LogicalResult {
        StringRef dialect = o->getDialect() ? o->getDialect()->getNamespace() : "";
        if ((dialect == "gpu" && !isa<gpu::ReturnOp, gpu::GPUFuncOp>(o)) || dialect == "nvvm" ||
            dialect == "nvgpu")
          return o->emitOpError("has no definition for the CPU");
        return success();
      });
}

/// The kernel as an internal function of the parent.
func::FuncOp ThreadLowering::kernelFunction(gpu::GPUFuncOp kernel) {
  OpBuilder top = OpBuilder::atBlockEnd(to.getBody());
  auto function = func::FuncOp::create(top, kernel.getLoc(), renamed("kernel"), kernel.getFunctionType());
  function.setPrivate();
  function->setAttr("llvm.linkage", LLVM::LinkageAttr::get(b.getContext(), LLVM::Linkage::Internal));
  function.getBody().takeBody(kernel.getBody());
  function.walk([](gpu::ReturnOp op) {
    OpBuilder at(op);
    func::ReturnOp::create(at, op.getLoc());
    op.erase();
  });
  return function;
}

void ThreadLowering::entry(func::FuncOp kernel, int64_t shared) {
  OpBuilder top = OpBuilder::atBlockEnd(to.getBody());
  Location loc = kernel.getLoc();
  StringRef name = from.getName();
  name.consume_front("gm_");
  auto function =
      func::FuncOp::create(top, loc, ("gm_entry_" + name).str(), top.getFunctionType({pointer()}, {}));
  b.setInsertionPointToStart(function.addEntryBlock());
  Value address =
      UnrealizedConversionCastOp::create(
          b, loc, pointer(),
          func::ConstantOp::create(b, loc, kernel.getFunctionType(), kernel.getName()).getResult())
          .getResult(0);
  kernel::KernelBuilder k(b, loc);
  call(loc, "gm_emu_run", {address, function.getArgument(0), k.c(kCudaThreads), k.c(shared)}, {});
  func::ReturnOp::create(b, loc);
}

LogicalResult ThreadLowering::run(int64_t shared) {
  SmallVector<Operation *> all;
  from.walk([&](Operation *op) {
    if (op != from)
      all.push_back(op);
  });
  for (Operation *op : all)
    if (failed(rewrite(*op)))
      return failure();
  func::FuncOp kernel;
  for (Operation &op : llvm::make_early_inc_range(*from.getBody())) {
    if (auto function = dyn_cast<gpu::GPUFuncOp>(op)) {
      kernel = kernelFunction(function);
      continue;
    }
    StringRef name = SymbolTable::getSymbolName(&op).getValue();
    if (name == cuda::kSharedMemory)
      continue;
    SymbolTable::setSymbolName(&op, renamed(name));
    op.moveBefore(to.getBody(), to.getBody()->end());
  }
  entry(kernel, shared);
  from.erase();
  return success();
}

} // namespace

std::string gpuModulesHash(ModuleOp module) {
  llvm::SHA256 hash;
  for (auto gpuModule : module.getOps<gpu::GPUModuleOp>()) {
    std::string text;
    llvm::raw_string_ostream os(text);
    gpuModule.print(os, OpPrintingFlags().assumeVerified());
    hash.update(text);
  }
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

LogicalResult lowerToThreads(ModuleOp module, int64_t shared) {
  for (auto gpuModule : llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>()))
    if (failed(ThreadLowering(gpuModule, module).run(shared)))
      return failure();
  return success();
}

} // namespace gemmac
