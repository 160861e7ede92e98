//===- Widen.cpp - Between narrow floats and what they are computed in -----===//

#include "bigmac/AutoDiff/Widen.h"

#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;

static Type withElement(Type type, Type element) {
  auto shaped = dyn_cast<ShapedType>(type);
  return shaped ? Type(shaped.clone(element)) : element;
}

static Type wideType(Value value) {
  return withElement(value.getType(), nn::computeType(getElementTypeOrSelf(value.getType())));
}

Value bigmac::widen(OpBuilder &builder, Location loc, Value value) {
  Type type = wideType(value);
  return type == value.getType() ? value
                                 : arith::ExtFOp::create(builder, loc, type, value).getResult();
}

Value bigmac::roundTo(OpBuilder &builder, Location loc, Value value, Type type) {
  return type == value.getType() ? value
                                 : arith::TruncFOp::create(builder, loc, type, value).getResult();
}

/// `uses`: of the value, by what is computed anew.
static Value unrounded(OpBuilder &builder, Value value, unsigned uses) {
  Type type = wideType(value);
  Operation *op = value.getDefiningOp();
  if (type == value.getType())
    return value;
  if (!op)
    return widen(builder, value.getLoc(), value);
  Location loc = op->getLoc();
  if (auto round = dyn_cast<arith::TruncFOp>(op); round && round.getIn().getType() == type)
    return round.getIn();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfter(op);
  if (!value.hasNUses(uses))
    return widen(builder, loc, value);
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](nn::MatmulOp matmul) -> Value {
        return nn::MatmulOp::create(builder, loc, matmul.getLhs(), matmul.getRhs(),
                                    matmul.getTransposeLhs(), matmul.getTransposeRhs(),
                                    /*wide=*/true);
      })
      .Case([&](nn::ReduceSumOp sum) -> Value {
        return nn::ReduceSumOp::create(builder, loc, widen(builder, loc, sum.getInput()),
                                       sum.getDims());
      })
      .Case([&](nn::EmbeddingBackwardOp lookup) -> Value {
        return nn::EmbeddingBackwardOp::create(builder, loc, cast<RankedTensorType>(type),
                                               lookup.getIds(), lookup.getGrad());
      })
      .Case<arith::AddFOp, arith::NegFOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp,
            nn::TransposeOp>([&](Operation *) -> Value {
        IRMapping mapping;
        for (Value operand : op->getOperands())
          mapping.map(operand, unrounded(builder, operand, 1));
        Operation *clone = builder.clone(*op, mapping);
        clone->getResult(0).setType(type);
        return clone->getResult(0);
      })
      .Default([&](Operation *) { return widen(builder, loc, value); });
}

Value bigmac::widenUnrounded(OpBuilder &builder, Value value) {
  return unrounded(builder, value, 0);
}
