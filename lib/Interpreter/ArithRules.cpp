//===- ArithRules.cpp - Rules of the arith dialect -------------------------===//

#include "Bits.h"
#include "Rules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace bigmac::interpreter {
namespace {

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

/// maximumf and minimumf: NaN if either is NaN, and -0 below +0.
double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::numeric_limits<double>::quiet_NaN();
  if (a == b)
    return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
double minimum(double a, double b) { return -maximum(-a, -b); }

bool compareFloats(arith::CmpFPredicate predicate, double a, double b) {
  using P = arith::CmpFPredicate;
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
  case P::AlwaysFalse:
    return false;
  case P::OEQ:
    return a == b;
  case P::OGT:
    return a > b;
  case P::OGE:
    return a >= b;
  case P::OLT:
    return a < b;
  case P::OLE:
    return a <= b;
  case P::ONE:
    return !unordered && a != b;
  case P::ORD:
    return !unordered;
  case P::UEQ:
    return unordered || a == b;
  case P::UGT:
    return unordered || a > b;
  case P::UGE:
    return unordered || a >= b;
  case P::ULT:
    return unordered || a < b;
  case P::ULE:
    return unordered || a <= b;
  case P::UNE:
    return unordered || a != b;
  case P::UNO:
    return unordered;
  case P::AlwaysTrue:
    return true;
  }
  llvm_unreachable("unknown cmpf predicate");
}

LogicalResult cmpf(RuleContext &context) {
  const Tensor &a = context.operands[0], &b = context.operands[1];
  auto predicate = cast<arith::CmpFOp>(context.op).getPredicate();
  context.results.push_back(mapElements<int64_t>(
      context, [&](int64_t i) { return compareFloats(predicate, a.at(i), b.at(i)); }));
  return success();
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

/// Rules from a function of two signed numbers; the result is wrapped to the type. The arithmetic
/// is that of uint64_t, whose overflow is defined.
template <auto Fn> LogicalResult intBinary(RuleContext &context) {
  const Tensor &a = context.operands[0], &b = context.operands[1];
  unsigned width = integerWidth(a.elementType());
  context.results.push_back(mapElements<int64_t>(context, [&](int64_t i) {
    return static_cast<int64_t>(Fn(signedValue(a.intAt(i), width), signedValue(b.intAt(i), width)));
  }));
  return success();
}

template <auto Fn> LogicalResult uintBinary(RuleContext &context) {
  const Tensor &a = context.operands[0], &b = context.operands[1];
  unsigned width = integerWidth(a.elementType());
  context.results.push_back(mapElements<int64_t>(context, [&](int64_t i) {
    return static_cast<int64_t>(
        Fn(unsignedValue(a.intAt(i), width), unsignedValue(b.intAt(i), width)));
  }));
  return success();
}

/// Fails where an element of the second operand is zero, or the quotient of a signed division does
/// not fit.
LogicalResult checkDivision(RuleContext &context, bool isSigned) {
  const Tensor &a = context.operands[0], &b = context.operands[1];
  unsigned width = integerWidth(a.elementType());
  int64_t lowest = width == 64 ? std::numeric_limits<int64_t>::min() : -(int64_t(1) << (width - 1));
  for (int64_t i = 0; i < a.size(); ++i) {
    if (b.intAt(i) == 0)
      return context.op->emitOpError("divides by zero at element ") << i;
    if (isSigned && signedValue(b.intAt(i), width) == -1 &&
        signedValue(a.intAt(i), width) == lowest)
      return context.op->emitOpError("overflows at element ") << i;
  }
  return success();
}

template <auto Fn> LogicalResult signedDivision(RuleContext &context) {
  return failed(checkDivision(context, /*isSigned=*/true)) ? failure() : intBinary<Fn>(context);
}
template <auto Fn> LogicalResult unsignedDivision(RuleContext &context) {
  return failed(checkDivision(context, /*isSigned=*/false)) ? failure() : uintBinary<Fn>(context);
}

int64_t floorDiv(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0 && (a < 0) == (b < 0)); }

template <Rule Shift> LogicalResult checkedShift(RuleContext &context) {
  const Tensor &amount = context.operands[1];
  unsigned width = integerWidth(amount.elementType());
  for (int64_t i = 0; i < amount.size(); ++i)
    if (unsignedValue(amount.intAt(i), width) >= width)
      return context.op->emitOpError("shifts element ")
             << i << " by " << amount.intAt(i) << ", expected less than its " << width << " bits";
  return Shift(context);
}

