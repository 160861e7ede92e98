//===- Constants.cpp - Constants and what makes them -----------------------===//

#include "OpImporters.h"

#include "llvm/ADT/APSInt.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

DenseElementsAttr bigmac::onnx::makeElements(RankedTensorType type, ArrayRef<char> bytes) {
  Type element = type.getElementType();
  if (element.isInteger(1)) {
    SmallVector<bool> values = llvm::map_to_vector(bytes, [](char byte) { return byte != 0; });
    return DenseElementsAttr::get(type, values);
  }
  size_t width = type.getElementTypeBitWidth() / 8;
  // All elements equal the one before: the bytes equal themselves one element later.
  if (bytes.size() > width &&
      std::memcmp(bytes.data(), bytes.data() + width, bytes.size() - width) == 0)
    bytes = bytes.take_front(width);
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

LogicalResult bigmac::onnx::importConstant(NodeContext &n) {
  using Kind = NodeAttribute::Kind;
  if (n.node.attributes.size() != 1)
    return n.error() << "expects one attribute, its value";
  const NodeAttribute &value = n.node.attributes.front();
  auto floats = [&](ArrayRef<float> values, ArrayRef<int64_t> shape) {
    return n.setResult(n.constantOf(
        DenseElementsAttr::get(RankedTensorType::get(shape, n.b.getF32Type()), values)));
  };
  if (value.name == "value_float" && value.kind == Kind::Float)
    return floats({value.f}, {});
  if (value.name == "value_floats" && value.kind == Kind::Floats)
    return floats(value.floats, {static_cast<int64_t>(value.floats.size())});
  if (value.name == "value_int" && value.kind == Kind::Int)
    return n.setResult(n.constantInts({}, {value.i}));
  if (value.name == "value_ints" && value.kind == Kind::Ints)
    return n.setResult(n.constantInts({static_cast<int64_t>(value.ints.size())}, value.ints));
  // A tensor is taken by the importer itself: it may be a range of the file.
  return n.error() << "has a value of a kind that is not supported ('" << value.name << "')";
}

LogicalResult bigmac::onnx::importConstantOfShape(NodeContext &n) {
  FailureOr<SmallVector<int64_t>> shape = n.ints(0, "shape");
  if (failed(shape))
    return failure();
  if (!isSaneShape(*shape))
    return n.error() << "has a shape with a negative dimension or too many elements";
  const NodeAttribute *value = n.attribute("value");
  if (!value) {
    auto type = RankedTensorType::get(*shape, n.b.getF32Type());
    return n.setResult(n.constantOf(DenseElementsAttr::get(type, 0.0f)));
  }
  if (value->kind != NodeAttribute::Kind::Tensor ||
      value->tensor->storage != Tensor::Storage::Inline)
    return n.error() << "expects a tensor of one element as its value";
  const Tensor &tensor = *value->tensor;
  Type element = elementTypeOf(n.b.getContext(), tensor.type);
  if (!element || tensor.bytes.size() != byteWidth(tensor.type))
    return n.error() << "expects one number as its value, found " << tensor.bytes.size()
                     << " bytes of " << nameOf(tensor.type);
  n.results[0].isUnsigned = isUnsigned(tensor.type);
  auto one = makeElements(RankedTensorType::get({1}, element), tensor.bytes);
  return n.setResult(n.constantOf(one.resizeSplat(RankedTensorType::get(*shape, element))));
}

LogicalResult bigmac::onnx::importRange(NodeContext &n) {
  DenseElementsAttr start = n.constant(0), limit = n.constant(1), delta = n.constant(2);
  if (!start || !limit || !delta)
    return n.error() << "needs its start, limit and delta at compile time, but they are computed "
                        "from inputs or parameters";
  for (DenseElementsAttr bound : {start, limit, delta})
    if (bound.getNumElements() != 1 || bound.getElementType() != start.getElementType())
      return n.error() << "expects scalars of one type as its start, limit and delta";
  Type element = start.getElementType();
  auto checkLength = [&](double length) -> LogicalResult {
    if (!(length <= static_cast<double>(kMaxConstantElements)))
      return n.error() << "has a result of too many elements";
    return success();
  };
  if (auto floatType = dyn_cast<FloatType>(element)) {
    auto number = [](DenseElementsAttr bound) {
      APFloat value = *bound.getValues<APFloat>().begin();
      bool losesInfo;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
      return value.convertToDouble();
    };
    double from = number(start), step = number(delta);
    double length = std::ceil((number(limit) - from) / step);
    if (std::isnan(length) || failed(checkLength(length)))
      return std::isnan(length) ? LogicalResult(n.error() << "has a delta of zero") : failure();
    int64_t count = length > 0 ? static_cast<int64_t>(length) : 0;
    SmallVector<APFloat> values;
    for (int64_t i = 0; i < count; ++i) {
      APFloat value(from + static_cast<double>(i) * step);
      bool losesInfo;
      value.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
      values.push_back(value);
    }
    return n.setResult(
        n.constantOf(DenseElementsAttr::get(RankedTensorType::get({count}, element), values)));
  }
  auto number = [](DenseElementsAttr bound) {
    return (*bound.getValues<APInt>().begin()).getSExtValue();
  };
  int64_t from = number(start), to = number(limit), step = number(delta);
  if (step == 0)
    return n.error() << "has a delta of zero";
  // In double: the difference of two 64-bit integers may not fit into one.
  double length =
      std::ceil((static_cast<double>(to) - static_cast<double>(from)) / static_cast<double>(step));
  if (failed(checkLength(length)))
    return failure();
  int64_t count = length > 0 ? static_cast<int64_t>(length) : 0;
  unsigned width = element.getIntOrFloatBitWidth();
  SmallVector<APInt> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(APInt(
        width, static_cast<uint64_t>(from) + static_cast<uint64_t>(i) * static_cast<uint64_t>(step),
        /*isSigned=*/false, /*implicitTrunc=*/true));
  return n.setResult(
      n.constantOf(DenseElementsAttr::get(RankedTensorType::get({count}, element), values)));
}

/// The depth of OneHot, which may be a float.
static FailureOr<int64_t> depthOf(NodeContext &n) {
  DenseElementsAttr elements = n.constant(1);
  if (!elements || !isa<FloatType>(elements.getElementType()) || elements.getNumElements() != 1)
    return n.integer(1, "depth");
  APFloat value = *elements.getValues<APFloat>().begin();
  APSInt depth(64, /*isUnsigned=*/false);
  bool exact;
  if (value.convertToInteger(depth, APFloat::rmTowardZero, &exact) != APFloat::opOK)
    return n.error() << "has a depth that is no integer";
  return depth.getSExtValue();
}

LogicalResult bigmac::onnx::importEyeLike(NodeContext &n) {
  ArrayRef<int64_t> shape = shapeOf(n.in(0));
  if (shape.size() != 2 || shape[0] * shape[1] > kMaxConstantElements)
    return n.error() << "expects a matrix, found " << n.in(0).getType();
  Type element = typeOf(n.in(0)).getElementType();
  if (n.attribute("dtype")) {
    auto type = static_cast<DataType>(n.attrInt("dtype", 0));
    element = elementTypeOf(n.b.getContext(), type);
    if (!element)
      return n.error() << "makes elements of " << nameOf(type) << ", which is not supported";
  }
  int64_t diagonal = n.attrInt("k", 0);
  SmallVector<bool> ones;
  for (int64_t i = 0; i < shape[0]; ++i)
    for (int64_t j = 0; j < shape[1]; ++j)
      ones.push_back(j - i == diagonal);
  return n.setResult(n.cast(n.constantBools(shape, ones), element, true, false));
}

LogicalResult bigmac::onnx::importOneHot(NodeContext &n) {
  Value indices = n.in(0), values = n.in(2);
  FailureOr<int64_t> depth = depthOf(n);
  if (failed(depth))
    return failure();
  if (*depth < 0)
    return n.error() << "has a depth of " << *depth;
  if (isFloat(indices) || isBool(indices))
    return n.error() << "expects integers as its indices, found " << indices.getType();
  if (typeOf(values).getShape() != ArrayRef<int64_t>{2})
    return n.error() << "expects the values for off and on, found " << values.getType();
  int64_t rank = typeOf(indices).getRank();
  FailureOr<int64_t> axis = n.axis(n.attrInt("axis", -1), rank + 1);
  if (failed(axis))
    return failure();
  Shape unit(shapeOf(indices)), shape(shapeOf(indices));
  unit.insert(unit.begin() + *axis, 1);
  shape.insert(shape.begin() + *axis, *depth);
  if (!isSaneShape(shape) || *depth > kMaxConstantElements)
    return n.error() << "has a result of too many elements";
  Value wide = n.cast(indices, n.b.getI64Type(), n.isUnsignedInput(0), false);
  Value size = n.splatInt(typeOf(wide), *depth);
  // A negative index counts from the end.
  Value negative = n.compare(NodeContext::Compare::Less, wide, n.splat(wide, 0));
  wide = n.select(negative, n.add(wide, size), wide);
  Value picked = n.broadcast(n.reshape(wide, unit), shape);
  Shape iotaShape(shape.size(), 1);
  iotaShape[*axis] = *depth;
  Value iota = n.constantInts(iotaShape, llvm::to_vector(llvm::seq<int64_t>(0, *depth)));
  Value hot = n.compare(NodeContext::Compare::Equal, picked, n.broadcast(iota, shape));
  auto value = [&](int64_t i) {
    return n.broadcast(n.reshape(n.sliceDim(values, 0, i, 1), {}), shape);
  };
  return n.setResult(n.select(hot, value(1), value(0)));
}
