//===- MathVJPModels.cpp - Derivative rules of math ops --------------------===//

#include "bigmac/AutoDiff/VJPModels.h"

#include "bigmac/AutoDiff/Widen.h"
#include "bigmac/Interfaces/VJPInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Matchers.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using bigmac::VJPOpInterface;
using llvm::BitVector;

namespace {

/// What a unary rule needs: dx = dy * slope(x, y).
struct Slope {
  OpBuilder &b;
  Location loc;
  Value x, y;

  Value constant(double value) const {
    Type type = x.getType();
    Attribute attr;
    if (auto shaped = dyn_cast<ShapedType>(type))
      attr = DenseElementsAttr::get(shaped, b.getFloatAttr(shaped.getElementType(), value));
    else
      attr = b.getFloatAttr(type, value);
    return arith::ConstantOp::create(b, loc, cast<TypedAttr>(attr));
  }
  Value mul(Value p, Value q) const { return arith::MulFOp::create(b, loc, p, q); }
  Value sub(Value p, Value q) const { return arith::SubFOp::create(b, loc, p, q); }
  Value div(Value p, Value q) const { return arith::DivFOp::create(b, loc, p, q); }
};

using SlopeFn = Value (*)(const Slope &);

/// dx = dy * slope(x, y), elementwise.
template <typename OpTy, SlopeFn slope>
struct Unary : VJPOpInterface::ExternalModel<Unary<OpTy, slope>, OpTy> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    Location loc = op->getLoc();
    Slope s{b, loc, bigmac::widen(b, loc, op->getOperand(0)),
            bigmac::widen(b, loc, op->getResult(0))};
    Value grad = s.mul(bigmac::widen(b, loc, cotangents[0]), slope(s));
    grads.push_back(bigmac::roundTo(b, loc, grad, op->getOperand(0).getType()));
    return success();
  }
};

/// Piecewise constant functions: the derivative is zero wherever it exists.
template <typename OpTy> struct Flat : VJPOpInterface::ExternalModel<Flat<OpTy>, OpTy> {
  LogicalResult buildVJP(Operation *op, OpBuilder &, ValueRange, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    grads.assign(op->getNumOperands(), Value());
    return success();
  }
};

Value expSlope(const Slope &s) { return s.y; }
Value logSlope(const Slope &s) { return s.div(s.constant(1.0), s.x); }
Value log1pSlope(const Slope &s) {
  return s.div(s.constant(1.0), arith::AddFOp::create(s.b, s.loc, s.constant(1.0), s.x));
}
Value expm1Slope(const Slope &s) { return math::ExpOp::create(s.b, s.loc, s.x); }
Value sqrtSlope(const Slope &s) { return s.div(s.constant(0.5), s.y); }
/// d x^(-1/2) = -1/2 x^(-3/2) = -1/2 y^3
Value rsqrtSlope(const Slope &s) { return s.mul(s.constant(-0.5), s.mul(s.y, s.mul(s.y, s.y))); }
Value sinSlope(const Slope &s) { return math::CosOp::create(s.b, s.loc, s.x); }
Value cosSlope(const Slope &s) {
  return arith::NegFOp::create(s.b, s.loc, math::SinOp::create(s.b, s.loc, s.x));
}
Value tanhSlope(const Slope &s) { return s.sub(s.constant(1.0), s.mul(s.y, s.y)); }
Value erfSlope(const Slope &s) {
  Value gauss = math::ExpOp::create(s.b, s.loc, s.mul(s.constant(-1.0), s.mul(s.x, s.x)));
  return s.mul(s.constant(2.0 / std::sqrt(std::numbers::pi)), gauss);
}
/// sign(x), 0 at 0 as in PyTorch.
Value absSlope(const Slope &s) {
  Value none = s.constant(0.0);
  auto pick = [&](arith::CmpFPredicate predicate, double value, Value otherwise) -> Value {
    Value test = arith::CmpFOp::create(s.b, s.loc, predicate, s.x, none);
    return arith::SelectOp::create(s.b, s.loc, test, s.constant(value), otherwise);
  };
  return pick(arith::CmpFPredicate::OGT, 1.0, pick(arith::CmpFPredicate::OLT, -1.0, none));
}

