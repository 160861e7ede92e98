//===- CUDAPasses.td - Passes of the CUDA target ---------------------------===//

#ifndef BIGMAC_TARGET_CUDAPASSES
#define BIGMAC_TARGET_CUDAPASSES

include "mlir/Pass/PassBase.td"

def CUDASplitReductions : Pass<"cuda-split-reductions"> {
  let summary = "Make reductions ones along rows or over rows";
  let description = [{
    A reduction of inner and of outer dimensions becomes one along the last dimensions and one of
    its results; a reduction to a single value becomes one along a single row.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def CUDAGenerateKernels : Pass<"cuda-generate-kernels", "::mlir::ModuleOp"> {
  let summary = "Make loops over rows GPU kernels";
  let description = [{
    Each loop nest over rows of a task becomes a kernel in the module's `gpu.module @kernels` and a
    `gpu.launch_func`: rows are shared by the threads of a block or of a part of a warp, with 16-byte
    accesses; what passes between the ops of the nest stays in registers. Sums over rows are partial
    sums of persistent blocks, which a second kernel adds in a fixed order.

    Fails at a nest that has another form, saying which.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"
  ];
}

def CUDAOutlineElements : Pass<"cuda-outline-elements", "::mlir::ModuleOp"> {
  let summary = "Make the structured ops and copies that are left GPU kernels";
  let description = [{
    On buffers. A thread computes one element of the result: for what `cuda-generate-kernels` does
    not take, such as lookups and sums along inner dimensions.
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"
  ];
}

def CUDAMergeKernels : Pass<"cuda-merge-kernels", "::mlir::ModuleOp"> {
  let summary = "Keep one of equal kernels; layers of a model share theirs";
}

def CUDAEmitHostCode : Pass<"cuda-emit-host-code", "::mlir::ModuleOp"> {
  let summary = "Launches and library calls become calls of the runtime";
  let description = [{
    Kernels, products and attentions get an index into tables, which become the constant `bm_cuda`
    (runtime/include/bigmac-rt/cuda.h), device code included.
  }];
  let options = [
    Option<"workspace", "workspace", "uint64_t", "0",
           "Bytes for library calls; 0: what they are known to want">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::memref::MemRefDialect"
  ];
}

#endif // BIGMAC_TARGET_CUDAPASSES
