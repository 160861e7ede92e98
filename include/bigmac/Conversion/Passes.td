//===- Passes.td - Conversions between levels ------------------------------===//

#ifndef BIGMAC_CONVERSION_PASSES
#define BIGMAC_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

def ConvertNNToLinalg : Pass<"convert-nn-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Lower nn ops and elementwise tensor math to linalg on tensors";
  let description = [{
    Matrix products become `linalg.contract`, whose indexing maps later absorb transposes; all else
    becomes `linalg.generic`, or `scf.for` where rows are chosen by data. Attention is computed a
    head and a block of queries at a time, so that no queries x keys tensor of all heads exists.

    Indices read from tensors (ids, labels) are checked: an out-of-range one calls the runtime's
    `bm_index_error`, which does not return.

    Fails on an nn op without a lowering and on bf16 and f16, naming the op.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

def ConvertNNToCUDA : Pass<"convert-nn-to-cuda", "::mlir::ModuleOp"> {
  let summary = "Lower the nn ops that a GPU computes in its own way";
  let description = [{
    Attention, lookups and cross-entropy become ops of `cuda`, or structured ops on whole tensors:
    the lowerings of `convert-nn-to-linalg`, which has the rest, loop over heads and ids instead.
    A gelu (tanh form, bf16) or its derivative after a product becomes part of that
    (`cuda.matmul_gelu`, `cuda.matmul_gelu_backward`). The sum of a bias's gradient in bf16 becomes part
    of the product that adds to the weight's (`cuda.matmul_sums`), where a library makes the cotangent.
    Indices outside their tables are reported by `cuda.check_indices`, beside code that stays
    inside.
  }];
  let options = [
    Option<"attentionLibrary", "attention-library", "bool", "true",
           "Leave attention to cuDNN where that has it">,
    Option<"epilogues", "epilogues", "bool", "true",
           "Make gelu and the sums of biases' gradients parts of products">
  ];
  let dependentDialects = [
    "::bigmac::cuda::CUDADialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
}

def ExpandFloatMath : Pass<"expand-float-math"> {
  let summary = "Write f32 exp, log, tanh, erf, erfc, sin, cos and bf16 conversions as arithmetic that vectorises";
  let description = [{
    Range reduction and a polynomial or rational function, branch-free, so that the loop vectoriser takes it at any
    width, without a vector math library. Within a few ulp of the exact value; infinities, NaN and
    subnormal results as the C library gives them; but the sine of more than 2^48, beyond any
    position or frequency, is NaN; and erfc is 1 - erf, exact to units of 1. log1p and expm1 are written in terms
    of log and exp. f64 is left to the C library otherwise. Conversions between bf16 and f32, for
    which most CPUs have no instruction, become shifts and additions of integers.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def ConvertContractToGemm : Pass<"convert-contract-to-gemm", "::mlir::ModuleOp"> {
  let summary = "Call the runtime's bm_sgemm for linalg.contract";
  let description = [{
    Dimensions are merged where strides allow; transposes become flags; what is left over beside
    m, n, k and one batch dimension becomes loops around the call. A fill with zero just before
    becomes beta = 0, anything else beta = 1. Operands and results narrower than f32 are widened into
    buffers of their own, and the sum is rounded once. Contractions of other types, and those whose
    operands have no unit stride, become loops.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"
  ];
}

def ConvertContractToCUDA : Pass<"convert-contract-to-cuda", "::mlir::ModuleOp"> {
  let summary = "Leave linalg.contract on buffers to cuda.matmul";
  let description = [{
    As `convert-contract-to-gemm`, with f32, bf16 and f16 operands and a result of their type or
    f32. What is left over beside m, n, k and one batch dimension becomes one product each. A row
    that is repeated to give the result its initial value becomes a bias. Contractions of other
    types, those whose operands have no unit stride, and those of very many products stay.

    `cuda.matmul_gelu`, `cuda.matmul_gelu_backward` and `cuda.matmul_sums` become `cuda.matmul` with an
    activation or sums; operands whose strides cuBLASLt does not take are copied.
  }];
  let dependentDialects = ["::bigmac::cuda::CUDADialect", "::mlir::memref::MemRefDialect"];
}

def ConvertPipelineToRT : Pass<"convert-pipeline-to-rt", "::mlir::ModuleOp"> {
  let summary = "Place every buffer and write each rank's instructions";
  let description = [{
    Adds an `rt.program` for the scheduled program and removes the latter. Parameters that the same
    ranks use become one class, contiguous, padded to shards; trained ones only if the same tasks use
    them, too. Values between tasks become buffers that live from the action that makes or receives
    them to the last that uses them; offsets come from the memory planner, whose result is proved
    again. A receive is posted one action before its
    first use; a send is waited for at the first action that, in the executed schedule, starts
    after its receive was posted, so that no wait can be part of a deadlock.

    A value of a `pipeline.offload` is copied to the host's memory after its last use before the
    longest time in which a rank does not use it, and back before its next use; lib/Planning times
    both copies by the executed schedule on `device`. Its place in the host's memory comes from the
    memory planner too.

    Takes tasks whose `workspace` the target has set.
  }];
  let options = [
    Option<"replicas", "replicas", "int64_t", "1", "Data-parallel replicas">,
    Option<"memoryLimit", "memory-limit", "int64_t", "0", "Bytes a rank may use; 0: no limit">,
    Option<"hostLimit", "host-limit", "int64_t", "0",
           "Bytes of the host's memory that a rank may use; 0: what the device has">,
    Option<"device", "device", "std::string", "\"cpu\"",
           "Device whose times copies are placed by: a built-in name, or a description's file">,
    Option<"profile", "profile", "std::string", "\"\"",
           "Trace of a training executable, whose times replace analytic ones">
  ];
  let dependentDialects = ["::bigmac::rt::RTDialect"];
}

#endif // BIGMAC_CONVERSION_PASSES
