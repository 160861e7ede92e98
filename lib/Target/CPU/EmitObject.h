//===- EmitObject.h - LLVM dialect to an object file ------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CPU_EMITOBJECT_H
#define BIGMAC_TARGET_CPU_EMITOBJECT_H

#include "bigmac/Target/CPU.h"

namespace llvm {
class Module;
} // namespace llvm

namespace bigmac {

mlir::LogicalResult emitObject(mlir::ModuleOp lowered, const CPUOptions &options,
                               llvm::StringRef path);

/// Of LLVM IR, which is optimized; errors are diagnostics at `lowered`.
mlir::LogicalResult emitObject(mlir::ModuleOp lowered, llvm::Module &code,
                               const CPUOptions &options, llvm::StringRef path);

} // namespace bigmac

#endif // BIGMAC_TARGET_CPU_EMITOBJECT_H
