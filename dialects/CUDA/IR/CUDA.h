//===- CUDA.h - The cuda dialect --------------------------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_CUDA_IR_CUDA_H
#define BIGMAC_DIALECTS_CUDA_IR_CUDA_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/CUDA/IR/CUDADialect.h.inc"
#include "dialects/CUDA/IR/CUDAEnums.h.inc"

namespace bigmac::cuda {
/// What rows of a product with gelu or sums, all in bf16, are multiples of: 16 bytes
/// (bigmac-rt/cuda.h).
inline constexpr int64_t kRowElements = 8;
} // namespace bigmac::cuda

#define GET_OP_CLASSES
#include "dialects/CUDA/IR/CUDAOps.h.inc"

namespace bigmac::cuda {

/// Lets one-shot bufferization handle the ops.
void registerCUDABufferization(mlir::DialectRegistry &registry);

} // namespace bigmac::cuda

#endif // BIGMAC_DIALECTS_CUDA_IR_CUDA_H
