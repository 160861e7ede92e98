//===- OpsHToN.cpp - Importers of ONNX ops, H to N -------------------------===//

#include "MaskedScatter.h"
#include "OpImporters.h"
#include "OpTable.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

static Value hardSigmoid(NodeContext &n, Value x, double alpha, double beta) {
  Value line = n.add(n.mul(x, n.splat(x, alpha)), n.splat(x, beta));
  Value zero = n.splat(x, 0.0), one = n.splat(x, 1.0);
  line = n.select(n.compare(NodeContext::Compare::LessOrEqual, line, zero), zero, line);
  return n.select(n.compare(NodeContext::Compare::GreaterOrEqual, line, one), one, line);
}

static LogicalResult importIsInf(NodeContext &n) {
  bool negative = n.attrInt("detect_negative", 1) != 0;
  bool positive = n.attrInt("detect_positive", 1) != 0;
  return importFloatUnary(n, [&](Value x) -> Value {
    Value infinity = n.splat(x, std::numeric_limits<double>::infinity());
    if (negative && positive)
      return n.compare(NodeContext::Compare::Equal, math::AbsFOp::create(n.b, n.loc, x), infinity);
    if (positive)
      return n.compare(NodeContext::Compare::Equal, x, infinity);
    if (negative)
      return n.compare(NodeContext::Compare::Equal, n.neg(x), infinity);
    return n.splatInt(RankedTensorType::get(shapeOf(x), n.b.getI1Type()), 0);
  });
}

static LogicalResult importMean(NodeContext &n) {
  double count = n.numInputs();
  return importVariadic(n, [&](Value a, Value b) { return n.add(a, b); }).succeeded()
             ? n.setResult(n.div(n.results[0].tensor, n.splat(n.results[0].tensor, count)))
             : failure();
}

static LogicalResult importNot(NodeContext &n) {
  if (!isBool(n.in(0)))
    return n.error() << "expects booleans, found " << n.in(0).getType();
  return n.setResult(arith::XOrIOp::create(n.b, n.loc, n.in(0), n.splatInt(typeOf(n.in(0)), 1)));
}

void bigmac::onnx::registerOpsHToN(OpTable &table) {
  table.add("HardSigmoid", 6, 1, 1, [](NodeContext &n) {
    double alpha = n.attrFloat("alpha", 0.2f), beta = n.attrFloat("beta", 0.5f);
    return importFloatUnary(n, [&](Value x) { return hardSigmoid(n, x, alpha, beta); });
  });
  table.add("HardSwish", 14, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) { return n.mul(x, hardSigmoid(n, x, 1.0 / 6.0, 0.5)); });
  });
  table.add("Identity", 13, 1, 1, [](NodeContext &n) {
    n.results[0] = n.input(0);
    return success();
  });
  table.add("InstanceNormalization", 6, 3, 3, importInstanceNormalization);
  table.add("IsInf", 10, 1, 1, importIsInf);
  table.add("IsNaN", 9, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n, [&](Value x) -> Value {
      return arith::CmpFOp::create(n.b, n.loc, arith::CmpFPredicate::UNO, x, x);
    });
  });
  table.add("LayerNormalization", 17, 2, 3, importLayerNormalization);
  table.add("LeakyRelu", 6, 1, 1, [](NodeContext &n) {
    double alpha = n.attrFloat("alpha", 0.01f);
    return importFloatUnary(n, [&](Value x) {
      Value positive = n.compare(NodeContext::Compare::Greater, x, n.splat(x, 0.0));
      return n.select(positive, x, n.mul(x, n.splat(x, alpha)));
    });
  });
  table.add("Less", 9, 2, 2,
            [](NodeContext &n) { return importCompare(n, NodeContext::Compare::Less); });
  table.add("LessOrEqual", 12, 2, 2,
            [](NodeContext &n) { return importCompare(n, NodeContext::Compare::LessOrEqual); });
  table.add("Log", 6, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::LogOp::create(n.b, n.loc, x); });
  });
  table.add("LogSoftmax", 13, 1, 1, [](NodeContext &n) { return importSoftmax(n, true); });
  table.add(kMaskedScatter, 11, 3, 3, importMaskedScatter);
  table.add("MatMul", 9, 2, 2, importMatMul);
  table.add("Max", 12, 1, kAnyNumber, [](NodeContext &n) { return importExtremum(n, true); });
  table.add("Mean", 8, 1, kAnyNumber, importMean);
  table.add("Min", 12, 1, kAnyNumber, [](NodeContext &n) { return importExtremum(n, false); });
  table.add("Mish", 18, 1, 1, [](NodeContext &n) {
    return importFloatUnary(
        n, [&](Value x) { return n.mul(x, math::TanhOp::create(n.b, n.loc, softplus(n, x))); });
  });
  table.add("Mod", 10, 2, 2, importMod);
  table.add("Mul", 13, 2, 2, [](NodeContext &n) {
    return importBinary(n, [&](Value a, Value b) { return n.mul(a, b); });
  });
  table.add("Neg", 6, 1, 1, [](NodeContext &n) -> LogicalResult {
    if (isBool(n.in(0)))
      return n.error() << "expects numbers, found booleans";
    return n.setResult(n.neg(n.in(0)));
  });
  table.add("NegativeLogLikelihoodLoss", 12, 2, 3, importNegativeLogLikelihoodLoss);
  table.add("Not", 1, 1, 1, importNot);
}
