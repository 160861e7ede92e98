//===- Linear.cpp - Products and convolutions ------------------------------===//

#include "OpImporters.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

static LogicalResult checkFloats(NodeContext &n, ArrayRef<Value> values) {
  for (Value value : values)
    if (value && (!isFloat(value) ||
                  typeOf(value).getElementType() != typeOf(values.front()).getElementType()))
      return n.error() << "expects floating-point tensors of one element type, found "
                       << value.getType();
  return success();
}

static FailureOr<Value> matmul(NodeContext &n, Value lhs, Value rhs, bool transposeLhs = false,
                               bool transposeRhs = false) {
  FailureOr<nn::MatmulOp> op = n.create<nn::MatmulOp>({lhs, rhs}, [&](auto &properties) {
    if (transposeLhs)
      properties.transpose_lhs = n.b.getUnitAttr();
    if (transposeRhs)
      properties.transpose_rhs = n.b.getUnitAttr();
  });
  if (failed(op))
    return failure();
  return op->getResult();
}

LogicalResult bigmac::onnx::importMatMul(NodeContext &n) {
  Value lhs = n.in(0), rhs = n.in(1);
  if (failed(checkFloats(n, {lhs, rhs})))
    return failure();
  if (typeOf(lhs).getRank() == 0 || typeOf(rhs).getRank() == 0)
    return n.error() << "expects operands of rank 1 or more, found " << lhs.getType() << " and "
                     << rhs.getType();
  // A vector is a row on the left, a column on the right, and the result has no such dimension.
  bool row = typeOf(lhs).getRank() == 1, column = typeOf(rhs).getRank() == 1;
  if (row)
    lhs = n.reshape(lhs, {1, shapeOf(lhs)[0]});
  if (column)
    rhs = n.reshape(rhs, {shapeOf(rhs)[0], 1});

  ArrayRef<int64_t> lhsBatch = shapeOf(lhs).drop_back(2), rhsBatch = shapeOf(rhs).drop_back(2);
  // One right matrix for all batches is what nn.matmul has a form for.
  if (llvm::all_of(rhsBatch, [](int64_t size) { return size == 1; }) &&
      rhsBatch.size() <= lhsBatch.size())
    rhs = n.reshape(rhs, shapeOf(rhs).take_back(2));
  rhsBatch = shapeOf(rhs).drop_back(2);
  if (!rhsBatch.empty()) {
    size_t rank = std::max(lhsBatch.size(), rhsBatch.size());
    Shape batch(rank, 1);
    for (ArrayRef<int64_t> part : {lhsBatch, rhsBatch})
      for (auto [i, size] : llvm::enumerate(part)) {
        int64_t &dim = batch[rank - part.size() + i];
        if (dim != 1 && size != 1 && dim != size)
          return n.error() << "has operands whose batch dimensions cannot be broadcast: "
                           << n.in(0).getType() << " and " << n.in(1).getType();
        dim = dim == 1 ? size : dim;
      }
    auto withBatch = [&](Value value) {
      Shape shape = batch;
      llvm::append_range(shape, shapeOf(value).take_back(2));
      return n.broadcast(value, shape);
    };
    lhs = withBatch(lhs);
    rhs = withBatch(rhs);
  }
  FailureOr<Value> product = matmul(n, lhs, rhs);
  if (failed(product))
    return failure();
  Shape shape(shapeOf(*product));
  if (column)
    shape.erase(shape.end() - 1);
  if (row)
    shape.erase(shape.end() - (column ? 1 : 2));
  return n.setResult(n.reshape(*product, shape));
}

LogicalResult bigmac::onnx::importGemm(NodeContext &n) {
  if (failed(checkFloats(n, {n.in(0), n.in(1), n.optional(2)})))
    return failure();
  if (typeOf(n.in(0)).getRank() != 2 || typeOf(n.in(1)).getRank() != 2)
    return n.error() << "expects matrices, found " << n.in(0).getType() << " and "
                     << n.in(1).getType();
  FailureOr<Value> product =
      matmul(n, n.in(0), n.in(1), n.attrInt("transA", 0) != 0, n.attrInt("transB", 0) != 0);
  if (failed(product))
    return failure();
  Value result = *product;
  if (double alpha = n.attrFloat("alpha", 1.0); alpha != 1.0)
    result = n.mul(result, n.splat(result, alpha));
  if (!n.has(2))
    return n.setResult(result);
  FailureOr<Shape> shape = n.commonShape({result, n.in(2)});
  if (failed(shape))
    return failure();
  if (ArrayRef<int64_t>(*shape) != shapeOf(result))
    return n.error() << "cannot broadcast C, " << n.in(2).getType() << ", to " << result.getType();
  Value bias = n.in(2);
  if (double beta = n.attrFloat("beta", 1.0); beta != 1.0)
    bias = n.mul(bias, n.splat(bias, beta));
  return n.setResult(n.add(result, n.broadcast(bias, shapeOf(result))));
}

