//===- Elementwise.cpp - Arithmetic, comparison, logic, casts --------------===//

#include "OpImporters.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

static LogicalResult checkSameElements(NodeContext &n, ArrayRef<Value> values) {
  for (Value value : values)
    if (typeOf(value).getElementType() != typeOf(values.front()).getElementType())
      return n.error() << "expects operands of one element type, found " << values.front().getType()
                       << " and " << value.getType();
  return success();
}

/// All operands, broadcast to one shape and of one element type.
static FailureOr<SmallVector<Value>> unified(NodeContext &n) {
  SmallVector<Value> values;
  for (unsigned i = 0; i < n.numInputs(); ++i)
    if (n.has(i))
      values.push_back(n.in(i));
  if (failed(checkSameElements(n, values)) || failed(n.unify(values)))
    return failure();
  return values;
}

LogicalResult bigmac::onnx::importBinary(NodeContext &n, Binary build) {
  FailureOr<SmallVector<Value>> values = unified(n);
  if (failed(values))
    return failure();
  if (isBool(values->front()))
    return n.error() << "expects numbers, found booleans";
  return n.setResult(build((*values)[0], (*values)[1]));
}

LogicalResult bigmac::onnx::importVariadic(NodeContext &n, Binary build) {
  FailureOr<SmallVector<Value>> values = unified(n);
  if (failed(values))
    return failure();
  if (isBool(values->front()))
    return n.error() << "expects numbers, found booleans";
  Value result = values->front();
  for (Value value : llvm::drop_begin(*values))
    result = build(result, value);
  return n.setResult(result);
}

LogicalResult bigmac::onnx::importFloatUnary(NodeContext &n,
                                             llvm::function_ref<Value(Value)> build) {
  if (!isFloat(n.in(0)))
    return n.error() << "expects a floating-point tensor, found " << n.in(0).getType();
  return n.setResult(build(n.in(0)));
}

LogicalResult bigmac::onnx::importCompare(NodeContext &n, NodeContext::Compare how) {
  FailureOr<SmallVector<Value>> values = unified(n);
  if (failed(values))
    return failure();
  return n.setResult(n.compare(how, (*values)[0], (*values)[1], n.isUnsignedInput(0)));
}

LogicalResult bigmac::onnx::importLogic(NodeContext &n, Binary build, bool onBits) {
  FailureOr<SmallVector<Value>> values = unified(n);
  if (failed(values))
    return failure();
  if (isFloat(values->front()) || isBool(values->front()) == onBits)
    return n.error() << "expects " << (onBits ? "integers" : "booleans") << ", found "
                     << values->front().getType();
  return n.setResult(build((*values)[0], (*values)[1]));
}

LogicalResult bigmac::onnx::importExtremum(NodeContext &n, bool maximum) {
  bool isUnsigned = n.isUnsignedInput(0);
  return importVariadic(n, [&](Value a, Value b) -> Value {
    if (isFloat(a)) {
      // NaN wins, as in NumPy and PyTorch.
      if (maximum)
        return arith::MaximumFOp::create(n.b, n.loc, a, b);
      return arith::MinimumFOp::create(n.b, n.loc, a, b);
    }
    auto how = maximum ? NodeContext::Compare::Greater : NodeContext::Compare::Less;
    return n.select(n.compare(how, a, b, isUnsigned), a, b);
  });
}

/// Selections rather than min and max: at a bound the gradient goes to the input, as in PyTorch.
LogicalResult bigmac::onnx::importClip(NodeContext &n) {
  Value x = n.in(0);
  bool isUnsigned = n.isUnsignedInput(0);
  auto bound = [&](unsigned i, NodeContext::Compare beyond) -> LogicalResult {
    if (!n.has(i))
      return success();
    if (failed(checkSameElements(n, {x, n.in(i)})))
      return failure();
    if (typeOf(n.in(i)).getNumElements() != 1)
      return n.error() << "expects a scalar as its bound, found " << n.in(i).getType();
    Value limit = n.broadcast(n.reshape(n.in(i), {}), shapeOf(x));
    x = n.select(n.compare(beyond, x, limit, isUnsigned), limit, x);
    return success();
  };
  if (failed(bound(1, NodeContext::Compare::Less)) ||
      failed(bound(2, NodeContext::Compare::Greater)))
    return failure();
  return n.setResult(x);
}

