// From LLVM IR to code, for all targets: one pass pipeline and one way to write a module. Invariant: the
// result depends on module, machine and level only.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/CodeGen.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>

namespace gemmac {

/// What is wrong is the compiler, not its input: exit code 3.
llvm::Error codegenError(const llvm::Twine &what);

/// A machine whose arithmetic is what the IR says: a multiplication and an addition stay two roundings. Fails
/// where this LLVM has no such target. The caller has initialised it.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
makeTargetMachine(llvm::StringRef triple, llvm::StringRef cpu, llvm::StringRef features, unsigned level);

/// Sets the module's triple and data layout, and attributes that MLIR has no words for: functions throw
/// nothing and are for the machine's processor, and local ones stay functions of their own.
void setForMachine(llvm::Module &module, const llvm::TargetMachine &machine);

/// Optimises at level 0..3.
void optimize(llvm::Module &module, llvm::TargetMachine &machine, unsigned level);

/// The module as an object or as assembly.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
emitCode(llvm::Module &module, llvm::TargetMachine &machine, llvm::CodeGenFileType type);

} // namespace gemmac
