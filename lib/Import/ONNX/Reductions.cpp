//===- Reductions.cpp - Sums, means, extrema -------------------------------===//

#include "OpImporters.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

/// An order-reversing map without overflow: -x for floats, ~x for integers.
static Value reversed(NodeContext &n, Value x) {
  if (isFloat(x))
    return arith::NegFOp::create(n.b, n.loc, x);
  return arith::XOrIOp::create(n.b, n.loc, x, n.splat(x, -1));
}

static Value reduceExtremum(NodeContext &n, Value x, ArrayRef<int64_t> dims, bool maximum) {
  if (maximum)
    return n.reduceMax(x, dims);
  return reversed(n, n.reduceMax(reversed(n, x), dims));
}

/// log(sum(exp(x))), exact for large x: the maximum is taken out of the sum.
static Value logSumExp(NodeContext &n, Value x, ArrayRef<int64_t> dims) {
  Value maximum = n.reduceMax(x, dims);
  Value magnitude = math::AbsFOp::create(n.b, n.loc, maximum);
  Value infinite = n.compare(NodeContext::Compare::Equal, magnitude,
                             n.splat(magnitude, std::numeric_limits<double>::infinity()));
  Value shift = n.select(infinite, n.splat(maximum, 0.0), maximum);
  Shape unit(shapeOf(x));
  for (int64_t dim : dims)
    unit[dim] = 1;
  Value shifted = n.sub(x, n.broadcast(n.reshape(shift, unit), shapeOf(x)));
  Value sum = n.reduceSum(math::ExpOp::create(n.b, n.loc, shifted), dims);
  return n.add(math::LogOp::create(n.b, n.loc, sum), shift);
}

LogicalResult bigmac::onnx::importReduction(NodeContext &n, Reduction reduction,
                                            int64_t axesSinceOpset) {
  Value input = n.in(0);
  int64_t rank = typeOf(input).getRank();
  SmallVector<int64_t> given;
  if (n.node.opset >= axesSinceOpset) {
    if (n.has(1)) {
      FailureOr<SmallVector<int64_t>> axes = n.ints(1, "axes");
      if (failed(axes))
        return failure();
      given = *axes;
    }
  } else if (n.has(1)) {
    return n.error() << "has its axes as an input, which this opset does not define";
  } else {
    given = n.attrInts("axes").value_or(SmallVector<int64_t>());
  }
  FailureOr<SmallVector<int64_t>> dims = n.axes(given, rank);
  if (failed(dims))
    return failure();
  bool noop = dims->empty() && n.attrInt("noop_with_empty_axes", 0) != 0;
  if (dims->empty() && !noop)
    dims = llvm::to_vector(llvm::seq<int64_t>(0, rank));

  bool needsFloat = reduction == Reduction::L2 || reduction == Reduction::LogSum ||
                    reduction == Reduction::LogSumExp;
  bool extremum = reduction == Reduction::Max || reduction == Reduction::Min;
  if ((needsFloat && !isFloat(input)) || (isBool(input) && !extremum))
    return n.error() << "expects numbers that can be reduced so, found " << input.getType();
  Type element = typeOf(input).getElementType();
  // Signed comparison: narrow unsigned integers and booleans fit into i64.
  bool widened = extremum && !isFloat(input) && (isBool(input) || n.isUnsignedInput(0));
  if (widened) {
    if (element.isInteger(64))
      return n.error() << "is not supported on uint64";
    input = n.cast(input, n.b.getI64Type(), n.isUnsignedInput(0), false);
  }
  int64_t count = 1;
  for (int64_t dim : *dims)
    count *= shapeOf(input)[dim];
  if (extremum && count == 0)
    return n.error() << "has no elements to reduce in " << input.getType();

  Value result;
  switch (reduction) {
  case Reduction::Sum:
    result = n.reduceSum(input, *dims);
    break;
  case Reduction::Mean: {
    Value sum = n.reduceSum(input, *dims);
    if (count == 0 && !isFloat(sum))
      return n.error() << "has no elements to reduce in " << input.getType();
    result = count == 1 ? sum : n.div(sum, n.splat(sum, static_cast<double>(count)));
    break;
  }
  case Reduction::Max:
  case Reduction::Min:
    result = reduceExtremum(n, input, *dims, reduction == Reduction::Max);
    break;
  case Reduction::SumSquare:
    result = n.reduceSum(n.mul(input, input), *dims);
    break;
  case Reduction::L1: {
    Value magnitude = isFloat(input) ? Value(math::AbsFOp::create(n.b, n.loc, input))
                                     : Value(math::AbsIOp::create(n.b, n.loc, input));
    result = n.reduceSum(n.isUnsignedInput(0) ? input : magnitude, *dims);
    break;
  }
  case Reduction::L2:
    result = math::SqrtOp::create(n.b, n.loc, n.reduceSum(n.mul(input, input), *dims));
    break;
  case Reduction::LogSum:
    result = math::LogOp::create(n.b, n.loc, n.reduceSum(input, *dims));
    break;
  case Reduction::LogSumExp:
    if (count == 0)
      return n.error() << "has no elements to reduce in " << input.getType();
    result = logSumExp(n, input, *dims);
    break;
  }
  if (widened)
    result = n.cast(result, element, false, n.isUnsignedInput(0));
  if (n.attrInt("keepdims", 1) != 0) {
    Shape shape(shapeOf(input));
    for (int64_t dim : *dims)
      shape[dim] = 1;
    result = n.reshape(result, shape);
  }
  return n.setResult(result);
}