bool compareInts(arith::CmpIPredicate predicate, int64_t a, int64_t b, unsigned width) {
  using P = arith::CmpIPredicate;
  int64_t sa = signedValue(a, width), sb = signedValue(b, width);
  uint64_t ua = unsignedValue(a, width), ub = unsignedValue(b, width);
  switch (predicate) {
  case P::eq:
    return a == b;
  case P::ne:
    return a != b;
  case P::slt:
    return sa < sb;
  case P::sle:
    return sa <= sb;
  case P::sgt:
    return sa > sb;
  case P::sge:
    return sa >= sb;
  case P::ult:
    return ua < ub;
  case P::ule:
    return ua <= ub;
  case P::ugt:
    return ua > ub;
  case P::uge:
    return ua >= ub;
  }
  llvm_unreachable("unknown cmpi predicate");
}

LogicalResult cmpi(RuleContext &context) {
  const Tensor &a = context.operands[0], &b = context.operands[1];
  unsigned width = integerWidth(a.elementType());
  auto predicate = cast<arith::CmpIOp>(context.op).getPredicate();
  context.results.push_back(mapElements<int64_t>(
      context, [&](int64_t i) { return compareInts(predicate, a.intAt(i), b.intAt(i), width); }));
  return success();
}

//===----------------------------------------------------------------------===//
// Casts
//===----------------------------------------------------------------------===//

LogicalResult floatToFloat(RuleContext &context) {
  context.results.push_back(context.operands[0].retyped(context.resultElementType()));
  return success();
}

template <bool Signed> LogicalResult intToInt(RuleContext &context) {
  const Tensor &x = context.operands[0];
  unsigned width = integerWidth(x.elementType());
  context.results.push_back(mapElements<int64_t>(context, [&](int64_t i) {
    return Signed ? signedValue(x.intAt(i), width)
                  : static_cast<int64_t>(unsignedValue(x.intAt(i), width));
  }));
  return success();
}

template <bool Signed> LogicalResult intToFloat(RuleContext &context) {
  const Tensor &x = context.operands[0];
  unsigned width = integerWidth(x.elementType());
  context.results.push_back(mapElements<double>(context, [&](int64_t i) {
    return Signed ? static_cast<double>(signedValue(x.intAt(i), width))
                  : static_cast<double>(unsignedValue(x.intAt(i), width));
  }));
  return success();
}

template <bool Signed> LogicalResult floatToInt(RuleContext &context) {
  const Tensor &x = context.operands[0];
  unsigned width = integerWidth(context.resultElementType());
  // The integers below the limit are those that fit; powers of two are exact in double.
  double limit = std::ldexp(1.0, Signed ? width - 1 : width);
  double lowest = Signed ? -limit : 0.0;
  for (int64_t i = 0; i < x.size(); ++i) {
    double value = std::trunc(x.at(i));
    if (!(value >= lowest && value < limit))
      return context.op->emitOpError("cannot represent element ")
             << i << ", " << x.at(i) << ", as " << context.resultElementType();
  }
  context.results.push_back(mapElements<int64_t>(context, [&](int64_t i) {
    return Signed ? static_cast<int64_t>(x.at(i))
                  : static_cast<int64_t>(static_cast<uint64_t>(x.at(i)));
  }));
  return success();
}

LogicalResult bitcast(RuleContext &context) {
  const Tensor &x = context.operands[0];
  Type from = x.elementType(), to = context.resultElementType();
  auto bits = [&](int64_t i) {
    return x.isFloat() ? floatToBits(x.at(i), from) : unsignedValue(x.intAt(i), integerWidth(from));
  };
  if (isa<FloatType>(to))
    context.results.push_back(
        mapElements<double>(context, [&](int64_t i) { return floatFromBits(bits(i), to); }));
  else
    context.results.push_back(
        mapElements<int64_t>(context, [&](int64_t i) { return static_cast<int64_t>(bits(i)); }));
  return success();
}

//===----------------------------------------------------------------------===//
// Others
//===----------------------------------------------------------------------===//

LogicalResult constant(RuleContext &context) {
  Attribute value = cast<arith::ConstantOp>(context.op).getValue();
  FailureOr<Tensor> tensor = Tensor::fromAttribute(value);
  if (failed(tensor))
    return context.op->emitOpError("has a value that the interpreter cannot read: expected dense "
                                   "elements or a number");
  context.results.push_back(*tensor);
  return success();
}

/// The condition is one i1 for all elements or one for each.
LogicalResult select(RuleContext &context) {
  const Tensor &condition = context.operands[0];
  const Tensor &a = context.operands[1], &b = context.operands[2];
  if (condition.isSplat() && condition.size() > 0) {
    context.results.push_back(condition.boolAt(0) ? a : b);
    return success();
  }
  if (a.isFloat())
    context.results.push_back(mapElements<double>(
        context, [&](int64_t i) { return condition.boolAt(i) ? a.at(i) : b.at(i); }));
  else
    context.results.push_back(mapElements<int64_t>(
        context, [&](int64_t i) { return condition.boolAt(i) ? a.intAt(i) : b.intAt(i); }));
  return success();
}

} // namespace

