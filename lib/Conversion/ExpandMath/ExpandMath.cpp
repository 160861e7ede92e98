//===- ExpandMath.cpp - The expand-float-math pass -------------------------===//
//
// Polynomials and rational functions are minimax fits of relative error over the reduced range,
// rounded to f32. Steps
// that are exact only as written carry no fast-math flag but `contract`.
//
//===----------------------------------------------------------------------===//

#include "bigmac/Conversion/ExpandMath.h"
#include "bigmac/Conversion/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace bigmac {
#define GEN_PASS_DEF_EXPANDFLOATMATH
#include "bigmac/Conversion/Passes.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// f32, f64, i32 and i64 scalars; of floats, vectors too.
class Scalars {
public:
  Scalars(OpBuilder &b, Location loc, arith::FastMathFlags quotient = arith::FastMathFlags::none)
      : b(b), loc(loc), f32(b.getF32Type()), i32(b.getI32Type()), quotient(quotient) {}

  Value real(double value) { return real(value, f32); }
  Value real(double value, Type type) {
    TypedAttr attr = b.getFloatAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, attr);
    return arith::ConstantOp::create(b, loc, attr);
  }
  Value like(Value x, double value) { return real(value, x.getType()); }
  Value integer(int64_t value, unsigned width = 32) {
    return arith::ConstantIntOp::create(b, loc, value, width);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y, contract); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y, contract); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y, contract); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y, quotient); }
  Value abs(Value x) { return math::AbsFOp::create(b, loc, x); }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  Value less(Value x, double y) { return compare(arith::CmpFPredicate::OLT, x, like(x, y)); }
  Value greater(Value x, double y) { return compare(arith::CmpFPredicate::OGT, x, like(x, y)); }
  Value select(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }
  Value bits(Value x, Type type) { return arith::BitcastOp::create(b, loc, type, x); }
  Value iadd(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value isub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value iand(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value shiftLeft(Value x, int64_t by) { return arith::ShLIOp::create(b, loc, x, integer(by)); }
  Value shiftRight(Value x, int64_t by) { return arith::ShRSIOp::create(b, loc, x, integer(by)); }
  /// Coefficients from the constant term up.
  Value polynomial(Value x, ArrayRef<float> coefficients) {
    Value result = like(x, coefficients.back());
    for (float coefficient : llvm::reverse(coefficients.drop_back()))
      result = add(mul(result, x), like(x, coefficient));
    return result;
  }
  /// 2^n for n in [-126, 127].
  Value powerOfTwo(Value n) { return bits(shiftLeft(iadd(n, integer(127)), 23), f32); }

  Value exp(Value x);

  OpBuilder &b;
  Location loc;
  Type f32, i32;
  arith::FastMathFlags quotient;
  static constexpr arith::FastMathFlags contract = arith::FastMathFlags::contract;
};

/// exp(x) = 2^n exp(r), |r| <= ln(2)/2.
Value Scalars::exp(Value x) {
  // Beyond these the result is 0 or infinite anyway. Comparisons with NaN are false, which keeps
  // it.
  x = select(less(x, -104.0), real(-104.0), x);
  x = select(greater(x, 89.0), real(89.0), x);
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits; unlike a conversion that
  // is defined for NaN too.
  Value magic = real(12582912.0);
  Value shifted = add(mul(x, real(std::numbers::log2e)), magic);
  Value n = isub(bits(shifted, i32), bits(magic, i32));
  Value count = sub(shifted, magic);
  // ln(2) in two parts, the first short enough that its product with n is exact.
  Value r = sub(x, mul(count, real(0.693359375)));
  r = sub(r, mul(count, real(-2.12194440e-4)));
  Value tail = polynomial(r, {0.4999999403953552f, 0.1666652113199234f, 0.04166838899254799f,
                              0.008368716575205326f, 0.001381459878757596f});
  Value p = add(add(mul(mul(r, r), tail), r), real(1.0));
  // In two steps: the result may be subnormal, and 2^n is infinite before the result is.
  Value half = shiftRight(n, 1);
  return mul(mul(p, powerOfTwo(half)), powerOfTwo(isub(n, half)));
}

Value expandExp(Scalars &s, Value x) { return s.exp(x); }

/// log(x) = e ln(2) + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)).
Value expandLog(Scalars &s, Value x) {
  double infinity = std::numeric_limits<double>::infinity();
  Value isSmall = s.less(x, 1.17549435e-38);
  Value normal = s.select(isSmall, s.mul(x, s.real(33554432.0)), x);
  Value bits = s.bits(normal, s.i32);
  constexpr int32_t rootHalf = 0x3f3504f3;
  Value e = s.shiftRight(s.isub(bits, s.integer(rootHalf)), 23);
  Value m = s.bits(s.isub(bits, s.shiftLeft(e, 23)), s.f32);
  e = s.isub(e, s.select(isSmall, s.integer(25), s.integer(0)));
  Value scale = arith::SIToFPOp::create(s.b, s.loc, s.f32, e);
  Value f = s.sub(m, s.real(1.0));
  Value square = s.mul(f, f);
  Value tail = s.polynomial(f, {0.3333331346511841f, -0.25000008940696716f, 0.20002123713493347f,
                                -0.16668005287647247f, 0.14219452440738678f, -0.12405340373516083f,
                                0.11888697743415833f, -0.11677515506744385f, 0.067477285861969f});
  Value low = s.mul(s.mul(square, f), tail);
  low = s.add(low, s.mul(scale, s.real(-2.12194440e-4)));
  low = s.sub(low, s.mul(square, s.real(0.5)));
  Value result = s.add(s.add(f, low), s.mul(scale, s.real(0.693359375)));
  auto is = [&](double value) { return s.compare(arith::CmpFPredicate::OEQ, x, s.real(value)); };
  result = s.select(is(0.0), s.real(-infinity), result);
  result = s.select(is(infinity), x, result);
  // Also false for NaN.
  Value isDefined = s.compare(arith::CmpFPredicate::OGE, x, s.real(0.0));
  return s.select(isDefined, result, s.real(std::numeric_limits<double>::quiet_NaN()));
}

/// x P(x^2) / Q(x^2) for an odd function that rounds to 1 from `bound` on.
Value expandOddRational(Scalars &s, Value x, double bound, ArrayRef<float> numerator,
                        ArrayRef<float> denominator) {
  // The square of a large x would overflow.
  Value bounded = s.select(s.less(x, -bound), s.like(x, -bound), x);
  bounded = s.select(s.greater(bounded, bound), s.like(x, bound), bounded);
  Value square = s.mul(bounded, bounded);
  Value result =
      s.div(s.mul(bounded, s.polynomial(square, numerator)), s.polynomial(square, denominator));
  // Exactly 1 there, so that what is multiplied with 1 - f vanishes; and nowhere more than 1.
  Value isOne =
      arith::OrIOp::create(s.b, s.loc, s.compare(arith::CmpFPredicate::OGE, x, s.like(x, bound)),
                           s.greater(result, 1.0));
  Value isMinusOne = arith::OrIOp::create(
      s.b, s.loc, s.compare(arith::CmpFPredicate::OLE, x, s.like(x, -bound)), s.less(result, -1.0));
  result = s.select(isOne, s.like(x, 1.0), result);
  return s.select(isMinusOne, s.like(x, -1.0), result);
}

Value expandTanh(Scalars &s, Value x) {
  return expandOddRational(s, x, 9.01,
                           {1.0f, 0.1367996335029602f, 0.003868388244882226f,
                            2.800865149765741e-05f, 3.058775632780453e-08f,
                            -1.2205356517136501e-11f},
                           {1.0f, 0.4701329469680786f, 0.027246061712503433f,
                            0.00039387369179166853f, 1.2874481853941688e-06f});
}

Value expandErf(Scalars &s, Value x) {
  return expandOddRational(s, x, 3.92,
                           {1.128379225730896f, 0.1851700246334076f, 0.05427451804280281f,
                            0.003843359649181366f, 0.00037792106741108f, 4.639997314370703e-06f,
                            -1.2964891382694077e-08f},
                           {1.0f, 0.4974360764026642f, 0.11391106247901917f, 0.015443643555045128f,
                            0.0013040389167144895f, 6.268833385547623e-05f});
}

/// Multiples of pi/2 are taken off in f64, which keeps positions of any sequence exact; beyond
/// 2^48 the result is NaN.
Value expandSinCos(Scalars &s, Value x, bool isCosine) {
  OpBuilder &b = s.b;
  Type f64 = b.getF64Type(), i64 = b.getI64Type();
  Value wide = arith::ExtFOp::create(b, s.loc, f64, x);
  Value magic = s.real(6755399441055744.0, f64); // 1.5 * 2^52
  Value shifted = s.add(s.mul(wide, s.real(2.0 / std::numbers::pi, f64)), magic);
  Value count = s.sub(shifted, magic);
  Value quadrant = arith::TruncIOp::create(b, s.loc, s.i32, s.bits(shifted, i64));
  if (isCosine)
    quadrant = s.iadd(quadrant, s.integer(1));
  // pi/2 in two parts, the first of 33 bits.
  Value reduced = s.sub(wide, s.mul(count, s.real(1.57079632673412561417e+00, f64)));
  reduced = s.sub(reduced, s.mul(count, s.real(6.07710050650619224932e-11, f64)));
  Value r = arith::TruncFOp::create(b, s.loc, s.f32, reduced);
  Value square = s.mul(r, r);
  Value sine =
      s.polynomial(square, {-0.16666655242443085f, 0.008332155644893646f, -0.0001951463200384751f});
  sine = s.add(s.mul(s.mul(r, square), sine), r);
  Value cosine =
      s.polynomial(square, {0.04166664555668831f, -0.0013887309469282627f, 2.443241282890085e-05f});
  cosine =
      s.add(s.sub(s.mul(s.mul(square, square), cosine), s.mul(square, s.real(0.5))), s.real(1.0));
  auto hasBit = [&](int64_t bit) -> Value {
    return arith::CmpIOp::create(b, s.loc, arith::CmpIPredicate::ne,
                                 s.iand(quadrant, s.integer(bit)), s.integer(0));
  };
  Value result = s.select(hasBit(1), cosine, sine);
  result = s.select(hasBit(2), arith::NegFOp::create(b, s.loc, result), result);
  Value isInside = s.less(s.abs(x), 281474976710656.0);
  return s.select(isInside, result, s.real(std::numeric_limits<double>::quiet_NaN()));
}

Value expandSin(Scalars &s, Value x) { return expandSinCos(s, x, false); }
Value expandCos(Scalars &s, Value x) { return expandSinCos(s, x, true); }

/// log(1 + x), where 1 + x rounds to u, is log(u) x / (u - 1): the quotient makes up for the
/// rounding.
Value expandLog1p(Scalars &s, Value x) {
  Type type = x.getType();
  Value one = s.real(1.0, type), infinity = s.real(std::numeric_limits<double>::infinity(), type);
  Value u = s.add(x, one);
  Value log = math::LogOp::create(s.b, s.loc, u);
  Value result = s.mul(log, s.div(x, s.sub(u, one)));
  result = s.select(s.compare(arith::CmpFPredicate::OEQ, u, one), x, result);
  // -1 and infinity: the logarithm alone.
  Value isFinite = s.compare(arith::CmpFPredicate::OLT, s.abs(log), infinity);
  return s.select(isFinite, result, log);
}

/// As gelu needs it: to so many units of 1, not of a small result.
Value expandErfc(Scalars &s, Value x) { return s.sub(s.like(x, 1.0), expandErf(s, x)); }

template <typename Op, Value (*expand)(Scalars &, Value)> struct Expand : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!op.getType().isF32())
      return failure();
    Scalars scalars(rewriter, op.getLoc());
    rewriter.replaceOp(op, expand(scalars, op.getOperand()));
    return success();
  }
};

