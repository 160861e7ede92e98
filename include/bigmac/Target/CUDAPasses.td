//===- CUDAPasses.td - Passes of the CUDA target ---------------------------===//

#ifndef BIGMAC_TARGET_CUDAPASSES
#define BIGMAC_TARGET_CUDAPASSES

include "mlir/Pass/PassBase.td"

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
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"
  ];
}

#endif // BIGMAC_TARGET_CUDAPASSES