static void addFloatRules(RuleRegistry &registry) {
  registry.add<arith::AddFOp>(floatBinary<[](double a, double b) { return a + b; }>);
  registry.add<arith::SubFOp>(floatBinary<[](double a, double b) { return a - b; }>);
  registry.add<arith::MulFOp>(floatBinary<[](double a, double b) { return a * b; }>);
  registry.add<arith::DivFOp>(floatBinary<[](double a, double b) { return a / b; }>);
  registry.add<arith::RemFOp>(floatBinary<[](double a, double b) { return std::fmod(a, b); }>);
  registry.add<arith::NegFOp>(floatUnary<[](double x) { return -x; }>);
  registry.add<arith::MaximumFOp>(floatBinary<maximum>);
  registry.add<arith::MinimumFOp>(floatBinary<minimum>);
  registry.add<arith::MaxNumFOp>(floatBinary<[](double a, double b) { return std::fmax(a, b); }>);
  registry.add<arith::MinNumFOp>(floatBinary<[](double a, double b) { return std::fmin(a, b); }>);
  registry.add<arith::CmpFOp>(cmpf);
}

static void addIntRules(RuleRegistry &registry) {
  registry.add<arith::AddIOp>(uintBinary<[](uint64_t a, uint64_t b) { return a + b; }>);
  registry.add<arith::SubIOp>(uintBinary<[](uint64_t a, uint64_t b) { return a - b; }>);
  registry.add<arith::MulIOp>(uintBinary<[](uint64_t a, uint64_t b) { return a * b; }>);
  registry.add<arith::AndIOp>(uintBinary<[](uint64_t a, uint64_t b) { return a & b; }>);
  registry.add<arith::OrIOp>(uintBinary<[](uint64_t a, uint64_t b) { return a | b; }>);
  registry.add<arith::XOrIOp>(uintBinary<[](uint64_t a, uint64_t b) { return a ^ b; }>);
  registry.add<arith::MaxSIOp>(intBinary<[](int64_t a, int64_t b) { return std::max(a, b); }>);
  registry.add<arith::MinSIOp>(intBinary<[](int64_t a, int64_t b) { return std::min(a, b); }>);
  registry.add<arith::MaxUIOp>(uintBinary<[](uint64_t a, uint64_t b) { return std::max(a, b); }>);
  registry.add<arith::MinUIOp>(uintBinary<[](uint64_t a, uint64_t b) { return std::min(a, b); }>);
  registry.add<arith::DivSIOp>(signedDivision<[](int64_t a, int64_t b) { return a / b; }>);
  registry.add<arith::RemSIOp>(signedDivision<[](int64_t a, int64_t b) { return a % b; }>);
  registry.add<arith::FloorDivSIOp>(signedDivision<floorDiv>);
  registry.add<arith::CeilDivSIOp>(signedDivision<ceilDiv>);
  registry.add<arith::DivUIOp>(unsignedDivision<[](uint64_t a, uint64_t b) { return a / b; }>);
  registry.add<arith::RemUIOp>(unsignedDivision<[](uint64_t a, uint64_t b) { return a % b; }>);
  registry.add<arith::CeilDivUIOp>(
      unsignedDivision<[](uint64_t a, uint64_t b) { return a / b + (a % b != 0); }>);
  registry.add<arith::ShLIOp>(
      checkedShift<uintBinary<[](uint64_t a, uint64_t b) { return a << b; }>>);
  registry.add<arith::ShRUIOp>(
      checkedShift<uintBinary<[](uint64_t a, uint64_t b) { return a >> b; }>>);
  registry.add<arith::ShRSIOp>(
      checkedShift<intBinary<[](int64_t a, int64_t b) { return a >> b; }>>);
  registry.add<arith::CmpIOp>(cmpi);
}

static void addCastRules(RuleRegistry &registry) {
  registry.add<arith::ExtFOp>(floatToFloat);
  registry.add<arith::TruncFOp>(floatToFloat);
  registry.add<arith::ExtSIOp>(intToInt<true>);
  registry.add<arith::ExtUIOp>(intToInt<false>);
  registry.add<arith::TruncIOp>(intToInt<true>);
  registry.add<arith::IndexCastOp>(intToInt<true>);
  registry.add<arith::IndexCastUIOp>(intToInt<false>);
  registry.add<arith::SIToFPOp>(intToFloat<true>);
  registry.add<arith::UIToFPOp>(intToFloat<false>);
  registry.add<arith::FPToSIOp>(floatToInt<true>);
  registry.add<arith::FPToUIOp>(floatToInt<false>);
  registry.add<arith::BitcastOp>(bitcast);
}

void addArithRules(RuleRegistry &registry) {
  addFloatRules(registry);
  addIntRules(registry);
  addCastRules(registry);
  registry.add<arith::ConstantOp>(constant);
  registry.add<arith::SelectOp>(select);
}

} // namespace bigmac::interpreter