/// exp(x) - 1, where exp(x) rounds to u, is (u - 1) x / log(u).
Value expandExpm1(Scalars &s, Value x) {
  Type type = x.getType();
  Value one = s.real(1.0, type), infinity = s.real(std::numeric_limits<double>::infinity(), type);
  auto equals = [&](Value a, Value b) { return s.compare(arith::CmpFPredicate::OEQ, a, b); };
  Value u = math::ExpOp::create(s.b, s.loc, x);
  Value difference = s.sub(u, one);
  Value result = s.mul(difference, s.div(x, math::LogOp::create(s.b, s.loc, u)));
  result = s.select(equals(u, one), x, result);
  // Where u is 0 or infinite the difference is exact.
  Value isExtreme =
      arith::OrIOp::create(s.b, s.loc, equals(u, s.real(0.0, type)), equals(u, infinity));
  return s.select(isExtreme, difference, result);
}

/// For both f32 and f64: the usual lowering is wrong for small arguments.
template <typename Op, Value (*expand)(Scalars &, Value)>
struct ExpandAnyWidth : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!op.getType().isF32() && !op.getType().isF64())
      return failure();
    Scalars scalars(rewriter, op.getLoc());
    rewriter.replaceOp(op, expand(scalars, op.getOperand()));
    return success();
  }
};

