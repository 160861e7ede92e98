//===- TaskPasses.h - Passes on task functions, for every target -*- C++ -*-===//

#ifndef BIGMAC_TARGET_TASKPASSES_H
#define BIGMAC_TARGET_TASKPASSES_H

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
class FuncOp;
} // namespace func
namespace linalg {
class LinalgDialect;
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

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "bigmac/Target/TaskPasses.h.inc"

} // namespace bigmac

#endif // BIGMAC_TARGET_TASKPASSES_H
