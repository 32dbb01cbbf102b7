// See LowerToThreads.h. Whatever has no definition here is refused: what only GPUs have must not be run as
// something else.
#include "codegen/cuda/LowerToThreads.h"

#include "codegen/cuda/BlockBuilder.h"
#include "codegen/cuda/StepToCuda.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace gemmac {

namespace {

constexpr const char *kUndefined = "has no definition for the CPU";

/// Rewrites one gpu.module into its parent.
class ThreadLowering {
public:
  ThreadLowering(gpu::GPUModuleOp from, ModuleOp to) : from(from), to(to), b(from.getContext()) {}
  LogicalResult run(int64_t shared);

private:
  gpu::GPUModuleOp from;
  ModuleOp to;
  OpBuilder b;
  llvm::StringMap<func::FuncOp> helpers;
  llvm::StringMap<unsigned> places;   ///< how many a function has, by its name and what is done there
  SmallVector<Operation *> spaceOnly; ///< what makes pointers that only GPUs have

  std::string renamed(StringRef name) { return (from.getName() + "." + name).str(); }
  Type i32() { return b.getI32Type(); }
  Type i64() { return b.getI64Type(); }
  Type pointer() { return LLVM::LLVMPointerType::get(b.getContext()); }
  func::FuncOp helper(StringRef name, TypeRange arguments, TypeRange results);
  Value call(Location loc, StringRef name, ValueRange arguments, TypeRange results);
  Value place(Operation &op, StringRef what);

