//===- OpsOToR.cpp - Importers of ONNX ops, O to R -------------------------===//

#include "OpImporters.h"
#include "OpTable.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

template <Reduction reduction, int64_t axesSinceOpset>
static LogicalResult importReduce(NodeContext &n) {
  return importReduction(n, reduction, axesSinceOpset);
}

static LogicalResult importPRelu(NodeContext &n) {
  SmallVector<Value> values = {n.in(0), n.in(1)};
  if (!isFloat(values[0]) ||
      typeOf(values[0]).getElementType() != typeOf(values[1]).getElementType())
    return n.error() << "expects floating-point tensors of one element type, found "
                     << values[0].getType() << " and " << values[1].getType();
  if (failed(n.unify(values)))
    return failure();
  Value positive = n.compare(NodeContext::Compare::Greater, values[0], n.splat(values[0], 0.0));
  return n.setResult(n.select(positive, values[0], n.mul(values[0], values[1])));
}

void bigmac::onnx::registerOpsOToR(OpTable &table) {
  table.add("OneHot", 11, 3, 3, importOneHot);
  table.add("Or", 7, 2, 2, [](NodeContext &n) {
    auto build = [&](Value a, Value b) -> Value { return arith::OrIOp::create(n.b, n.loc, a, b); };
    return importLogic(n, build, /*onBits=*/false);
  });
  table.add("PRelu", 9, 2, 2, importPRelu);
  table.add("Pad", 13, 2, 4, importPad);
  table.add("Pow", 13, 2, 2, importPow);
  table.add("RMSNormalization", 23, 2, 2, importRMSNormalization);
  table.add("Range", 11, 3, 3, importRange);
  table.add("Reciprocal", 6, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n, [&](Value x) { return n.div(n.splat(x, 1.0), x); });
  });
  table.add("ReduceL1", 13, 1, 2, importReduce<Reduction::L1, 18>);
  table.add("ReduceL2", 13, 1, 2, importReduce<Reduction::L2, 18>);
  table.add("ReduceLogSum", 13, 1, 2, importReduce<Reduction::LogSum, 18>);
  table.add("ReduceLogSumExp", 13, 1, 2, importReduce<Reduction::LogSumExp, 18>);
  table.add("ReduceMax", 13, 1, 2, importReduce<Reduction::Max, 18>);
  table.add("ReduceMean", 13, 1, 2, importReduce<Reduction::Mean, 18>);
  table.add("ReduceMin", 13, 1, 2, importReduce<Reduction::Min, 18>);
  table.add("ReduceSum", 13, 1, 2, importReduce<Reduction::Sum, 13>);
  table.add("ReduceSumSquare", 13, 1, 2, importReduce<Reduction::SumSquare, 18>);
  // A selection: the gradient at 0 is 0, as in PyTorch, and NaN stays NaN.
  table.add("Relu", 6, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n, [&](Value x) {
      Value zero = n.splat(x, 0.0);
      return n.select(n.compare(NodeContext::Compare::LessOrEqual, x, zero), zero, x);
    });
  });
  table.add("Reshape", 13, 2, 2, importReshape);
  table.add("RotaryEmbedding", 23, 3, 4, importRotaryEmbedding);
  table.add("Round", 11, 1, 1, [](NodeContext &n) {
    return importFloatUnary(
        n, [&](Value x) -> Value { return math::RoundEvenOp::create(n.b, n.loc, x); });
  });
}
