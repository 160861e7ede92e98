//===- Passes.h - Conversions between levels --------------------*- C++ -*-===//

#ifndef BIGMAC_CONVERSION_PASSES_H
#define BIGMAC_CONVERSION_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class ModuleOp;
namespace affine {
class AffineDialect;
}
namespace arith {
class ArithDialect;
}
namespace func {
class FuncDialect;
}
namespace linalg {
class LinalgDialect;
}
namespace math {
class MathDialect;
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
namespace LLVM {
class LLVMDialect;
}
} // namespace mlir

namespace bigmac {
namespace cuda {
class CUDADialect;
}
namespace rt {
class RTDialect;
}

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "bigmac/Conversion/Passes.h.inc"

} // namespace bigmac

#endif // BIGMAC_CONVERSION_PASSES_H