  FailureOr<gpu::GPUFuncOp> findKernel();
  LogicalResult rewrite(Operation &op);
  template <class Op> LogicalResult placeOf(Op op, StringRef name);
  void barrier(Operation &op, int64_t threads);
  LogicalResult named(NVVM::BarrierOp op);
  LogicalResult stream(Operation &op);
  LogicalResult shuffle(gpu::ShuffleOp op);
  LogicalResult intrinsic(LLVM::CallIntrinsicOp op);
  Value dotProduct(LLVM::CallIntrinsicOp op);
  Value tensorProduct(LLVM::CallIntrinsicOp op);
  template <class Op> LogicalResult unscoped(Op op);
  template <class Op> LogicalResult atomic(Op op);
  void aligned(Location loc, Value address, uint64_t to);
  LogicalResult address(LLVM::AddressOfOp op);
  LogicalResult shared(LLVM::AddrSpaceCastOp op);
  func::FuncOp kernelFunction(gpu::GPUFuncOp kernel);
  void entry(func::FuncOp kernel, int64_t shared, int64_t ofPhases);
};

func::FuncOp ThreadLowering::helper(StringRef name, TypeRange arguments, TypeRange results) {
  func::FuncOp &function = helpers[name];
  if (!function)
    function = to.lookupSymbol<func::FuncOp>(name);
  if (!function) {
    OpBuilder top = OpBuilder::atBlockBegin(to.getBody());
    function = func::FuncOp::create(top, to.getLoc(), name, top.getFunctionType(arguments, results));
    function.setPrivate();
  }
  return function;
}

Value ThreadLowering::call(Location loc, StringRef name, ValueRange arguments, TypeRange results) {
  auto op = func::CallOp::create(b, loc, helper(name, arguments.getTypes(), results), arguments);
  return results.empty() ? Value() : op.getResult(0);
}

/// A text for the place where threads wait for each other at `op`: "gm_decode.phase_o_0, barrier 2".
Value ThreadLowering::place(Operation &op, StringRef what) {
  StringRef function = SymbolTable::getSymbolName(op.getParentOfType<FunctionOpInterface>()).getValue();
  std::string text = function == from.getName() ? function.str() : renamed(function);
  text += ", " + what.str();
  text += " " + std::to_string(++places[text]);
  OpBuilder top = OpBuilder::atBlockBegin(to.getBody());
  StringRef bytes(text.c_str(), text.size() + 1);
  LLVM::GlobalOp::create(top, op.getLoc(), LLVM::LLVMArrayType::get(top.getI8Type(), bytes.size()),
                         /*isConstant=*/true, LLVM::Linkage::Private, text, top.getStringAttr(bytes));
  return LLVM::AddressOfOp::create(b, op.getLoc(), pointer(), text);
}

template <class Op> LogicalResult ThreadLowering::placeOf(Op op, StringRef name) {
  if (op.getDimension() != gpu::Dimension::x)
    return op.emitOpError(kUndefined) << " but in dimension x";
  Value place = call(op.getLoc(), name, {}, i64());
  op.getResult().replaceAllUsesWith(
      arith::IndexCastUIOp::create(b, op.getLoc(), b.getIndexType(), place).getResult());
  op.erase();
  return success();
}

/// Of so many threads; 0: all of the block.
void ThreadLowering::barrier(Operation &op, int64_t threads) {
  auto function = op.getParentOfType<FunctionOpInterface>();
  const bool ofGrid = SymbolTable::getSymbolName(function).getValue() == cuda::kGridBarrier;
  Value count = kernel::KernelBuilder(b, op.getLoc()).c(threads);
  call(op.getLoc(), ofGrid ? "gm_emu_grid_barrier" : "gm_emu_barrier", {place(op, "barrier"), count}, {});
  op.erase();
}

LogicalResult ThreadLowering::named(NVVM::BarrierOp op) {
  std::optional<int64_t> id = 0, threads = 0;
  if (op.getBarrierId())
    id = getConstantIntValue(op.getBarrierId());
  if (op.getNumberOfThreads())
    threads = getConstantIntValue(op.getNumberOfThreads());
  if (!id || !threads || op.getReductionOp())
    return op.emitOpError(kUndefined) << " but with constants and without a reduction";
  return barrier(*op, *threads), success();
}

/// The generic pointer behind one into a space.
Value genericOf(Value pointer) {
  while (auto cast = pointer.getDefiningOp<LLVM::AddrSpaceCastOp>())
    pointer = cast.getArg();
  return pointer;
}

/// mbarriers, and copies that they count.
LogicalResult ThreadLowering::stream(Operation &op) {
  SmallVector<Value> operands;
  for (Value operand : op.getOperands()) {
    operands.push_back(genericOf(operand));
    auto pointer = dyn_cast<LLVM::LLVMPointerType>(operands.back().getType());
    if (pointer && pointer.getAddressSpace() != 0)
      return op.emitOpError(kUndefined) << " but on generic pointers, cast to a space";
  }
  Location loc = op.getLoc();
  auto refuse = [&](StringRef but) { return op.emitOpError(kUndefined) << " but " << but; };
  auto test = [&](Value done) -> LogicalResult {
    operands.resize(2);
    if (!operands[1].getType().isInteger(32))
      return refuse("by parity");
    operands.push_back(place(op, "wait"));
    Value made = call(loc, "gm_emu_mbarrier_test", operands, i32());
    done.replaceAllUsesWith(arith::TruncIOp::create(b, loc, b.getI1Type(), made));
    return success();
  };
  LogicalResult result =
      llvm::TypeSwitch<Operation *, LogicalResult>(&op)
          .Case([&](NVVM::MBarrierInitOp o) -> LogicalResult {
            if (o.getPredicate())
              return refuse("without a predicate");
            return call(loc, "gm_emu_mbarrier_init", operands, {}), success();
          })
          .Case([&](NVVM::MBarrierArriveOp o) -> LogicalResult {
            if (o.getCount() || (o.getRes() && !o.getRes().use_empty()))
              return refuse("of one, without its result");
            return call(loc, "gm_emu_mbarrier_arrive", operands, {}), success();
          })
          .Case([&](NVVM::MBarrierArriveExpectTxOp o) -> LogicalResult {
            if (o.getPredicate() || (o.getRes() && !o.getRes().use_empty()))
              return refuse("without a predicate and without its result");
            return call(loc, "gm_emu_mbarrier_arrive_expect", operands, {}), success();
          })
          .Case<NVVM::MBarrierTestWaitOp, NVVM::MBarrierTryWaitOp>(
              [&](auto o) -> LogicalResult { return test(o.getRes()); })
          .Case([&](NVVM::CpAsyncBulkGlobalToSharedClusterOp o) -> LogicalResult {
            if (o.getMulticastMask() || o.getL2CacheHint())
              return refuse("to one block, without a hint");
            Value ordered[] = {operands[0], operands[1], operands[3], operands[2]};
            return call(loc, "gm_emu_copy_bulk", ordered, {}), success();
          })
          .Case([&](NVVM::CpAsyncOp o) -> LogicalResult {
            if (o.getCpSize())
              return refuse("of all of its bytes");
            operands.push_back(arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(o.getSize())));
            return call(loc, "gm_emu_copy", operands, {}), success();
          })
          .Case([&](NVVM::CpAsyncMBarrierArriveOp o) -> LogicalResult {
            if (!o.getNoinc())
              return refuse("as noinc");
            return call(loc, "gm_emu_copy_arrive", operands, {}), success();
          })
          .Case([&](NVVM::SyncWarpOp o) -> LogicalResult {
            if (getConstantIntValue(o.getMask()) != -1)
              return refuse("of a whole warp");
            return call(loc, "gm_emu_warp_barrier", {place(op, "warp barrier")}, {}), success();
          })
          .Case([](NVVM::FenceMbarrierInitOp) { return success(); }); // all is seen by all here
  if (succeeded(result))
    op.erase();
  return result;
}