// bf16 as the upper half of an f32, by integer arithmetic. There is no selection at the end of a
// rounding, and none between bf16: code generators call the C library where a bf16 is computed
// with, even where it is only chosen.

struct ExpandExtendBF16 : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op, PatternRewriter &rewriter) const override {
    if (!op.getIn().getType().isBF16() || !op.getType().isF32())
      return failure();
    Scalars s(rewriter, op.getLoc());
    Value half = s.bits(op.getIn(), rewriter.getI16Type());
    Value wide = arith::ExtUIOp::create(rewriter, op.getLoc(), s.i32, half);
    rewriter.replaceOp(op, s.bits(s.shiftLeft(wide, 16), s.f32));
    return success();
  }
};

/// To the nearest, ties to even; NaN stays NaN.
struct ExpandRoundBF16 : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    if (!op.getType().isBF16() || !op.getIn().getType().isF32())
      return failure();
    Scalars s(rewriter, op.getLoc());
    auto upper = [&](Value value) -> Value {
      return arith::ShRUIOp::create(rewriter, op.getLoc(), value, s.integer(16));
    };
    Value bits = s.bits(op.getIn(), s.i32);
    Value odd = s.iand(upper(bits), s.integer(1));
    Value rounded = s.iadd(s.iadd(bits, s.integer(0x7fff)), odd);
    Value isNaN = s.compare(arith::CmpFPredicate::UNO, op.getIn(), op.getIn());
    Value mask = arith::ExtSIOp::create(rewriter, op.getLoc(), s.i32, isNaN);
    Value quiet = s.iand(mask, s.integer(0x7fc00000));
    Value result = upper(arith::OrIOp::create(rewriter, op.getLoc(), rounded, quiet));
    Value half = arith::TruncIOp::create(rewriter, op.getLoc(), rewriter.getI16Type(), result);
    rewriter.replaceOp(op, s.bits(half, op.getType()));
    return success();
  }
};

