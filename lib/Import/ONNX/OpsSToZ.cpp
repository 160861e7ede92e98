//===- OpsSToZ.cpp - Importers of ONNX ops, S to Z -------------------------===//

#include "OpImporters.h"
#include "OpTable.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

static LogicalResult importShape(NodeContext &n) {
  ArrayRef<int64_t> shape = shapeOf(n.in(0));
  int64_t rank = static_cast<int64_t>(shape.size());
  auto clamp = [&](int64_t position) {
    return std::clamp<int64_t>(position < 0 ? position + rank : position, 0, rank);
  };
  int64_t start = clamp(n.attrInt("start", 0)), end = clamp(n.attrInt("end", rank));
  shape = shape.slice(start, std::max<int64_t>(0, end - start));
  return n.setResult(n.constantInts({static_cast<int64_t>(shape.size())}, shape));
}

static LogicalResult importSign(NodeContext &n) {
  Value x = n.in(0);
  if (isBool(x))
    return n.error() << "expects numbers, found booleans";
  Value zero = n.splat(x, 0), one = n.splat(x, 1);
  Value positive = n.isUnsignedInput(0) ? n.compare(NodeContext::Compare::Greater, x, zero, true)
                                        : n.compare(NodeContext::Compare::Greater, x, zero);
  Value rest = x; // zero or NaN
  if (!n.isUnsignedInput(0))
    rest = n.select(n.compare(NodeContext::Compare::Less, x, zero), n.splat(x, -1), x);
  return n.setResult(n.select(positive, one, rest));
}

static Value swish(NodeContext &n, Value x) {
  double alpha = n.attrFloat("alpha", 1.0);
  if (alpha == 1.0)
    return nn::SiluOp::create(n.b, n.loc, x);
  return n.mul(x, n.sigmoid(n.mul(x, n.splat(x, alpha))));
}

static LogicalResult importSwiGLU(NodeContext &n) {
  if (!isFloat(n.in(0)) || n.in(0).getType() != n.in(1).getType())
    return n.error() << "expects two floating-point tensors of one type, found "
                     << n.in(0).getType() << " and " << n.in(1).getType();
  return n.setResult(n.mul(swish(n, n.in(0)), n.in(1)));
}

static LogicalResult importTranspose(NodeContext &n) {
  int64_t rank = typeOf(n.in(0)).getRank();
  SmallVector<int64_t> permutation;
  if (auto given = n.attrInts("perm"))
    permutation = *given;
  else
    permutation = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  FailureOr<nn::TransposeOp> op = n.create<nn::TransposeOp>({n.in(0)}, [&](auto &properties) {
    properties.permutation = n.b.getDenseI64ArrayAttr(permutation);
  });
  if (failed(op))
    return failure();
  return n.setResult(op->getResult());
}

static LogicalResult importWhere(NodeContext &n) {
  SmallVector<Value> values = {n.in(0), n.in(1), n.in(2)};
  if (!isBool(values[0]) ||
      typeOf(values[1]).getElementType() != typeOf(values[2]).getElementType())
    return n.error() << "expects booleans and two tensors of one element type, found "
                     << values[0].getType() << ", " << values[1].getType() << " and "
                     << values[2].getType();
  if (failed(n.unify(values)))
    return failure();
  return n.setResult(n.select(values[0], values[1], values[2]));
}

void bigmac::onnx::registerOpsSToZ(OpTable &table) {
  table.add("ScatterElements", 11, 3, 3, importScatterElements);
  table.add("ScatterND", 11, 3, 3, importScatterND);
  table.add("Selu", 6, 1, 1, [](NodeContext &n) {
    double alpha = n.attrFloat("alpha", 1.67326319217681884765625);
    double gamma = n.attrFloat("gamma", 1.05070102214813232421875);
    return importFloatUnary(n, [&](Value x) { return expLinear(n, x, 1.0, alpha * gamma, gamma); });
  });
  table.add("SequenceAt", 11, 2, 2, importSequenceAt);
  table.add("Shape", 13, 1, 1, importShape);
  table.add("Sigmoid", 6, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n, [&](Value x) { return n.sigmoid(x); });
  });
  table.add("Sign", 9, 1, 1, importSign);
  table.add("Sin", 7, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::SinOp::create(n.b, n.loc, x); });
  });
  table.add("Size", 13, 1, 1, [](NodeContext &n) {
    return n.setResult(n.constantInts({}, {typeOf(n.in(0)).getNumElements()}));
  });
  table.add("Slice", 13, 3, 5, importSlice);
  table.add("Softmax", 13, 1, 1, [](NodeContext &n) { return importSoftmax(n, false); });
  table.add("SoftmaxCrossEntropyLoss", 12, 2, 3, importSoftmaxCrossEntropyLoss);
  table.add("Softplus", 1, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n, [&](Value x) { return softplus(n, x); });
  });
  table.add("Softsign", 1, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n, [&](Value x) {
      Value magnitude = math::AbsFOp::create(n.b, n.loc, x);
      return n.div(x, n.add(magnitude, n.splat(x, 1.0)));
    });
  });
  table.add("SpaceToDepth", 13, 1, 1, importSpaceToDepth);
  table.add("Split", 13, 1, 2, importSplit);
  table.add("SplitToSequence", 11, 1, 2, importSplitToSequence);
  table.add("Sqrt", 6, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::SqrtOp::create(n.b, n.loc, x); });
  });
  table.add("Squeeze", 13, 1, 2, importSqueeze);
  table.add("Sub", 13, 2, 2, [](NodeContext &n) {
    return importBinary(n, [&](Value a, Value b) { return n.sub(a, b); });
  });
  table.add("Sum", 8, 1, kAnyNumber, [](NodeContext &n) {
    return importVariadic(n, [&](Value a, Value b) { return n.add(a, b); });
  });
  table.add("SwiGLU", 28, 2, 2, importSwiGLU);
  table.add("Swish", 24, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n, [&](Value x) { return swish(n, x); });
  });
  table.add("Tanh", 6, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::TanhOp::create(n.b, n.loc, x); });
  });
  table.add("Tile", 6, 2, 2, importTile);
  table.add("Transpose", 13, 1, 1, importTranspose);
  table.add("Trilu", 14, 1, 2, importTrilu);
  table.add("Unsqueeze", 13, 2, 2, importUnsqueeze);
  table.add("Where", 9, 3, 3, importWhere);
  table.add("Xor", 7, 2, 2, [](NodeContext &n) {
    auto build = [&](Value a, Value b) -> Value { return arith::XOrIOp::create(n.b, n.loc, a, b); };
    return importLogic(n, build, /*onBits=*/false);
  });
}