LogicalResult bigmac::onnx::importConv(NodeContext &n) {
  Value input = n.in(0), filter = n.in(1), bias = n.optional(2);
  if (failed(checkFloats(n, {input, filter, bias})))
    return failure();
  int64_t spatial = typeOf(input).getRank() - 2;
  if (spatial < 1 || typeOf(filter).getRank() != spatial + 2)
    return n.error() << "expects input and filter of one rank of at least 3, found "
                     << input.getType() << " and " << filter.getType();
  auto perDim = [&](StringRef name, int64_t count,
                    int64_t otherwise) -> FailureOr<SmallVector<int64_t>> {
    SmallVector<int64_t> values = n.attrInts(name).value_or(SmallVector<int64_t>(count, otherwise));
    if (static_cast<int64_t>(values.size()) != count)
      return n.error() << "expects " << count << " values as its attribute '" << name << "', found "
                       << values.size();
    for (int64_t value : values)
      if (value < 0 || value > (int64_t(1) << 30))
        return n.error() << "has " << value << " in its attribute '" << name << "'";
    return values;
  };
  FailureOr<SmallVector<int64_t>> strides = perDim("strides", spatial, 1),
                                  dilations = perDim("dilations", spatial, 1),
                                  pads = perDim("pads", 2 * spatial, 0);
  if (failed(strides) || failed(dilations) || failed(pads))
    return failure();
  if (auto kernel = n.attrInts("kernel_shape");
      kernel && ArrayRef<int64_t>(*kernel) != shapeOf(filter).drop_front(2))
    return n.error() << "has a kernel_shape that is not its filter's, " << filter.getType();
  std::string autoPad = n.attrString("auto_pad", "NOTSET");
  if (autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER") {
    for (int64_t i = 0; i < spatial; ++i) {
      int64_t size = shapeOf(input)[i + 2], stride = (*strides)[i];
      if (stride < 1)
        return n.error() << "has a stride of zero";
      int64_t window = (*dilations)[i] * (shapeOf(filter)[i + 2] - 1) + 1;
      int64_t total =
          std::max<int64_t>(0, ((size + stride - 1) / stride - 1) * stride + window - size);
      int64_t small = total / 2, large = total - small;
      (*pads)[i] = autoPad == "SAME_UPPER" ? small : large;
      (*pads)[spatial + i] = autoPad == "SAME_UPPER" ? large : small;
    }
  } else if (autoPad == "VALID") {
    llvm::fill(*pads, 0);
  } else if (autoPad != "NOTSET") {
    return n.error() << "has unknown auto_pad '" << autoPad << "'";
  }
  int64_t groups = n.attrInt("group", 1);
  FailureOr<nn::ConvOp> conv = n.create<nn::ConvOp>({input, filter}, [&](auto &properties) {
    properties.strides = n.b.getDenseI64ArrayAttr(*strides);
    properties.pads = n.b.getDenseI64ArrayAttr(*pads);
    properties.dilations = n.b.getDenseI64ArrayAttr(*dilations);
    properties.groups = n.b.getI64IntegerAttr(groups);
  });
  if (failed(conv))
    return failure();
  Value result = conv->getResult();
  if (!bias)
    return n.setResult(result);
  int64_t channels = shapeOf(result)[1];
  if (shapeOf(bias) != ArrayRef<int64_t>{channels})
    return n.error() << "expects a bias of " << channels << " elements, found " << bias.getType();
  Shape unit(spatial + 1, 1);
  unit[0] = channels;
  return n.setResult(n.add(result, n.broadcast(n.reshape(bias, unit), shapeOf(result))));
}
