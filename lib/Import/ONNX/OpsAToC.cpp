//===- OpsAToC.cpp - Importers of ONNX ops, A to C -------------------------===//

#include "OpImporters.h"
#include "OpTable.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace bigmac::onnx;

void bigmac::onnx::registerOpsAToC(OpTable &table) {
  table.add("Abs", 13, 1, 1, [](NodeContext &n) -> LogicalResult {
    if (isFloat(n.in(0)))
      return n.setResult(math::AbsFOp::create(n.b, n.loc, n.in(0)));
    if (n.isUnsignedInput(0))
      return n.setResult(n.in(0));
    return n.setResult(math::AbsIOp::create(n.b, n.loc, n.in(0)));
  });
  table.add("Add", 13, 2, 2, [](NodeContext &n) {
    return importBinary(n, [&](Value a, Value b) { return n.add(a, b); });
  });
  table.add("And", 7, 2, 2, [](NodeContext &n) {
    auto build = [&](Value a, Value b) -> Value { return arith::AndIOp::create(n.b, n.loc, a, b); };
    return importLogic(n, build, /*onBits=*/false);
  });
  table.add("ArgMax", 13, 1, 1, [](NodeContext &n) { return importArgExtremum(n, true); });
  table.add("ArgMin", 13, 1, 1, [](NodeContext &n) { return importArgExtremum(n, false); });
  table.add("Attention", 23, 3, 7, importAttention);
  table.add("AveragePool", 7, 1, 1, importAveragePool);
  table.add("BatchNormalization", 9, 5, 5, importBatchNormalization);
  table.add("BitwiseAnd", 18, 2, 2, [](NodeContext &n) {
    auto build = [&](Value a, Value b) -> Value { return arith::AndIOp::create(n.b, n.loc, a, b); };
    return importLogic(n, build, /*onBits=*/true);
  });
  table.add("BitwiseNot", 18, 1, 1, [](NodeContext &n) -> LogicalResult {
    if (isFloat(n.in(0)) || isBool(n.in(0)))
      return n.error() << "expects integers, found " << n.in(0).getType();
    return n.setResult(arith::XOrIOp::create(n.b, n.loc, n.in(0), n.splat(n.in(0), -1)));
  });
  table.add("BitwiseOr", 18, 2, 2, [](NodeContext &n) {
    auto build = [&](Value a, Value b) -> Value { return arith::OrIOp::create(n.b, n.loc, a, b); };
    return importLogic(n, build, /*onBits=*/true);
  });
  table.add("BitwiseXor", 18, 2, 2, [](NodeContext &n) {
    auto build = [&](Value a, Value b) -> Value { return arith::XOrIOp::create(n.b, n.loc, a, b); };
    return importLogic(n, build, /*onBits=*/true);
  });
  table.add("Cast", 13, 1, 1, [](NodeContext &n) -> LogicalResult {
    if (!n.attribute("to"))
      return n.error() << "needs its attribute 'to'";
    return importCast(n, static_cast<DataType>(n.attrInt("to", 0)));
  });
  table.add("CastLike", 15, 2, 2, [](NodeContext &n) -> LogicalResult {
    n.results[0].isUnsigned = n.isUnsignedInput(1);
    return n.setResult(n.cast(n.in(0), typeOf(n.in(1)).getElementType(), n.isUnsignedInput(0),
                              n.isUnsignedInput(1)));
  });
  table.add("Ceil", 13, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::CeilOp::create(n.b, n.loc, x); });
  });
  // max(0, x) + min(0, alpha * (exp(x / alpha) - 1))
  table.add("Celu", 12, 1, 1, [](NodeContext &n) {
    double alpha = n.attrFloat("alpha", 1.0);
    return importFloatUnary(n, [&](Value x) { return expLinear(n, x, 1.0 / alpha, alpha, 1.0); });
  });
  table.add("Clip", 13, 1, 3, importClip);
  table.add("Concat", 13, 1, kAnyNumber, importConcat);
  table.add("Constant", 13, 0, 0, importConstant);
  table.add("ConstantOfShape", 9, 1, 1, importConstantOfShape);
  table.add("Conv", 11, 2, 3, importConv);
  table.add("Cos", 7, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::CosOp::create(n.b, n.loc, x); });
  });
  table.add("CumSum", 11, 2, 2, importCumSum);
}
