//===- ArithVJPModels.cpp - Derivative rules of arith ops ------------------===//

#include "bigmac/AutoDiff/VJPModels.h"

#include "bigmac/Interfaces/VJPInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using bigmac::VJPOpInterface;
using llvm::BitVector;

namespace {

template <typename Model, typename OpTy>
struct Rule : public VJPOpInterface::ExternalModel<Model, OpTy> {};

Value mul(OpBuilder &b, Location loc, Value x, Value y) {
  return arith::MulFOp::create(b, loc, x, y);
}
Value neg(OpBuilder &b, Location loc, Value x) { return arith::NegFOp::create(b, loc, x); }
Value zero(OpBuilder &b, Location loc, Type type) {
  return arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
}

struct AddF : Rule<AddF, arith::AddFOp> {
  LogicalResult buildVJP(Operation *, OpBuilder &, ValueRange cotangents, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    grads.assign(2, cotangents[0]);
    return success();
  }
};

struct SubF : Rule<SubF, arith::SubFOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents,
                         const BitVector &wanted, SmallVectorImpl<Value> &grads) const {
    grads.assign({cotangents[0], wanted[1] ? neg(b, op->getLoc(), cotangents[0]) : Value()});
    return success();
  }
};

struct MulF : Rule<MulF, arith::MulFOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents,
                         const BitVector &wanted, SmallVectorImpl<Value> &grads) const {
    for (unsigned i = 0; i < 2; ++i)
      grads.push_back(wanted[i] ? mul(b, op->getLoc(), cotangents[0], op->getOperand(1 - i))
                                : Value());
    return success();
  }
};

struct DivF : Rule<DivF, arith::DivFOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents,
                         const BitVector &wanted, SmallVectorImpl<Value> &grads) const {
    // d(x / y) = dx / y - (x / y) / y dy
    Location loc = op->getLoc();
    Value dx = arith::DivFOp::create(b, loc, cotangents[0], op->getOperand(1));
    grads.assign({dx, wanted[1] ? neg(b, loc, mul(b, loc, dx, op->getResult(0))) : Value()});
    return success();
  }
};

struct NegF : Rule<NegF, arith::NegFOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    grads.push_back(neg(b, op->getLoc(), cotangents[0]));
    return success();
  }
};

/// Maximum and minimum: the cotangent goes to the operand that was chosen, and in halves to both
/// where they are equal, as in PyTorch.
template <typename OpTy, arith::CmpFPredicate chosen>
struct Extremum : Rule<Extremum<OpTy, chosen>, OpTy> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents,
                         const BitVector &wanted, SmallVectorImpl<Value> &grads) const {
    Location loc = op->getLoc();
    Type type = op->getResult(0).getType();
    Value none = zero(b, loc, type);
    TypedAttr halfAttr = b.getFloatAttr(getElementTypeOrSelf(type), 0.5);
    if (auto shaped = dyn_cast<ShapedType>(type))
      halfAttr = DenseElementsAttr::get(shaped, halfAttr);
    Value half = arith::ConstantOp::create(b, loc, halfAttr);
    Value equal = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, op->getOperand(0),
                                        op->getOperand(1));
    Value shared = mul(b, loc, cotangents[0], half);
    for (unsigned i = 0; i < 2; ++i) {
      if (!wanted[i]) {
        grads.push_back({});
        continue;
      }
      Value taken = arith::CmpFOp::create(b, loc, chosen, op->getOperand(i), op->getOperand(1 - i));
      Value own = arith::SelectOp::create(b, loc, taken, cotangents[0], none);
      grads.push_back(arith::SelectOp::create(b, loc, equal, shared, own));
    }
    return success();
  }
};

struct Select : Rule<Select, arith::SelectOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents,
                         const BitVector &wanted, SmallVectorImpl<Value> &grads) const {
    Location loc = op->getLoc();
    Value none = zero(b, loc, cotangents[0].getType());
    grads.assign(3, Value());
    if (wanted[1])
      grads[1] = arith::SelectOp::create(b, loc, op->getOperand(0), cotangents[0], none);
    if (wanted[2])
      grads[2] = arith::SelectOp::create(b, loc, op->getOperand(0), none, cotangents[0]);
    return success();
  }
};

struct ExtF : Rule<ExtF, arith::ExtFOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    grads.push_back(
        arith::TruncFOp::create(b, op->getLoc(), op->getOperand(0).getType(), cotangents[0]));
    return success();
  }
};

struct TruncF : Rule<TruncF, arith::TruncFOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    grads.push_back(
        arith::ExtFOp::create(b, op->getLoc(), op->getOperand(0).getType(), cotangents[0]));
    return success();
  }
};

} // namespace

void bigmac::registerArithVJPModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    arith::AddFOp::attachInterface<AddF>(*context);
    arith::SubFOp::attachInterface<SubF>(*context);
    arith::MulFOp::attachInterface<MulF>(*context);
    arith::DivFOp::attachInterface<DivF>(*context);
    arith::NegFOp::attachInterface<NegF>(*context);
    arith::MaximumFOp::attachInterface<Extremum<arith::MaximumFOp, arith::CmpFPredicate::OGT>>(
        *context);
    arith::MinimumFOp::attachInterface<Extremum<arith::MinimumFOp, arith::CmpFPredicate::OLT>>(
        *context);
    arith::SelectOp::attachInterface<Select>(*context);
    arith::ExtFOp::attachInterface<ExtF>(*context);
    arith::TruncFOp::attachInterface<TruncF>(*context);
  });
}