struct ExpandSelectBF16 : OpRewritePattern<arith::SelectOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::SelectOp op, PatternRewriter &rewriter) const override {
    if (!op.getType().isBF16())
      return failure();
    Scalars s(rewriter, op.getLoc());
    auto wide = [&](Value value) -> Value {
      return arith::ExtFOp::create(rewriter, op.getLoc(), s.f32, value);
    };
    Value chosen = s.select(op.getCondition(), wide(op.getTrueValue()), wide(op.getFalseValue()));
    rewriter.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), chosen);
    return success();
  }
};

struct ExpandFloatMath : bigmac::impl::ExpandFloatMathBase<ExpandFloatMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<Expand<math::ExpOp, expandExp>, Expand<math::LogOp, expandLog>,
                 Expand<math::TanhOp, expandTanh>, Expand<math::ErfOp, expandErf>,
                 Expand<math::ErfcOp, expandErfc>, Expand<math::SinOp, expandSin>,
                 Expand<math::CosOp, expandCos>, ExpandAnyWidth<math::Log1pOp, expandLog1p>,
                 ExpandAnyWidth<math::ExpM1Op, expandExpm1>>(&getContext());
    patterns.add<ExpandExtendBF16, ExpandRoundBF16, ExpandSelectBF16>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

Value bigmac::expandErf(OpBuilder &builder, Location loc, Value x, arith::FastMathFlags quotient) {
  Scalars scalars(builder, loc, quotient);
  return ::expandErf(scalars, x);
}

Value bigmac::approximateErfc(OpBuilder &builder, Location loc, Value x,
                              arith::FastMathFlags parts) {
  Scalars s(builder, loc, parts);
  Value gaussian =
      math::ExpOp::create(builder, loc, arith::NegFOp::create(builder, loc, s.mul(x, x)), parts);
  Value one = s.like(x, 1.0);
  Value t = s.div(one, s.add(s.mul(s.abs(x), s.like(x, 0.3275911)), one));
  Value series =
      s.polynomial(t, {0.254829592f, -0.284496736f, 1.421413741f, -1.453152027f, 1.061405429f});
  Value ofMagnitude = s.mul(s.mul(series, t), gaussian);
  return s.select(s.less(x, 0.0), s.sub(s.like(x, 2.0), ofMagnitude), ofMagnitude);
}
