//===- Kernels.h - Which loops become kernels -------------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CPU_KERNELS_H
#define BIGMAC_TARGET_CPU_KERNELS_H

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace bigmac {

/// Whether `op` is a loop that becomes a function of its own: one that calls no library and carries
/// no value. A kernel's buffers are distinct pointers to LLVM for as long as it runs, so no two of
/// them may share bytes: whoever places buffers takes a kernel as one instant.
bool isKernel(mlir::Operation *op);

} // namespace bigmac

#endif // BIGMAC_TARGET_CPU_KERNELS_H