LogicalResult bigmac::onnx::importMod(NodeContext &n) {
  bool truncated = n.attrInt("fmod", 0) != 0;
  bool isUnsigned = n.isUnsignedInput(0);
  return importBinary(n, [&](Value a, Value b) -> Value {
    Value remainder;
    if (isFloat(a))
      remainder = arith::RemFOp::create(n.b, n.loc, a, b);
    else if (isUnsigned)
      return arith::RemUIOp::create(n.b, n.loc, a, b);
    else
      remainder = arith::RemSIOp::create(n.b, n.loc, a, b);
    if (truncated)
      return remainder;
    // The result has the divisor's sign.
    Value zero = n.splat(a, 0);
    Value differs =
        arith::XOrIOp::create(n.b, n.loc, n.compare(NodeContext::Compare::Less, remainder, zero),
                              n.compare(NodeContext::Compare::Less, b, zero));
    Value exact = n.compare(NodeContext::Compare::Equal, remainder, zero);
    Value adjusted = n.select(differs, n.add(remainder, b), remainder);
    return n.select(exact, remainder, adjusted);
  });
}

/// Powers that networks use become the products and roots that PyTorch computes them by.
LogicalResult bigmac::onnx::importPow(NodeContext &n) {
  SmallVector<Value> values = {n.in(0), n.in(1)};
  Type element = typeOf(values[0]).getElementType();
  if (isBool(values[0]) || isBool(values[1]))
    return n.error() << "expects numbers, found booleans";
  if (DenseElementsAttr exponent = n.constant(1);
      exponent && exponent.isSplat() && isFloat(values[0])) {
    double power;
    if (isa<FloatType>(exponent.getElementType())) {
      APFloat value = exponent.getSplatValue<APFloat>();
      bool losesInfo;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
      power = value.convertToDouble();
    } else {
      power = static_cast<double>(exponent.getSplatValue<APInt>().getSExtValue());
    }
    FailureOr<Shape> shape = n.commonShape(values);
    if (failed(shape))
      return failure();
    Value x = n.broadcast(values[0], *shape);
    if (power == 1.0)
      return n.setResult(x);
    if (power == 2.0)
      return n.setResult(n.mul(x, x));
    if (power == 3.0)
      return n.setResult(n.mul(n.mul(x, x), x));
    if (power == 0.5)
      return n.setResult(math::SqrtOp::create(n.b, n.loc, x));
    if (power == -0.5)
      return n.setResult(n.div(n.splat(x, 1.0), math::SqrtOp::create(n.b, n.loc, x)));
    if (power == -1.0)
      return n.setResult(n.div(n.splat(x, 1.0), x));
  }
  if (!isFloat(values[0]) && isFloat(values[1])) {
    // The result has the base's type, but the power is one of floats.
    Type wide = typeOf(values[1]).getElementType();
    values[0] = n.cast(values[0], wide, n.isUnsignedInput(0), false);
    if (failed(n.unify(values)))
      return failure();
    Value power = math::PowFOp::create(n.b, n.loc, values[0], values[1]);
    return n.setResult(n.cast(power, element, false, n.isUnsignedInput(0)));
  }
  values[1] = n.cast(values[1], element, n.isUnsignedInput(1), false);
  if (failed(n.unify(values)))
    return failure();
  if (isFloat(values[0]))
    return n.setResult(math::PowFOp::create(n.b, n.loc, values[0], values[1]));
  return n.setResult(math::IPowIOp::create(n.b, n.loc, values[0], values[1]));
}

LogicalResult bigmac::onnx::importCast(NodeContext &n, DataType to) {
  Type element = elementTypeOf(n.b.getContext(), to);
  if (!element)
    return n.error() << "casts to " << nameOf(to) << ", which is not supported";
  n.results[0].isUnsigned = isUnsigned(to);
  return n.setResult(n.cast(n.in(0), element, n.isUnsignedInput(0), isUnsigned(to)));
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))
Value bigmac::onnx::softplus(NodeContext &n, Value x) {
  Value magnitude = math::AbsFOp::create(n.b, n.loc, x);
  Value tail = math::Log1pOp::create(n.b, n.loc, math::ExpOp::create(n.b, n.loc, n.neg(magnitude)));
  return n.add(arith::MaximumFOp::create(n.b, n.loc, x, n.splat(x, 0.0)), tail);
}
