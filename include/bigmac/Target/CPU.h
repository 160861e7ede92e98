//===- CPU.h - Task functions to an object file -----------------*- C++ -*-===//
//
// A task function is a public `func.func` on static tensors. Arguments are
//   tensor<...>  a read-only input, or
//   memref<...>  (static shape, identity layout) a buffer that the task updates: read by at most
//                one `bufferization.to_tensor %b restrict writable` and written by at most one
//                `bufferization.materialize_in_destination %v in restrict writable %b`. A gradient
//                accumulator is both: `%b` plus a matrix product becomes one product with beta = 1.
// Results are tensors, written to buffers of the caller.
//
// In the object, task `f` is `extern "C" void f(void *const *args)`. `args` has one pointer per
// argument, in order, then one per result, then the workspace. Buffers are dense and row-major, i1
// one byte of value 0 or 1, and aligned to 64 bytes. Buffers that are written overlap no other.
// The object needs the runtime's bm_sgemm and bm_index_error and the C and math libraries.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TARGET_CPU_H
#define BIGMAC_TARGET_CPU_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"

#include <cstdint>
#include <string>

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace bigmac {

struct CPUOptions {
  /// As clang's -march: "native" is the machine this runs on; "x86-64-v3" runs on any with AVX2.
  std::string cpu = "native";
};

struct TaskInfo {
  std::string name;
  /// Bytes of workspace the task needs; where it is 0 the pointer is not used.
  uint64_t workspaceBytes = 0;
};

/// Dialects and interfaces that the pipeline needs, beside nn.
void registerCPUDialects(mlir::DialectRegistry &registry);

/// Passes from task functions on tensors to the LLVM dialect. Needs `registerCPUDialects`.
void buildCPUPipeline(mlir::OpPassManager &passes);

/// Registers the CPU target's passes and `cpu-pipeline`.
void registerCPUPasses();

/// Lowers `tasks` in place to the LLVM dialect. `infos` gets the tasks in the module's order.
/// Errors are diagnostics at the op at fault.
mlir::LogicalResult lowerForCPU(mlir::ModuleOp tasks, mlir::SmallVectorImpl<TaskInfo> &infos);

/// What `lowerForCPU` puts into `infos`, without the rest of its work; `tasks` are of no further
/// use.
mlir::LogicalResult planWorkspacesForCPU(mlir::ModuleOp tasks,
                                         mlir::SmallVectorImpl<TaskInfo> &infos);

/// Prints the optimized LLVM IR of a module that `lowerForCPU` has lowered.
mlir::LogicalResult printLLVMForCPU(mlir::ModuleOp lowered, const CPUOptions &options,
                                    llvm::raw_ostream &os);

/// Lowers `tasks` and writes one object file. The same input gives the same bytes. On failure no
/// file is left at `objectPath`.
mlir::LogicalResult compileForCPU(mlir::ModuleOp tasks, const CPUOptions &options,
                                  llvm::StringRef objectPath,
                                  mlir::SmallVectorImpl<TaskInfo> &infos);

} // namespace bigmac

#endif // BIGMAC_TARGET_CPU_H
