//===- CPUPasses.td - Passes of the CPU target -----------------------------===//

#ifndef BIGMAC_TARGET_CPUPASSES
#define BIGMAC_TARGET_CPUPASSES

include "mlir/Pass/PassBase.td"

def CPUBufferize : Pass<"cpu-bufferize", "::mlir::ModuleOp"> {
  let summary = "Tensors to buffers, in place wherever possible";
  let dependentDialects = [
    "::mlir::bufferization::BufferizationDialect", "::mlir::memref::MemRefDialect"
  ];
}

def CPULowerToLoops : Pass<"cpu-lower-to-loops"> {
  let summary = "Structured ops on buffers to loops whose innermost steps through memory";
  let description = [{
    Dimensions that are contiguous in every operand become one, so that inner loops are long. The
    innermost loop is the one along which most operands are contiguous: a sum over rows runs along
    the row and adds to a row of sums.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"
  ];
}

def CPUPlanWorkspace : Pass<"cpu-plan-workspace", "::mlir::ModuleOp"> {
  let summary = "Place temporary buffers in one workspace of known size";
  let description = [{
    Every allocation of a task becomes a view of its last argument, an i8 buffer: that buffer's
    size is the task's workspace. Two buffers share bytes only if their lifetimes do not meet.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

def CPUOutlineKernels : Pass<"cpu-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "Make each loop nest without library calls a function, equal ones one function";
  let description = [{
    A kernel takes the buffers that it accesses as distinct pointers, which is what lets LLVM
    vectorise it without overlap checks. Layers of a model share their kernels.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect"];
}

def CPUEmitEntryPoints : Pass<"cpu-emit-entry-points", "::mlir::ModuleOp"> {
  let summary = "Make each task callable as void f(void *const *args)";
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // BIGMAC_TARGET_CPUPASSES