static Value meanOver(NodeContext &n, Value value, ArrayRef<int64_t> dims) {
  double count = 1;
  for (int64_t dim : dims)
    count *= static_cast<double>(shapeOf(value)[dim]);
  Value sum = n.reduceSum(value, dims);
  return n.div(sum, n.splat(sum, count));
}

LogicalResult bigmac::onnx::importGlobalAveragePool(NodeContext &n) {
  Value input = n.in(0);
  int64_t rank = typeOf(input).getRank();
  if (!isFloat(input) || rank < 3)
    return n.error() << "expects a floating-point tensor of rank 3 or more, found "
                     << input.getType();
  Shape shape(rank, 1);
  llvm::copy(shapeOf(input).take_front(2), shape.begin());
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(2, rank));
  return n.setResult(n.reshape(meanOver(n, input, dims), shape));
}

/// Windows next to each other: a mean over two dimensions of a view.
LogicalResult bigmac::onnx::importAveragePool(NodeContext &n) {
  Value input = n.in(0);
  int64_t spatial = typeOf(input).getRank() - 2;
  auto kernel = n.attrInts("kernel_shape");
  if (!isFloat(input) || spatial < 1 || !kernel || static_cast<int64_t>(kernel->size()) != spatial)
    return n.error() << "expects a floating-point tensor and a kernel for its dimensions but two, "
                        "found "
                     << input.getType();
  SmallVector<int64_t> ones(spatial, 1);
  auto isAll = [](ArrayRef<int64_t> values, int64_t value) {
    return llvm::all_of(values, [&](int64_t other) { return other == value; });
  };
  bool adjacent = n.attrInts("strides").value_or(ones) == *kernel &&
                  isAll(n.attrInts("pads").value_or(SmallVector<int64_t>()), 0) &&
                  isAll(n.attrInts("dilations").value_or(ones), 1) &&
                  n.attrInt("ceil_mode", 0) == 0 &&
                  (n.attrString("auto_pad", "NOTSET") == "NOTSET" ||
                   n.attrString("auto_pad", "NOTSET") == "VALID");
  if (!adjacent)
    return n.error() << "has windows that overlap, leave gaps or are padded, which is not "
                        "supported";
  Shape split(shapeOf(input).take_front(2)), shape = split;
  SmallVector<int64_t> dims;
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t size = (*kernel)[i];
    if (size < 1 || size > shapeOf(input)[i + 2])
      return n.error() << "has a kernel of " << size << " for " << input.getType();
    int64_t count = shapeOf(input)[i + 2] / size;
    input = n.sliceDim(input, i + 2, 0, count * size);
    split.append({count, size});
    shape.push_back(count);
    dims.push_back(3 + 2 * i);
  }
  return n.setResult(n.reshape(meanOver(n, n.reshape(input, split), dims), shape));
}

LogicalResult bigmac::onnx::importArgExtremum(NodeContext &n, bool maximum) {
  Value input = n.in(0);
  int64_t rank = typeOf(input).getRank();
  FailureOr<int64_t> dim = n.axis(n.attrInt("axis", 0), rank);
  if (failed(dim))
    return failure();
  int64_t size = shapeOf(input)[*dim];
  Shape shape(shapeOf(input));
  if (n.attrInt("keepdims", 1) != 0)
    shape[*dim] = 1;
  else
    shape.erase(shape.begin() + *dim);
  if (isBool(input) || n.isUnsignedInput(0)) {
    if (typeOf(input).getElementType().isInteger(64))
      return n.error() << "is not supported on uint64";
    input = n.cast(input, n.b.getI64Type(), true, false);
  }
  if (!maximum)
    input = reversed(n, input);
  // The last of equal ones is the first in reverse.
  bool last = n.attrInt("select_last_index", 0) != 0;
  if (last)
    input = gatherConstant(n, input, *dim,
                           llvm::to_vector(llvm::reverse(
                               llvm::seq<int64_t>(0, std::min(size, kMaxConstantElements)))));
  SmallVector<int64_t> permutation;
  for (int64_t i = 0; i < rank; ++i)
    if (i != *dim)
      permutation.push_back(i);
  permutation.push_back(*dim);
  FailureOr<nn::ArgMaxOp> op = n.create<nn::ArgMaxOp>({n.transpose(input, permutation)});
  if (failed(op))
    return failure();
  Value index = op->getResult();
  if (last)
    index = n.sub(n.splatInt(typeOf(index), size - 1), index);
  return n.setResult(n.reshape(index, shape));
}
