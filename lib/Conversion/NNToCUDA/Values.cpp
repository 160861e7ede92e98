//===- Values.cpp - What products look for around them ---------------------===//

#include "NNToCUDA.h"

#include "dialects/CUDA/IR/CUDA.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace bigmac;

bool lowering::isReshape(Operation *op) {
  return isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

Value lowering::beforeReshapes(Value value) {
  while (isReshape(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

bool lowering::hasAlignedRows(RankedTensorType type) {
  return type.getElementType().isBF16() && type.getShape().back() % cuda::kRowElements == 0;
}

void lowering::eraseUnused(IRRewriter &rewriter, Value value) {
  llvm::SetVector<Operation *> ops;
  ops.insert(value.getDefiningOp());
  while (!ops.empty()) {
    Operation *op = ops.pop_back_val();
    if (!op || !isOpTriviallyDead(op))
      continue;
    for (Value operand : op->getOperands())
      ops.insert(operand.getDefiningOp());
    rewriter.eraseOp(op);
  }
}
