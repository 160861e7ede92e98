//===- CUDA.h - Task functions to programs for GPUs -------------*- C++ -*-===//
//
// A task function (CPU.h says what that is) becomes host code that launches generated kernels and
// calls libraries through the runtime (bigmac-rt/cuda.h), and device code.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TARGET_CUDA_H
#define BIGMAC_TARGET_CUDA_H

#include "bigmac/Target/CPU.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassOptions.h"

#include <optional>

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace bigmac {

struct CUDAKernelOptions : mlir::PassPipelineOptions<CUDAKernelOptions> {
  Option<std::string> chip{*this, "chip", llvm::cl::desc("Device architecture, as ptxas's -arch"),
                           llvm::cl::init("sm_90")};
  Option<std::string> features{*this, "features", llvm::cl::desc("PTX version"),
                               llvm::cl::init("+ptx80")};
  Option<std::string> format{*this, "format",
                             llvm::cl::desc("isa (PTX text), bin (cubin) or fatbin"),
                             llvm::cl::init("isa")};
  Option<std::string> toolkit{*this, "toolkit",
                              llvm::cl::desc("Folder of the CUDA toolkit, for libdevice and ptxas"),
                              llvm::cl::init("")};
};

/// Dialects, interfaces and translations that the passes need, beside nn.
void registerCUDADialects(mlir::DialectRegistry &registry);

/// What is left to libraries beside matrix products.
struct CUDALibraryOptions {
  /// Attention that cuDNN takes; without a value, where the runtime was built with it.
  std::optional<bool> attention;
  /// What cuBLASLt may compute at the end of a product: gelu, its derivative, sums of biases'
  /// gradients.
  bool epilogues = true;
};

/// Task functions on tensors to tasks that launch kernels over rows, kernels of
/// `gpu.module @kernels`, beside matrix products and what no such kernel computes.
void buildCUDATaskPipeline(mlir::OpPassManager &passes, const CUDALibraryOptions &libraries = {});

/// From there to buffers: everything is a launch or an op of `cuda`. The last argument of each task
/// is its workspace.
void buildCUDABufferPipeline(mlir::OpPassManager &passes);

/// `gpu.module`s to the dialects of LLVM and NVVM. Kernels take bare pointers.
void buildCUDAKernelLLVMPipeline(mlir::OpPassManager &passes);

/// `gpu.module`s to `gpu.binary`s, by way of those dialects.
void buildCUDAKernelPipeline(mlir::OpPassManager &passes, const CUDAKernelOptions &options);

struct CUDAOptions {
  /// Device architecture and PTX version that kernels are compiled for.
  std::string chip = "sm_90", features = "+ptx80";
  /// Bytes for library calls; 0: what they are known to want.
  uint64_t workspace = 0;
  CUDALibraryOptions libraries;
};

/// Whether this compiler was built with a CUDA toolkit; what is missing in `why`.
bool hasCUDA(std::string &why);

/// As the functions for CPUs in CPU.h. Errors are diagnostics at the op at fault.
mlir::LogicalResult planWorkspacesForCUDA(mlir::ModuleOp tasks, const CUDAOptions &options,
                                          mlir::SmallVectorImpl<TaskInfo> &infos);
mlir::LogicalResult lowerForCUDA(mlir::ModuleOp tasks, const CUDAOptions &options,
                                 mlir::SmallVectorImpl<TaskInfo> &infos);
mlir::LogicalResult compileForCUDA(mlir::ModuleOp tasks, const CUDAOptions &options,
                                   llvm::StringRef objectPath,
                                   mlir::SmallVectorImpl<TaskInfo> &infos);

/// Registers the CUDA target's passes, `cuda-task-pipeline` and `cuda-kernel-pipeline`.
void registerCUDAPasses();

} // namespace bigmac

#endif // BIGMAC_TARGET_CUDA_H
