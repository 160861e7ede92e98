//===- TensorRules.cpp - Rules of the tensor dialect -----------------------===//

#include "Rules.h"
#include "Strided.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

#include <limits>

using namespace mlir;

namespace bigmac::interpreter {
namespace {

LogicalResult reshape(RuleContext &context) {
  context.results.push_back(context.operands[0].reshaped(context.resultShape()));
  return success();
}

/// The values of offsets, sizes, strides or pads, each an attribute or an index operand.
SmallVector<int64_t> valuesOf(RuleContext &context, ArrayRef<OpFoldResult> mixed) {
  SmallVector<int64_t> values;
  for (OpFoldResult entry : mixed) {
    if (auto attribute = dyn_cast<Attribute>(entry))
      values.push_back(cast<IntegerAttr>(attribute).getInt());
    else
      values.push_back(context[cast<Value>(entry)].intAt(0));
  }
  return values;
}

/// Where a slice of a tensor of shape `whole` lies.
struct Slice {
  SmallVector<int64_t> sizes;
  SmallVector<int64_t> steps;
  int64_t start = 0;
};

template <typename OpTy>
FailureOr<Slice> sliceOf(RuleContext &context, OpTy op, ArrayRef<int64_t> whole) {
  SmallVector<int64_t> offsets = valuesOf(context, op.getMixedOffsets());
  SmallVector<int64_t> strides = valuesOf(context, op.getMixedStrides());
  Slice slice;
  slice.sizes = valuesOf(context, op.getMixedSizes());
  SmallVector<int64_t> wholeStrides = rowMajorStrides(whole);
  for (size_t i = 0; i < whole.size(); ++i) {
    int64_t size = slice.sizes[i];
    auto inside = [&](int64_t index) { return index >= 0 && index < whole[i]; };
    // Sizes are bounded by the dimension, so the last index does not overflow.
    bool fits = size >= 0 && size <= whole[i] && offsets[i] >= 0 && offsets[i] <= whole[i] &&
                std::abs(strides[i]) <= whole[i] + 1 &&
                (size == 0 || (inside(offsets[i]) && inside(offsets[i] + (size - 1) * strides[i])));
    if (!fits)
      return op.emitOpError("takes ")
             << size << " elements from " << offsets[i] << " with stride " << strides[i]
             << " in dimension " << i << ", which has " << whole[i];
    slice.start += offsets[i] * wholeStrides[i];
    slice.steps.push_back(strides[i] * wholeStrides[i]);
  }
  return slice;
}

LogicalResult extractSlice(RuleContext &context) {
  auto op = cast<tensor::ExtractSliceOp>(context.op);
  const Tensor &source = context[op.getSource()];
  FailureOr<Slice> slice = sliceOf(context, op, source.shape());
  if (failed(slice))
    return failure();
  context.results.push_back(gatherStrided(source, slice->sizes, slice->start, slice->steps)
                                .reshaped(context.resultShape()));
  return success();
}

LogicalResult insertSlice(RuleContext &context) {
  auto op = cast<tensor::InsertSliceOp>(context.op);
  Tensor result = context[op.getDest()];
  FailureOr<Slice> slice = sliceOf(context, op, result.shape());
  if (failed(slice))
    return failure();
  scatterStrided(result, context[op.getSource()], slice->sizes, slice->start, slice->steps);
  context.results.push_back(std::move(result));
  return success();
}

LogicalResult concat(RuleContext &context) {
  auto op = cast<tensor::ConcatOp>(context.op);
  Tensor result = context.newResult();
  SmallVector<int64_t> strides = rowMajorStrides(result.shape());
  int64_t start = 0;
  for (const Tensor &operand : context.operands) {
    scatterStrided(result, operand, operand.shape(), start, strides);
    start += operand.dim(op.getDim()) * strides[op.getDim()];
  }
  context.results.push_back(std::move(result));
  return success();
}

/// Elements nobody has written: NaN (integers: the lowest), so that reading one is seen.
LogicalResult empty(RuleContext &context) {
  Type type = context.resultElementType();
  if (isa<FloatType>(type))
    context.results.push_back(
        Tensor::splat(context.resultShape(), type, std::numeric_limits<double>::quiet_NaN()));
  else
    context.results.push_back(Tensor::splatInt(
        context.resultShape(), type,
        wrapToIntegerType(std::numeric_limits<int64_t>::min() >> (64 - integerWidth(type)), type)));
  return success();
}

LogicalResult pad(RuleContext &context) {
  auto op = cast<tensor::PadOp>(context.op);
  Value padding = op.getConstantPaddingValue();
  Attribute attribute;
  if (!padding || !matchPattern(padding, m_Constant(&attribute)))
    return op.emitOpError("pads with a value that is no constant; the interpreter has a rule for "
                          "constant padding only");
  FailureOr<Tensor> value = Tensor::fromAttribute(attribute);
  if (failed(value))
    return op.emitOpError("pads with a value that the interpreter cannot read");
  const Tensor &source = context[op.getSource()];
  SmallVector<int64_t> low = valuesOf(context, op.getMixedLowPad());
  SmallVector<int64_t> high = valuesOf(context, op.getMixedHighPad());
  ArrayRef<int64_t> shape = context.resultShape();
  SmallVector<int64_t> strides = rowMajorStrides(shape);
  int64_t start = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (low[i] < 0 || high[i] < 0 || low[i] + source.dim(i) + high[i] != shape[i])
      return op.emitOpError("pads dimension ")
             << i << " by " << low[i] << " and " << high[i] << ", which does not give " << shape[i];
    start += low[i] * strides[i];
  }
  Tensor result = source.isFloat() ? Tensor::splat(shape, source.elementType(), value->at(0))
                                   : Tensor::splatInt(shape, source.elementType(), value->intAt(0));
  scatterStrided(result, source, source.shape(), start, strides);
  context.results.push_back(std::move(result));
  return success();
}

LogicalResult splat(RuleContext &context) {
  context.results.push_back(broadcastTo(context.operands[0], context.resultShape()));
  return success();
}

LogicalResult fromElements(RuleContext &context) {
  Tensor result = context.newResult();
  for (auto [i, operand] : llvm::enumerate(context.operands)) {
    if (result.isFloat())
      result.mutableFloats()[i] = operand.at(0);
    else
      result.mutableInts()[i] = operand.intAt(0);
  }
  context.results.push_back(std::move(result));
  return success();
}

LogicalResult extract(RuleContext &context) {
  auto op = cast<tensor::ExtractOp>(context.op);
  const Tensor &source = context.operands[0];
  int64_t offset = 0;
  for (auto [i, stride] : llvm::enumerate(rowMajorStrides(source.shape()))) {
    int64_t index = context.operands[i + 1].intAt(0);
    if (index < 0 || index >= source.dim(i))
      return op.emitOpError("reads index ")
             << index << " of dimension " << i << ", which has " << source.dim(i);
    offset += index * stride;
  }
  context.results.push_back(gatherStrided(source, {}, offset, {}));
  return success();
}

} // namespace

void addTensorRules(RuleRegistry &registry) {
  registry.add<tensor::CollapseShapeOp>(reshape);
  registry.add<tensor::ExpandShapeOp>(reshape);
  registry.add<tensor::CastOp>(reshape);
  registry.add<tensor::ExtractSliceOp>(extractSlice);
  registry.add<tensor::InsertSliceOp>(insertSlice);
  registry.add<tensor::ConcatOp>(concat);
  registry.add<tensor::EmptyOp>(empty);
  registry.add<tensor::PadOp>(pad);
  registry.add<tensor::SplatOp>(splat);
  registry.add<tensor::FromElementsOp>(fromElements);
  registry.add<tensor::ExtractOp>(extract);
}

} // namespace bigmac::interpreter
