//===- CPUPasses.td - Passes of the CPU target -----------------------------===//

#ifndef BIGMAC_TARGET_CPUPASSES
#define BIGMAC_TARGET_CPUPASSES

include "mlir/Pass/PassBase.td"

def CPUDestinations : Pass<"cpu-destinations", "::mlir::ModuleOp"> {
  let summary = "Give task functions a buffer for each argument and result";
  let description = [{
    Tensor arguments become read-only buffers, results are written to buffers that follow the
    arguments. Fails on a type that is not static, and on a buffer argument that is read or
    written more than once as a whole.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect"];
}

def CPUAccumulateFirst : Pass<"cpu-accumulate-first"> {
  let summary = "Add gradients to their accumulator one by one";
  let description = [{
    `accumulator + (a + b)` becomes `(accumulator + a) + b`, so that a and b, where they are matrix
    products, reductions or scatters, add in place.
  }];
}

def CPURaiseConcats : Pass<"cpu-raise-concats"> {
  let summary = "Sums of tensors that are zero where the other is not become concatenations";
  let description = [{ What the gradient of a split, as in rotary embeddings, comes down to. }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def CPUFoldContractions : Pass<"cpu-fold-contractions"> {
  let summary = "Absorb transposes, sums and biases into linalg.contract";
  let description = [{
    Transposes of operands and of the result become indexing maps. `x + contract` accumulates into
    x where x is a sum itself, an accumulator or a broadcast bias: a matrix product adds to its
    result at no cost.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def CPUFuseElementwise : Pass<"cpu-fuse-elementwise"> {
  let summary = "Fuse elementwise ops, broadcasts and transposes into their users";
  let description = [{
    A producer goes into its only user; into several users only if it is nothing but a copy, a
    broadcast or a constant. Reshapes between elementwise ops are moved out of the way.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def CPUSplitConcats : Pass<"cpu-split-concats"> {
  let summary = "Compute elementwise ops on pieces before joining them";
  let description = [{
    `f(concat(a, b))` becomes `concat(f(a), f(b))`, and a slice of f is f of slices: then neither
    pieces nor their concatenation need buffers of their own.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def CPUFuseRows : Pass<"cpu-fuse-rows", "::mlir::func::FuncOp"> {
  let summary = "Run ops over the same rows in one loop";
  let description = [{
    A norm, a softmax and what surrounds them compute row by row. Those over the same rows, related
    by what they read, become one loop over the rows; what passes between them becomes one row, which
    stays in cache. Sums over rows (the gradients of scales and biases) join as accumulators.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

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