/// Of a whole warp, by a mask that all lanes share.
LogicalResult ThreadLowering::shuffle(gpu::ShuffleOp op) {
  if (op.getMode() != gpu::ShuffleMode::XOR)
    return op.emitOpError(kUndefined) << " but in mode xor";
  Value x = op.getValue();
  if (!x.getType().isInteger(32) && !x.getType().isF32())
    return op.emitOpError(kUndefined) << " but of i32 and f32, found " << x.getType();
  if (getConstantIntValue(op.getWidth()) != cuda::kWarp)
    return op.emitOpError(kUndefined) << " but of constant width " << cuda::kWarp;
  const std::optional<int64_t> mask = getConstantIntValue(op.getOffset());
  if (!mask || *mask < 0 || *mask >= cuda::kWarp)
    return op.emitOpError(kUndefined) << " but with a constant offset of 0 to " << cuda::kWarp - 1;
  const bool isFloat = isa<FloatType>(x.getType());
  if (isFloat)
    x = arith::BitcastOp::create(b, op.getLoc(), i32(), x);
  Value y = call(op.getLoc(), "gm_emu_shuffle_xor", {x, op.getOffset(), place(*op, "shuffle")}, i32());
  if (isFloat)
    y = arith::BitcastOp::create(b, op.getLoc(), op.getValue().getType(), y);
  op.getShuffleResult().replaceAllUsesWith(y);
  op.getValid().replaceAllUsesWith(arith::ConstantOp::create(b, op.getLoc(), b.getBoolAttr(true)));
  op.erase();
  return success();
}

/// dp4a (PTX ISA): the sum of the products of four signed bytes each, and of the third operand.
Value ThreadLowering::dotProduct(LLVM::CallIntrinsicOp op) {
  kernel::KernelBuilder k(b, op.getLoc());
  Value sum = op.getArgs()[2];
  for (int64_t byte = 0; byte < 4; ++byte) {
    auto part = [&](Value word) { return k.sar(byte == 3 ? word : k.shl(word, 24 - 8 * byte), 24); };
    Value x = part(op.getArgs()[0]), y = part(op.getArgs()[1]);
    sum = k.add(sum, k.mul(x, y));
  }
  return sum;
}

/// The operands go through memory: 4 words of A, 2 of B, 4 f32 of C, in whose place come those of D.
Value ThreadLowering::tensorProduct(LLVM::CallIntrinsicOp op) {
  auto function = op->getParentOfType<FunctionOpInterface>();
  OpBuilder top = OpBuilder::atBlockBegin(&function.getFunctionBody().front());
  Value count = arith::ConstantOp::create(top, op.getLoc(), top.getI64IntegerAttr(10));
  Value memory = LLVM::AllocaOp::create(top, op.getLoc(), pointer(), i32(), count, 16);
  kernel::KernelBuilder k(b, op.getLoc());
  for (auto [i, x] : llvm::enumerate(op.getArgs()))
    k.store(x, k.at(memory, static_cast<int64_t>(4 * i)));
  call(op.getLoc(), "gm_emu_mma_bf16", {memory, place(*op, "mma")}, {});
  Value made = LLVM::PoisonOp::create(b, op.getLoc(), op.getResult(0).getType());
  for (int64_t i = 0; i < 4; ++i)
    made = LLVM::InsertValueOp::create(b, op.getLoc(), made, k.load(k.f32(), k.at(memory, 24 + 4 * i)), i);
  return made;
}

/// Names of instructions say all about their types: LLVM's verifier has them.
LogicalResult ThreadLowering::intrinsic(LLVM::CallIntrinsicOp op) {
  StringRef name = op.getIntrin();
  const size_t operands = op.getArgs().size();
  if (!name.starts_with("llvm.nvvm."))
    return success(); // LLVM's own, on any target
  if (name == "llvm.nvvm.nanosleep" && operands == 1)
    call(op.getLoc(), "gm_emu_pause", {}, {});
  else if (name == "llvm.nvvm.idp4a.s.s" && operands == 3)
    op.getResult(0).replaceAllUsesWith(dotProduct(op));
  else if (name == "llvm.nvvm.mma.m16n8k16.row.col.bf16" && operands == 10)
    op.getResult(0).replaceAllUsesWith(tensorProduct(op));
  else
    return op.emitOpError() << "\"" << name << "\" " << kUndefined;
  op.erase();
  return success();
}

