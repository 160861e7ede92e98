//===- MathRules.cpp - Rules of the math dialect ---------------------------===//

#include "Rules.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace bigmac::interpreter {
namespace {

/// a to the power of an integer, by squaring as the definition of ipowi's wrap-around asks.
uint64_t integerPower(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent; exponent >>= 1, base *= base)
    if (exponent & 1)
      result *= base;
  return result;
}

LogicalResult ipowi(RuleContext &context) {
  const Tensor &base = context.operands[0], &exponent = context.operands[1];
  unsigned width = integerWidth(base.elementType());
  for (int64_t i = 0; i < base.size(); ++i)
    if (signedValue(base.intAt(i), width) == 0 && signedValue(exponent.intAt(i), width) < 0)
      return context.op->emitOpError("raises zero to a negative power at element ") << i;
  context.results.push_back(mapElements<int64_t>(context, [&](int64_t i) -> int64_t {
    int64_t b = signedValue(base.intAt(i), width), e = signedValue(exponent.intAt(i), width);
    if (e >= 0)
      return integerPower(b, e);
    // 1 / b^-e rounds to zero but for b = 1 and b = -1.
    return b == 1 ? 1 : b == -1 ? (e % 2 ? -1 : 1) : 0;
  }));
  return success();
}

LogicalResult fpowi(RuleContext &context) {
  const Tensor &base = context.operands[0], &exponent = context.operands[1];
  unsigned width = integerWidth(exponent.elementType());
  context.results.push_back(mapElements<double>(context, [&](int64_t i) {
    return std::pow(base.at(i), static_cast<double>(signedValue(exponent.intAt(i), width)));
  }));
  return success();
}

LogicalResult absi(RuleContext &context) {
  const Tensor &x = context.operands[0];
  unsigned width = integerWidth(x.elementType());
  context.results.push_back(mapElements<int64_t>(context, [&](int64_t i) {
    int64_t value = signedValue(x.intAt(i), width);
    return static_cast<int64_t>(value < 0 ? -static_cast<uint64_t>(value) : value);
  }));
  return success();
}

} // namespace

void addMathRules(RuleRegistry &registry) {
  registry.add<math::AbsFOp>(floatUnary<[](double x) { return std::abs(x); }>);
  registry.add<math::AbsIOp>(absi);
  registry.add<math::AcosOp>(floatUnary<[](double x) { return std::acos(x); }>);
  registry.add<math::AcoshOp>(floatUnary<[](double x) { return std::acosh(x); }>);
  registry.add<math::AsinOp>(floatUnary<[](double x) { return std::asin(x); }>);
  registry.add<math::AsinhOp>(floatUnary<[](double x) { return std::asinh(x); }>);
  registry.add<math::AtanOp>(floatUnary<[](double x) { return std::atan(x); }>);
  registry.add<math::AtanhOp>(floatUnary<[](double x) { return std::atanh(x); }>);
  registry.add<math::Atan2Op>(floatBinary<[](double y, double x) { return std::atan2(y, x); }>);
  registry.add<math::CbrtOp>(floatUnary<[](double x) { return std::cbrt(x); }>);
  registry.add<math::CeilOp>(floatUnary<[](double x) { return std::ceil(x); }>);
  registry.add<math::CopySignOp>(
      floatBinary<[](double a, double b) { return std::copysign(a, b); }>);
  registry.add<math::CosOp>(floatUnary<[](double x) { return std::cos(x); }>);
  registry.add<math::CoshOp>(floatUnary<[](double x) { return std::cosh(x); }>);
  registry.add<math::ErfOp>(floatUnary<[](double x) { return std::erf(x); }>);
  registry.add<math::ErfcOp>(floatUnary<[](double x) { return std::erfc(x); }>);
  registry.add<math::ExpOp>(floatUnary<[](double x) { return std::exp(x); }>);
  registry.add<math::Exp2Op>(floatUnary<[](double x) { return std::exp2(x); }>);
  registry.add<math::ExpM1Op>(floatUnary<[](double x) { return std::expm1(x); }>);
  registry.add<math::FloorOp>(floatUnary<[](double x) { return std::floor(x); }>);
  registry.add<math::FmaOp>(
      floatTernary<[](double a, double b, double c) { return std::fma(a, b, c); }>);
  registry.add<math::FPowIOp>(fpowi);
  registry.add<math::IPowIOp>(ipowi);
  registry.add<math::IsFiniteOp>(floatTest<[](double x) { return std::isfinite(x); }>);
  registry.add<math::IsInfOp>(floatTest<[](double x) { return std::isinf(x); }>);
  registry.add<math::IsNaNOp>(floatTest<[](double x) { return std::isnan(x); }>);
  registry.add<math::LogOp>(floatUnary<[](double x) { return std::log(x); }>);
  registry.add<math::Log10Op>(floatUnary<[](double x) { return std::log10(x); }>);
  registry.add<math::Log1pOp>(floatUnary<[](double x) { return std::log1p(x); }>);
  registry.add<math::Log2Op>(floatUnary<[](double x) { return std::log2(x); }>);
  registry.add<math::PowFOp>(floatBinary<[](double a, double b) { return std::pow(a, b); }>);
  registry.add<math::RoundOp>(floatUnary<[](double x) { return std::round(x); }>);
  registry.add<math::RoundEvenOp>(floatUnary<[](double x) { return std::nearbyint(x); }>);
  registry.add<math::RsqrtOp>(floatUnary<[](double x) { return 1.0 / std::sqrt(x); }>);
  registry.add<math::SinOp>(floatUnary<[](double x) { return std::sin(x); }>);
  registry.add<math::SinhOp>(floatUnary<[](double x) { return std::sinh(x); }>);
  registry.add<math::SqrtOp>(floatUnary<[](double x) { return std::sqrt(x); }>);
  registry.add<math::TanOp>(floatUnary<[](double x) { return std::tan(x); }>);
  registry.add<math::TanhOp>(floatUnary<[](double x) { return std::tanh(x); }>);
  registry.add<math::TruncOp>(floatUnary<[](double x) { return std::trunc(x); }>);
}

} // namespace bigmac::interpreter
