//===- CUDAPasses.h - Passes of the CUDA target -----------------*- C++ -*-===//

#ifndef BIGMAC_TARGET_CUDAPASSES_H
#define BIGMAC_TARGET_CUDAPASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
namespace affine {
class AffineDialect;
}
namespace arith {
class ArithDialect;
}
namespace bufferization {
class BufferizationDialect;
}
namespace func {
class FuncDialect;
}
namespace gpu {
class GPUDialect;
}
namespace linalg {
class LinalgDialect;
}
namespace LLVM {
class LLVMDialect;
}
namespace memref {
class MemRefDialect;
}
namespace scf {
class SCFDialect;
}
namespace tensor {
class TensorDialect;
}
namespace vector {
class VectorDialect;
}
} // namespace mlir

namespace bigmac {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "bigmac/Target/CUDAPasses.h.inc"

} // namespace bigmac

#endif // BIGMAC_TARGET_CUDAPASSES_H