/// Blocks and their threads are threads of the process, or on one: they are in the scope that has no name.
template <class Op> LogicalResult ThreadLowering::unscoped(Op op) {
  StringRef scope = op.getSyncscope().value_or("");
  if (!llvm::is_contained({"", "block", "device"}, scope))
    return op.emitOpError(kUndefined) << " in syncscope \"" << scope << "\", expected device, block or none";
  op.setSyncscopeAttr(nullptr);
  return success();
}

template <class Op> LogicalResult ThreadLowering::atomic(Op op) {
  Type type = op.getVal().getType();
  aligned(op.getLoc(), op.getPtr(), type.isIntOrFloat() ? type.getIntOrFloatBitWidth() / 8 : 8);
  return unscoped(op);
}

/// GPUs fault where an address is not a multiple of what the access promises; many CPUs do not.
void ThreadLowering::aligned(Location loc, Value address, uint64_t to) {
  if (to > 1)
    call(loc, "gm_emu_aligned", {address, kernel::KernelBuilder(b, loc).c(static_cast<int64_t>(to))}, {});
}

/// Whether it is a pointer that only GPUs have.
bool hasSpace(Type type) {
  auto pointer = dyn_cast<LLVM::LLVMPointerType>(type);
  return pointer && pointer.getAddressSpace() != 0;
}

LogicalResult ThreadLowering::address(LLVM::AddressOfOp op) {
  if (op.getGlobalName() == cuda::kSharedMemory)
    return spaceOnly.push_back(op), success();
  if (hasSpace(op.getType()))
    return op.emitOpError(kUndefined) << " but of @" << cuda::kSharedMemory << " and generic memory";
  op.setGlobalName(renamed(op.getGlobalName()));
  return success();
}

/// The address of the block's shared memory is generic in the first place. Casts to a space are for
/// operations that are replaced.
LogicalResult ThreadLowering::shared(LLVM::AddrSpaceCastOp op) {
  if (hasSpace(op.getType()))
    return spaceOnly.push_back(op), success();
  auto from = op.getArg().getDefiningOp<LLVM::AddressOfOp>();
  if (!from || from.getGlobalName() != cuda::kSharedMemory)
    return op.emitOpError(kUndefined) << " but of @" << cuda::kSharedMemory << " to generic memory";
  op.getResult().replaceAllUsesWith(call(op.getLoc(), "gm_emu_shared", {}, pointer()));
  op.erase();
  return success();
}

/// An operation that CPUs and GPUs have alike.
LogicalResult requirePlain(Operation &op) {
  if (auto global = dyn_cast<LLVM::GlobalOp>(op);
      global && global.getAddrSpace() != 0 && global.getSymName() != cuda::kSharedMemory)
    return op.emitOpError(kUndefined) << " but as @" << cuda::kSharedMemory << " or in generic memory";
  if (auto function = dyn_cast<func::FuncOp>(op); function && function.isExternal())
    return op.emitOpError("is declared only, expected a body");
  const bool known =
      isa<gpu::GPUFuncOp, gpu::ReturnOp>(op) ||
      isa_and_nonnull<arith::ArithDialect, func::FuncDialect, scf::SCFDialect, LLVM::LLVMDialect>(
          op.getDialect());
  if (!known || isa<LLVM::InlineAsmOp, LLVM::CallOp>(op))
    return op.emitOpError(kUndefined);
  return success();
}

