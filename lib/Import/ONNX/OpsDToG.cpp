//===- OpsDToG.cpp - Importers of ONNX ops, D to G -------------------------===//

#include "OpImporters.h"
#include "OpTable.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

/// Between [n, c * block^2, h, w] and [n, c, h * block, w * block].
static LogicalResult importDepthSpace(NodeContext &n, bool toSpace) {
  Value input = n.in(0);
  int64_t block = n.attrInt("blocksize", 0);
  bool columnRowDepth = n.attrString("mode", "DCR") == "CRD";
  ArrayRef<int64_t> shape = shapeOf(input);
  if (shape.size() != 4 || block < 1 || block > (1 << 16))
    return n.error() << "expects a tensor of rank 4 and a block size, found " << input.getType()
                     << " and " << block;
  if (toSpace) {
    int64_t channels = shape[1] / (block * block);
    if (channels * block * block != shape[1])
      return n.error() << "cannot make blocks of " << block << " of " << input.getType();
    Shape result = {shape[0], channels, shape[2] * block, shape[3] * block};
    if (columnRowDepth) {
      Value parts = n.reshape(input, {shape[0], channels, block, block, shape[2], shape[3]});
      return n.setResult(n.reshape(n.transpose(parts, {0, 1, 4, 2, 5, 3}), result));
    }
    Value parts = n.reshape(input, {shape[0], block, block, channels, shape[2], shape[3]});
    return n.setResult(n.reshape(n.transpose(parts, {0, 3, 4, 1, 5, 2}), result));
  }
  if (shape[2] % block || shape[3] % block)
    return n.error() << "cannot make blocks of " << block << " of " << input.getType();
  int64_t rows = shape[2] / block, columns = shape[3] / block;
  Value parts = n.reshape(input, {shape[0], shape[1], rows, block, columns, block});
  Value blocks = columnRowDepth ? n.transpose(parts, {0, 1, 3, 5, 2, 4})
                                : n.transpose(parts, {0, 3, 5, 1, 2, 4});
  return n.setResult(n.reshape(blocks, {shape[0], shape[1] * block * block, rows, columns}));
}

LogicalResult bigmac::onnx::importSpaceToDepth(NodeContext &n) {
  return importDepthSpace(n, false);
}

/// Only one that does nothing gets here: an active one is refused beforehand, see findRandomness.
static LogicalResult importDropout(NodeContext &n) {
  if (n.wantsOutput(1)) {
    auto type = RankedTensorType::get(shapeOf(n.in(0)), n.b.getI1Type());
    (void)n.setResult(n.splatInt(type, 1), 1);
  }
  auto isZero = [&](unsigned i) {
    DenseElementsAttr elements = n.constant(i);
    if (!elements || elements.getNumElements() != 1)
      return false;
    if (isa<FloatType>(elements.getElementType()))
      return (*elements.getValues<APFloat>().begin()).isZero();
    return (*elements.getValues<APInt>().begin()).isZero();
  };
  // Inference by default; an active one with a ratio of 0 keeps everything.
  if (!n.has(2) || isZero(2) || (n.has(1) && isZero(1)))
    return n.setResult(n.in(0));
  return n.error() << "is an active dropout: set its probability to 0 before the export, random "
                      "numbers must be inputs of the graph";
}

Value bigmac::onnx::expLinear(NodeContext &n, Value x, double inner, double outer, double slope) {
  Value zero = n.splat(x, 0.0);
  Value positive = n.compare(NodeContext::Compare::Greater, x, zero);
  // exp of the non-positive part only: the other branch must not overflow into its gradient.
  Value low = n.select(positive, zero, x);
  Value curve = math::ExpM1Op::create(n.b, n.loc, n.mul(low, n.splat(x, inner)));
  return n.select(positive, n.mul(x, n.splat(x, slope)), n.mul(curve, n.splat(x, outer)));
}

static LogicalResult importElu(NodeContext &n) {
  double alpha = n.attrFloat("alpha", 1.0);
  return importFloatUnary(n, [&](Value x) { return expLinear(n, x, 1.0, alpha, 1.0); });
}

static LogicalResult importGelu(NodeContext &n) {
  std::string approximate = n.attrString("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return n.error() << "has unknown approximation '" << approximate << "'";
  return importFloatUnary(n, [&](Value x) -> Value {
    return nn::GeluOp::create(n.b, n.loc, x, approximate == "tanh");
  });
}

static LogicalResult importFlatten(NodeContext &n) {
  Value input = n.in(0);
  int64_t rank = typeOf(input).getRank(), axis = n.attrInt("axis", 1);
  if (axis < -rank || axis > rank)
    return n.error() << "has axis " << axis << ", but its tensor has rank " << rank;
  axis = axis < 0 ? axis + rank : axis;
  int64_t rows = 1, columns = 1;
  for (auto [i, size] : llvm::enumerate(shapeOf(input)))
    (static_cast<int64_t>(i) < axis ? rows : columns) *= size;
  return n.setResult(n.reshape(input, {rows, columns}));
}

static LogicalResult importDiv(NodeContext &n) {
  bool isUnsigned = n.isUnsignedInput(0);
  return importBinary(n, [&](Value a, Value b) -> Value {
    if (isUnsigned)
      return arith::DivUIOp::create(n.b, n.loc, a, b);
    return n.div(a, b);
  });
}

void bigmac::onnx::registerOpsDToG(OpTable &table) {
  table.add("DepthToSpace", 11, 1, 1, [](NodeContext &n) { return importDepthSpace(n, true); });
  table.add("Div", 13, 2, 2, importDiv);
  table.add("Dropout", 12, 1, 3, importDropout);
  table.add("Einsum", 12, 1, kAnyNumber, importEinsum);
  table.add("Elu", 6, 1, 1, importElu);
  table.add("Equal", 11, 2, 2,
            [](NodeContext &n) { return importCompare(n, NodeContext::Compare::Equal); });
  table.add("Erf", 9, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::ErfOp::create(n.b, n.loc, x); });
  });
  table.add("Exp", 6, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::ExpOp::create(n.b, n.loc, x); });
  });
  table.add("Expand", 8, 2, 2, importExpand);
  table.add("EyeLike", 9, 1, 1, importEyeLike);
  table.add("Flatten", 11, 1, 1, importFlatten);
  table.add("Floor", 6, 1, 1, [](NodeContext &n) {
    return importFloatUnary(n,
                            [&](Value x) -> Value { return math::FloorOp::create(n.b, n.loc, x); });
  });
  table.add("Gather", 11, 2, 2, importGather);
  table.add("GatherElements", 11, 2, 2, importGatherElements);
  table.add("GatherND", 12, 2, 2, importGatherND);
  table.add("Gelu", 20, 1, 1, importGelu);
  table.add("Gemm", 11, 2, 3, importGemm);
  table.add("GlobalAveragePool", 1, 1, 1, importGlobalAveragePool);
  table.add("Greater", 9, 2, 2,
            [](NodeContext &n) { return importCompare(n, NodeContext::Compare::Greater); });
  table.add("GreaterOrEqual", 12, 2, 2,
            [](NodeContext &n) { return importCompare(n, NodeContext::Compare::GreaterOrEqual); });
  table.add("GroupNormalization", 18, 3, 3, importGroupNormalization);
}