bool isNonZeroConstant(Value value) {
  FloatAttr number;
  if (matchPattern(value, m_Constant(&number)))
    return !number.getValue().isZero();
  SplatElementsAttr splat;
  return matchPattern(value, m_Constant(&splat)) && !splat.getSplatValue<APFloat>().isZero();
}

struct PowF : VJPOpInterface::ExternalModel<PowF, math::PowFOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents,
                         const BitVector &wanted, SmallVectorImpl<Value> &grads) const {
    // d x^p = p x^(p-1) dx + log(x) x^p dp; the second is 0 where x is 0, as in PyTorch.
    Location loc = op->getLoc();
    Slope s{b, loc, bigmac::widen(b, loc, op->getOperand(0)),
            bigmac::widen(b, loc, op->getResult(0))};
    Value exponent = bigmac::widen(b, loc, op->getOperand(1));
    Value cotangent = bigmac::widen(b, loc, cotangents[0]);
    auto rounded = [&](Value grad) {
      return bigmac::roundTo(b, loc, grad, op->getOperand(0).getType());
    };
    grads.assign(2, Value());
    if (wanted[0]) {
      Value power = math::PowFOp::create(b, s.loc, s.x, s.sub(exponent, s.constant(1.0)));
      Value slope = s.mul(exponent, power);
      // x^0 is flat, also at 0, where x^-1 is infinite. A constant exponent mostly is not 0.
      if (!isNonZeroConstant(exponent)) {
        Value none = s.constant(0.0);
        Value flat = arith::CmpFOp::create(b, s.loc, arith::CmpFPredicate::OEQ, exponent, none);
        slope = arith::SelectOp::create(b, s.loc, flat, none, slope);
      }
      grads[0] = rounded(s.mul(cotangent, slope));
    }
    if (wanted[1]) {
      Value none = s.constant(0.0);
      Value atZero = arith::CmpFOp::create(b, s.loc, arith::CmpFPredicate::OEQ, s.x, none);
      Value slope = s.mul(s.y, math::LogOp::create(b, s.loc, s.x));
      slope = arith::SelectOp::create(b, s.loc, atZero, none, slope);
      grads[1] = rounded(s.mul(cotangent, slope));
    }
    return success();
  }
};

} // namespace

void bigmac::registerMathVJPModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, math::MathDialect *) {
    math::ExpOp::attachInterface<Unary<math::ExpOp, expSlope>>(*context);
    math::LogOp::attachInterface<Unary<math::LogOp, logSlope>>(*context);
    math::Log1pOp::attachInterface<Unary<math::Log1pOp, log1pSlope>>(*context);
    math::ExpM1Op::attachInterface<Unary<math::ExpM1Op, expm1Slope>>(*context);
    math::SqrtOp::attachInterface<Unary<math::SqrtOp, sqrtSlope>>(*context);
    math::RsqrtOp::attachInterface<Unary<math::RsqrtOp, rsqrtSlope>>(*context);
    math::SinOp::attachInterface<Unary<math::SinOp, sinSlope>>(*context);
    math::CosOp::attachInterface<Unary<math::CosOp, cosSlope>>(*context);
    math::TanhOp::attachInterface<Unary<math::TanhOp, tanhSlope>>(*context);
    math::ErfOp::attachInterface<Unary<math::ErfOp, erfSlope>>(*context);
    math::AbsFOp::attachInterface<Unary<math::AbsFOp, absSlope>>(*context);
    math::PowFOp::attachInterface<PowF>(*context);
    math::FloorOp::attachInterface<Flat<math::FloorOp>>(*context);
    math::CeilOp::attachInterface<Flat<math::CeilOp>>(*context);
    math::RoundEvenOp::attachInterface<Flat<math::RoundEvenOp>>(*context);
    math::RoundOp::attachInterface<Flat<math::RoundOp>>(*context);
    math::TruncOp::attachInterface<Flat<math::TruncOp>>(*context);
  });
}