LogicalResult ThreadLowering::rewrite(Operation &op) {
  b.setInsertionPoint(&op);
  if (isa<NVVM::MBarrierInitOp, NVVM::MBarrierArriveOp, NVVM::MBarrierArriveExpectTxOp,
          NVVM::MBarrierTestWaitOp, NVVM::MBarrierTryWaitOp, NVVM::CpAsyncBulkGlobalToSharedClusterOp,
          NVVM::CpAsyncOp, NVVM::CpAsyncMBarrierArriveOp, NVVM::SyncWarpOp, NVVM::FenceMbarrierInitOp>(op))
    return stream(op);
  if (!isa<LLVM::AddressOfOp, LLVM::AddrSpaceCastOp>(op) &&
      (llvm::any_of(op.getOperandTypes(), hasSpace) || llvm::any_of(op.getResultTypes(), hasSpace)))
    return op.emitOpError(kUndefined) << " on memory of a space of GPUs, expected generic pointers";
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case([&](gpu::ThreadIdOp o) { return placeOf(o, "gm_emu_thread"); })
      .Case([&](gpu::BlockIdOp o) { return placeOf(o, "gm_emu_block"); })
      .Case([&](gpu::GridDimOp o) { return placeOf(o, "gm_emu_blocks"); })
      .Case([&](gpu::BarrierOp) { return barrier(op, 0), success(); })
      .Case([&](NVVM::BarrierOp o) { return named(o); })
      .Case([&](gpu::ShuffleOp o) { return shuffle(o); })
      .Case([&](LLVM::CallIntrinsicOp o) { return intrinsic(o); })
      .Case([&](func::CallOp o) {
        if (from.lookupSymbol(o.getCallee()))
          o.setCallee(renamed(o.getCallee()));
        return success();
      })
      .Case([&](LLVM::AddressOfOp o) { return address(o); })
      .Case([&](LLVM::AddrSpaceCastOp o) { return shared(o); })
      .Case<LLVM::AtomicRMWOp, LLVM::AtomicCmpXchgOp>([&](auto o) { return atomic(o); })
      .Case([&](LLVM::FenceOp o) { return unscoped(o); })
      .Case<LLVM::LoadOp, LLVM::StoreOp>([&](auto o) {
        aligned(o.getLoc(), o.getAddr(), o.getAlignment().value_or(1));
        return unscoped(o);
      })
      .Default([](Operation *o) { return requirePlain(*o); });
}

/// The module's one kernel.
FailureOr<gpu::GPUFuncOp> ThreadLowering::findKernel() {
  gpu::GPUFuncOp kernel;
  for (auto function : from.getOps<gpu::GPUFuncOp>()) {
    if (!function.isKernel())
      return function.emitOpError("is no kernel, expected functions of the device to be func.func");
    if (kernel) {
      InFlightDiagnostic diagnostic = function.emitOpError("is a second kernel of gpu.module @")
                                      << from.getName() << ", expected one";
      diagnostic.attachNote(kernel.getLoc()) << "the first is here";
      return failure();
    }
    kernel = function;
  }
  if (!kernel)
    return from.emitOpError("has no kernel, expected one");
  if (kernel.getFunctionType() != b.getFunctionType({pointer()}, {}))
    return kernel.emitOpError("is of type ")
           << kernel.getFunctionType() << ", expected one argument, the address of a GmStep";
  if (!kernel.getWorkgroupAttributions().empty() || !kernel.getPrivateAttributions().empty())
    return kernel.emitOpError("has memory of its own, expected @") << cuda::kSharedMemory << " alone";
  return kernel;
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

/// `ofPhases`: the bytes of shared memory in which no phase leaves anything to the next.
void ThreadLowering::entry(func::FuncOp kernel, int64_t shared, int64_t ofPhases) {
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
  call(loc, "gm_emu_run", {address, function.getArgument(0), k.c(kCudaThreads), k.c(shared), k.c(ofPhases)},
       {});
  func::ReturnOp::create(b, loc);
}

LogicalResult ThreadLowering::run(int64_t shared) {
  FailureOr<gpu::GPUFuncOp> kernel = findKernel();
  if (failed(kernel))
    return failure();
  SmallVector<Operation *> all;
  from.walk([&](Operation *op) {
    if (op != from)
      all.push_back(op);
  });
  for (Operation *op : all)
    if (failed(rewrite(*op)))
      return failure();
  for (Operation *op : llvm::reverse(spaceOnly)) {
    if (!op->use_empty())
      return op->emitOpError(kUndefined) << " for what uses it";
    op->erase();
  }
  auto streamAt = (*kernel)->getAttrOfType<IntegerAttr>(cuda::kStreamAt);
  const int64_t ofPhases = streamAt ? streamAt.getInt() : shared;
  func::FuncOp function;
  for (Operation &op : llvm::make_early_inc_range(*from.getBody())) {
    if (&op == kernel->getOperation()) {
      function = kernelFunction(*kernel);
      continue;
    }
    StringRef name = SymbolTable::getSymbolName(&op).getValue();
    if (name == cuda::kSharedMemory)
      continue;
    SymbolTable::setSymbolName(&op, renamed(name));
    op.moveBefore(to.getBody(), to.getBody()->end());
  }
  entry(function, shared, ofPhases);
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
