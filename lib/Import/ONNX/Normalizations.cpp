//===- Normalizations.cpp - Norms and softmax ------------------------------===//

#include "OpImporters.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

/// Whether every element of `value` is the constant `expected`.
static bool isUniform(Value value, double expected) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat())
    return false;
  return elements.getSplatValue<APFloat>().isExactlyValue(expected);
}

namespace {

/// The input of a norm over dimensions from `first` on as rows [..., width].
struct Rows {
  Value input;
  ArrayRef<int64_t> shape; ///< of the norm's input
  int64_t first = 0, width = 1;

  ArrayRef<int64_t> normalized() const { return shape.drop_front(first); }
};

/// A scale or bias of a norm: a vector for the norm op itself, or a tensor to apply after it.
struct Affine {
  Value vector, tensor;
};

} // namespace

static FailureOr<Rows> makeRows(NodeContext &n) {
  Value input = n.in(0);
  if (!isFloat(input))
    return n.error() << "expects a floating-point tensor, found " << input.getType();
  FailureOr<int64_t> first = n.axis(n.attrInt("axis", -1), typeOf(input).getRank());
  if (failed(first))
    return failure();
  Rows rows{input, shapeOf(input), *first, 1};
  for (int64_t size : rows.normalized())
    rows.width *= size;
  if (rows.width == 0)
    return n.error() << "normalizes no elements of " << input.getType();
  Shape shape(rows.shape.take_front(*first));
  shape.push_back(rows.width);
  rows.input = n.reshape(input, shape);
  return rows;
}

static FailureOr<Affine> makeAffine(NodeContext &n, const Rows &rows, Value value, double neutral) {
  if (!value)
    return Affine{};
  if (typeOf(value).getElementType() != typeOf(rows.input).getElementType())
    return n.error() << "expects scale and bias of its input's type, found " << value.getType();
  FailureOr<Shape> common = n.commonShape({n.in(0), value});
  if (failed(common))
    return failure();
  if (ArrayRef<int64_t>(*common) != rows.shape)
    return n.error() << "has a scale or bias " << value.getType() << " larger than its input";
  if (isUniform(value, neutral))
    return Affine{};
  int64_t extra = typeOf(value).getRank() - static_cast<int64_t>(rows.normalized().size());
  bool perRow = extra > 0 && llvm::any_of(shapeOf(value).take_front(extra),
                                          [](int64_t size) { return size != 1; });
  if (perRow)
    return Affine{Value(), value};
  Shape shape(shapeOf(value).drop_front(std::max<int64_t>(extra, 0)));
  Value vector = n.broadcast(n.reshape(value, shape), rows.normalized());
  return Affine{n.reshape(vector, {rows.width}), Value()};
}

LogicalResult bigmac::onnx::importLayerNormalization(NodeContext &n) {
  FailureOr<Rows> rows = makeRows(n);
  if (failed(rows))
    return failure();
  FailureOr<Affine> scale = makeAffine(n, *rows, n.in(1), 1.0);
  FailureOr<Affine> bias = makeAffine(n, *rows, n.optional(2), 0.0);
  if (failed(scale) || failed(bias))
    return failure();
  // A bias after a scale of its own comes after it too.
  if (scale->tensor && bias->vector)
    bias = Affine{Value(), n.in(2)};
  double epsilon = n.attrFloat("epsilon", 1e-5f);
  SmallVector<Value> operands = {rows->input};
  for (Value vector : {scale->vector, bias->vector})
    if (vector)
      operands.push_back(vector);
  FailureOr<nn::LayerNormOp> norm = n.create<nn::LayerNormOp>(operands, [&](auto &properties) {
    properties.epsilon = n.b.getF64FloatAttr(epsilon);
    properties.operandSegmentSizes = {1, scale->vector ? 1 : 0, bias->vector ? 1 : 0};
  });
  if (failed(norm))
    return failure();
  Value result = n.reshape(norm->getResult(), rows->shape);
  if (scale->tensor)
    result = n.mul(result, n.broadcast(scale->tensor, rows->shape));
  if (bias->tensor)
    result = n.add(result, n.broadcast(bias->tensor, rows->shape));
  (void)n.setResult(result);
  // Statistics keep the normalized dimensions as 1, and are float32 unless stash_type says else.
  Shape kept(rows->shape.take_front(rows->first));
  kept.resize(rows->shape.size(), 1);
  auto stash = static_cast<DataType>(n.attrInt("stash_type", 1));
  Type statistics = elementTypeOf(n.b.getContext(), stash);
  for (auto [i, value] : {std::pair(1u, norm->getMean()), std::pair(2u, norm->getRstd())}) {
    if (!n.wantsOutput(i))
      continue;
    if (!isa_and_nonnull<FloatType>(statistics))
      return n.error() << "has stash_type " << nameOf(stash);
    (void)n.setResult(n.reshape(n.cast(value, statistics, false, false), kept), i);
  }
  return success();
}

LogicalResult bigmac::onnx::importRMSNormalization(NodeContext &n) {
  FailureOr<Rows> rows = makeRows(n);
  if (failed(rows))
    return failure();
  FailureOr<Affine> scale = makeAffine(n, *rows, n.in(1), 1.0);
  if (failed(scale))
    return failure();
  double epsilon = n.attrFloat("epsilon", 1e-5f);
  SmallVector<Value> operands = {rows->input};
  if (scale->vector)
    operands.push_back(scale->vector);
  FailureOr<nn::RMSNormOp> norm = n.create<nn::RMSNormOp>(
      operands, [&](auto &properties) { properties.epsilon = n.b.getF64FloatAttr(epsilon); });
  if (failed(norm))
    return failure();
  Value result = n.reshape(norm->getResult(), rows->shape);
  if (scale->tensor)
    result = n.mul(result, n.broadcast(scale->tensor, rows->shape));
  return n.setResult(result);
}

