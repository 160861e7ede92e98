//===- TaskPasses.td - Passes on task functions, for every target ----------===//
//
// From tensor code as differentiation leaves it to few, large structured ops. What a task function
// is, and how it takes and gives buffers: CPU.h.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TARGET_TASKPASSES
#define BIGMAC_TARGET_TASKPASSES

include "mlir/Pass/PassBase.td"

def TaskDestinations : Pass<"task-destinations", "::mlir::ModuleOp"> {
  let summary = "Give task functions a buffer for each argument and result";
  let description = [{
    Tensor arguments become read-only buffers, results are written to buffers that follow the
    arguments. Fails on a type that is not static, and on a buffer argument that is read or
    written more than once as a whole.
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect"];
}

def TaskAccumulateFirst : Pass<"task-accumulate-first"> {
  let summary = "Add gradients to their accumulator one by one";
  let description = [{
    `accumulator + (a + b)` becomes `(accumulator + a) + b`, so that a and b, where they are matrix
    products, reductions or scatters, add in place.
  }];
}

def TaskRaiseConcats : Pass<"task-raise-concats"> {
  let summary = "Sums of tensors that are zero where the other is not become concatenations";
  let description = [{ What the gradient of a split, as in rotary embeddings, comes down to. }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def TaskFoldContractions : Pass<"task-fold-contractions"> {
  let summary = "Absorb transposes, sums and biases into linalg.contract";
  let description = [{
    Transposes of operands and of the result become indexing maps. `x + contract` accumulates into
    x where x is a sum itself, an accumulator or a broadcast bias: a matrix product adds to its
    result at no cost.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def TaskFuseElementwise : Pass<"task-fuse-elementwise"> {
  let summary = "Fuse elementwise ops, broadcasts and transposes into their users";
  let description = [{
    A producer goes into its only user; into several users only if it is nothing but a copy, a
    broadcast or a constant. Reshapes between elementwise ops are moved out of the way,
    and a reshape of a slice becomes a slice of the reshaped whole.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def TaskSplitConcats : Pass<"task-split-concats"> {
  let summary = "Compute elementwise ops on pieces before joining them";
  let description = [{
    `f(concat(a, b))` becomes `concat(f(a), f(b))`, and a slice of f is f of slices: then neither
    pieces nor their concatenation need buffers of their own.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def TaskWidenArithmetic : Pass<"task-widen-arithmetic", "::mlir::func::FuncOp"> {
  let summary = "Scalar arithmetic on floats narrower than f32 is in f32";
  let description = [{
    Operands are widened where they are read, results rounded where they are stored: between the ops
    of one body nothing is rounded. Exactness aside, f32 is what processors have.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def TaskFuseRows : Pass<"task-fuse-rows", "::mlir::func::FuncOp"> {
  let summary = "Run ops over the same rows in one loop";
  let description = [{
    A norm, a softmax and what surrounds them compute row by row. Those over the same rows, related
    by what they read, become one loop over the rows; what passes between them becomes one row, which
    stays in cache. Sums over rows (the gradients of scales and biases) join as accumulators.
  }];
  let options = [
    Option<"leastOps", "least-ops", "unsigned", "2", "Ops that are worth a loop of their own">,
    Option<"mostRowElements", "most-row-elements", "int64_t", "32768",
           "Elements of the longest row that is fused">,
    Option<"sumsAlone", "sums-alone", "bool", "false",
           "A sum over rows may begin a group, not only join one">,
    Option<"kernels", "kernels", "bool", "false",
           "Only groups that one GPU kernel can run; other ops are left alone">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

#endif // BIGMAC_TARGET_TASKPASSES
