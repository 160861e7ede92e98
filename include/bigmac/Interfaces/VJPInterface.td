//===- VJPInterface.td - Vector-Jacobian products of ops ------------------===//
//
// An op that takes part in training says how cotangents of its results become
// cotangents of its operands. See docs/AutoDiff.md.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_INTERFACES_VJPINTERFACE
#define BIGMAC_INTERFACES_VJPINTERFACE

include "mlir/IR/OpBase.td"

def VJPOpInterface : OpInterface<"VJPOpInterface"> {
  let description = [{
    The reverse-mode derivative rule of an op.

    `buildVJP` builds ops at the builder's insertion point, which is dominated by the op and
    its operands: it may use any operand or result of the op. What it uses and a later backward
    function needs is a residual; residuals are found from these uses (see
    `bigmac/AutoDiff/SplitPhases.h`), they are declared nowhere else.
  }];
  let cppNamespace = "::bigmac";
  let methods = [
    InterfaceMethod<[{
        Builds the cotangents of the wanted operands.

        `cotangents` has one value a result; null means zero. At least one is not null.
        `wanted[i]` says whether operand i's cotangent is used; only floating-point operands are
        ever wanted. On return `grads` has one value an operand, of the operand's type; null
        means zero or not wanted. Emits an error and fails where no derivative exists.
      }],
      "::llvm::LogicalResult", "buildVJP",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$cotangents,
           "const ::llvm::BitVector &":$wanted,
           "::llvm::SmallVectorImpl<::mlir::Value> &":$grads)>
  ];
}

#endif // BIGMAC_INTERFACES_VJPINTERFACE