/// Normalizes `groups` groups of channels of [batch, channels, spatial...], then applies scale and
/// bias, of one value a channel or (GroupNormalization before opset 21) a group.
static LogicalResult normalizeGroups(NodeContext &n, int64_t groups, bool affinePerGroup) {
  Value input = n.in(0), scale = n.in(1), bias = n.in(2);
  ArrayRef<int64_t> shape = shapeOf(input);
  if (!isFloat(input) || shape.size() < 2)
    return n.error() << "expects a floating-point tensor of rank 2 or more, found "
                     << input.getType();
  if (groups < 1 || shape[1] % groups || typeOf(input).getNumElements() == 0)
    return n.error() << "cannot make " << groups << " groups of the channels of "
                     << input.getType();
  int64_t affineSize = affinePerGroup ? groups : shape[1];
  for (Value vector : {scale, bias})
    if (shapeOf(vector) != ArrayRef<int64_t>{affineSize} ||
        typeOf(vector).getElementType() != typeOf(input).getElementType())
      return n.error() << "expects scale and bias of " << affineSize << " elements, found "
                       << vector.getType();
  int64_t width = typeOf(input).getNumElements() / (shape[0] * groups);
  double epsilon = n.attrFloat("epsilon", 1e-5f);
  FailureOr<nn::LayerNormOp> norm = n.create<nn::LayerNormOp>(
      {n.reshape(input, {shape[0], groups, width})}, [&](auto &properties) {
        properties.epsilon = n.b.getF64FloatAttr(epsilon);
        properties.operandSegmentSizes = {1, 0, 0};
      });
  if (failed(norm))
    return failure();
  Value result = n.reshape(norm->getResult(), shape);
  Shape unit(shape.size() - 1, 1);
  unit[0] = shape[1];
  auto spread = [&](Value vector) {
    if (affinePerGroup && groups != shape[1])
      vector = n.reshape(n.broadcast(n.reshape(vector, {groups, 1}), {groups, shape[1] / groups}),
                         {shape[1]});
    return n.broadcast(n.reshape(vector, unit), shape);
  };
  if (!isUniform(scale, 1.0))
    result = n.mul(result, spread(scale));
  if (!isUniform(bias, 0.0))
    result = n.add(result, spread(bias));
  return n.setResult(result);
}

LogicalResult bigmac::onnx::importGroupNormalization(NodeContext &n) {
  return normalizeGroups(n, n.attrInt("num_groups", 0), n.node.opset < 21);
}

LogicalResult bigmac::onnx::importInstanceNormalization(NodeContext &n) {
  if (typeOf(n.in(0)).getRank() < 2)
    return n.error() << "expects a tensor of rank 2 or more, found " << n.in(0).getType();
  return normalizeGroups(n, shapeOf(n.in(0))[1], false);
}

/// With the statistics of training, (x - mean) / sqrt(variance + epsilon) * scale + bias.
LogicalResult bigmac::onnx::importBatchNormalization(NodeContext &n) {
  Value input = n.in(0);
  if (n.attrInt("training_mode", 0) != 0)
    return n.error() << "computes statistics of the batch, which is not supported: export the "
                        "module in evaluation mode";
  ArrayRef<int64_t> shape = shapeOf(input);
  if (!isFloat(input) || shape.size() < 2)
    return n.error() << "expects a floating-point tensor of rank 2 or more, found "
                     << input.getType();
  Shape unit(shape.size() - 1, 1);
  unit[0] = shape[1];
  SmallVector<Value> vectors;
  for (unsigned i = 1; i < 5; ++i) {
    Value vector = n.cast(n.in(i), typeOf(input).getElementType(), false, false);
    if (!isFloat(n.in(i)) || shapeOf(vector) != ArrayRef<int64_t>{shape[1]})
      return n.error() << "expects vectors of " << shape[1] << " elements, found "
                       << n.in(i).getType();
    vectors.push_back(n.reshape(vector, unit));
  }
  Value variance = vectors[3];
  Value deviation = math::SqrtOp::create(
      n.b, n.loc, n.add(variance, n.splat(variance, n.attrFloat("epsilon", 1e-5f))));
  auto spread = [&](Value vector) { return n.broadcast(vector, shape); };
  Value normalized = n.div(n.sub(input, spread(vectors[2])), spread(deviation));
  return n.setResult(n.add(n.mul(normalized, spread(vectors[0])), spread(vectors[1])));
}

LogicalResult bigmac::onnx::importSoftmax(NodeContext &n, bool logarithm) {
  Value input = n.in(0);
  int64_t rank = typeOf(input).getRank();
  FailureOr<int64_t> dim = n.axis(n.attrInt("axis", -1), rank);
  if (failed(dim))
    return failure();
  if (!isFloat(input))
    return n.error() << "expects a floating-point tensor, found " << input.getType();
  Value last = n.swapDims(input, *dim, rank - 1);
  Value result = logarithm ? Value(nn::LogSoftmaxOp::create(n.b, n.loc, last))
                           : Value(nn::SoftmaxOp::create(n.b, n.loc, last));
  return n.setResult(n.swapDims(result, *dim, rank - 1));
}
