//===- Gather.cpp - Lookups and their inverse ------------------------------===//

#include "OpImporters.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

static int64_t productOf(ArrayRef<int64_t> shape) {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}

/// `dim` first, the others in their order.
static SmallVector<int64_t> toFront(int64_t rank, int64_t dim) {
  SmallVector<int64_t> permutation = {dim};
  for (int64_t i = 0; i < rank; ++i)
    if (i != dim)
      permutation.push_back(i);
  return permutation;
}

/// Indices as i64, those from the end (negative) as what they name. Constant ones are checked.
static FailureOr<Value> normalizeIndices(NodeContext &n, unsigned operand, Value indices,
                                         int64_t size) {
  if (isFloat(indices) || isBool(indices))
    return n.error() << "expects integers as its indices, found " << indices.getType();
  Value wide = n.cast(indices, n.b.getI64Type(), n.isUnsignedInput(operand), false);
  if (n.constant(operand)) {
    FailureOr<SmallVector<int64_t>> values = n.ints(operand, "indices");
    if (failed(values))
      return failure();
    for (int64_t &value : *values) {
      if (value < -size || value >= size)
        return n.error() << "has index " << value << " into a dimension of " << size;
      value = value < 0 ? value + size : value;
    }
    return n.constantInts(shapeOf(indices), *values);
  }
  Value negative = n.compare(NodeContext::Compare::Less, wide, n.splat(wide, 0));
  return n.select(negative, n.add(wide, n.splatInt(typeOf(wide), size)), wide);
}

Value bigmac::onnx::gatherConstant(NodeContext &n, Value input, int64_t dim,
                                   ArrayRef<int64_t> indices) {
  int64_t count = static_cast<int64_t>(indices.size());
  int64_t stride = count > 1 ? indices[1] - indices[0] : 1;
  bool regular = count > 0 && stride > 0;
  for (int64_t i = 1; i < count && regular; ++i)
    regular = indices[i] - indices[i - 1] == stride;
  int64_t rank = typeOf(input).getRank();
  if (regular) {
    SmallVector<int64_t> offsets(rank, 0), strides(rank, 1), sizes(shapeOf(input));
    offsets[dim] = indices[0];
    strides[dim] = stride;
    sizes[dim] = count;
    return n.slice(input, offsets, sizes, strides);
  }
  SmallVector<int64_t> permutation = toFront(rank, dim), inverse(rank);
  for (auto [i, from] : llvm::enumerate(permutation))
    inverse[from] = i;
  return n.transpose(n.lookup(n.transpose(input, permutation), indices), inverse);
}

LogicalResult bigmac::onnx::importGather(NodeContext &n) {
  Value data = n.in(0), indices = n.in(1);
  int64_t rank = typeOf(data).getRank();
  FailureOr<int64_t> dim = n.axis(n.attrInt("axis", 0), rank);
  if (failed(dim))
    return failure();
  if (isFloat(indices) || isBool(indices))
    return n.error() << "expects integers as its indices, found " << indices.getType();
  ArrayRef<int64_t> dataShape = shapeOf(data), indexShape = shapeOf(indices);
  Shape shape(dataShape.take_front(*dim));
  llvm::append_range(shape, indexShape);
  llvm::append_range(shape, dataShape.drop_front(*dim + 1));
  if (!isSaneShape(shape))
    return n.error() << "has a result of too many elements";
  if (n.constant(1)) {
    FailureOr<Value> normalized = normalizeIndices(n, 1, indices, dataShape[*dim]);
    if (failed(normalized))
      return failure();
    DenseElementsAttr elements =
        cast<DenseElementsAttr>(normalized->getDefiningOp<arith::ConstantOp>().getValue());
    SmallVector<int64_t> values(elements.getValues<int64_t>());
    return n.setResult(n.reshape(gatherConstant(n, data, *dim, values), shape));
  }
  indices = n.cast(indices, n.b.getI64Type(), n.isUnsignedInput(1), false);
  Value found = n.lookup(n.transpose(data, toFront(rank, *dim)), indices);
  // [indices, before, after] -> [before, indices, after]
  int64_t indexRank = static_cast<int64_t>(indexShape.size());
  SmallVector<int64_t> permutation;
  for (int64_t i = 0; i < *dim; ++i)
    permutation.push_back(indexRank + i);
  for (int64_t i = 0; i < indexRank; ++i)
    permutation.push_back(i);
  for (int64_t i = *dim; i < rank - 1; ++i)
    permutation.push_back(indexRank + i);
  return n.setResult(n.transpose(found, permutation));
}

LogicalResult bigmac::onnx::importGatherElements(NodeContext &n) {
  Value data = n.in(0);
  int64_t rank = typeOf(data).getRank();
  FailureOr<int64_t> dim = n.axis(n.attrInt("axis", 0), rank);
  if (failed(dim))
    return failure();
  FailureOr<Value> indices = normalizeIndices(n, 1, n.in(1), shapeOf(data)[*dim]);
  if (failed(indices))
    return failure();
  if (typeOf(*indices).getRank() != rank)
    return n.error() << "expects indices of rank " << rank << ", found " << n.in(1).getType();
  for (int64_t i = 0; i < rank; ++i) {
    if (i == *dim)
      continue;
    if (shapeOf(*indices)[i] > shapeOf(data)[i])
      return n.error() << "has indices " << n.in(1).getType() << " larger than its data "
                       << data.getType();
    data = n.sliceDim(data, i, 0, shapeOf(*indices)[i]);
  }
  FailureOr<nn::GatherElementsOp> op = n.create<nn::GatherElementsOp>(
      {n.swapDims(data, *dim, rank - 1), n.swapDims(*indices, *dim, rank - 1)});
  if (failed(op))
    return failure();
  return n.setResult(n.swapDims(op->getResult(), *dim, rank - 1));
}

/// The number, in row-major order of dimensions [first, first + depth) of `shape`, that each index
/// tuple in the last dimension of `indices` names.
static FailureOr<Value> linearIndices(NodeContext &n, unsigned operand, ArrayRef<int64_t> shape,
                                      int64_t first, int64_t depth) {
  Value indices = n.in(operand);
  Value linear;
  int64_t last = typeOf(indices).getRank() - 1;
  Shape tuple(shapeOf(indices).drop_back());
  if (isFloat(indices) || isBool(indices))
    return n.error() << "expects integers as its indices, found " << indices.getType();
  Value wide = n.cast(indices, n.b.getI64Type(), n.isUnsignedInput(operand), false);
  for (int64_t i = 0; i < depth; ++i) {
    Value part = n.reshape(n.sliceDim(wide, last, i, 1), tuple);
    Value size = n.splatInt(typeOf(part), shape[first + i]);
    Value negative = n.compare(NodeContext::Compare::Less, part, n.splat(part, 0));
    part = n.select(negative, n.add(part, size), part);
    linear = linear ? n.add(n.mul(linear, size), part) : part;
  }
  return linear;
}

LogicalResult bigmac::onnx::importGatherND(NodeContext &n) {
  Value data = n.in(0), indices = n.in(1);
  int64_t batchDims = n.attrInt("batch_dims", 0);
  int64_t dataRank = typeOf(data).getRank(), indexRank = typeOf(indices).getRank();
  if (indexRank < 1 || batchDims < 0 || batchDims >= std::min(dataRank, indexRank))
    return n.error() << "has batch_dims " << batchDims << " for data " << data.getType()
                     << " and indices " << indices.getType();
  int64_t depth = shapeOf(indices).back();
  if (depth < 1 || batchDims + depth > dataRank)
    return n.error() << "has index tuples of " << depth << " for data " << data.getType();
  ArrayRef<int64_t> batch = shapeOf(data).take_front(batchDims);
  if (shapeOf(indices).take_front(batchDims) != batch)
    return n.error() << "has different batches in data " << data.getType() << " and indices "
                     << indices.getType();
  FailureOr<Value> linear = linearIndices(n, 1, shapeOf(data), batchDims, depth);
  if (failed(linear))
    return failure();
  Shape rest(shapeOf(data).drop_front(batchDims + depth));
  int64_t rows = productOf(shapeOf(data).slice(batchDims, depth));
  int64_t batches = productOf(batch);
  if (batches != 1) {
    // Each batch reads rows of its own.
    Shape unit(typeOf(*linear).getRank(), 1);
    SmallVector<int64_t> offsets;
    for (int64_t i = 0; i < batches; ++i)
      offsets.push_back(i * rows);
    llvm::copy(batch, unit.begin());
    Value offset = n.broadcast(n.constantInts(unit, offsets), shapeOf(*linear));
    linear = n.add(*linear, offset);
  }
  Shape tableShape = {batches * rows};
  llvm::append_range(tableShape, rest);
  return n.setResult(n.lookup(n.reshape(data, tableShape), *linear));
}

/// Rows of `data` [rows, rest...] replaced by those of `updates`: row targets[i] by updates[i], the
/// last one where several name one row.
static Value replaceRows(NodeContext &n, Value data, Value updates, ArrayRef<int64_t> targets) {
  int64_t rows = shapeOf(data).front(), count = static_cast<int64_t>(targets.size());
  if (count == 0)
    return data;
  bool inOrder = true;
  for (int64_t i = 1; i < count && inOrder; ++i)
    inOrder = targets[i] == targets[i - 1] + 1;
  if (inOrder) {
    auto asAttributes = [&](ArrayRef<int64_t> values) {
      return llvm::map_to_vector(
          values, [&](int64_t value) { return OpFoldResult(n.b.getIndexAttr(value)); });
    };
    if (count == rows)
      return updates;
    SmallVector<int64_t> offsets(typeOf(data).getRank(), 0), strides(typeOf(data).getRank(), 1);
    offsets[0] = targets[0];
    return tensor::InsertSliceOp::create(n.b, n.loc, updates, data, asAttributes(offsets),
                                         asAttributes(shapeOf(updates)), asAttributes(strides));
  }
  SmallVector<int64_t> source = llvm::to_vector(llvm::seq<int64_t>(0, rows));
  for (auto [i, target] : llvm::enumerate(targets))
    source[target] = rows + static_cast<int64_t>(i);
  return n.lookup(n.concat({data, updates}, 0), source);
}

static LogicalResult checkScatter(NodeContext &n) {
  if (std::string reduction = n.attrString("reduction", "none"); reduction != "none")
    return n.error() << "has reduction '" << reduction << "', only 'none' is supported";
  if (!n.constant(1))
    return n.error() << "has indices that are computed from inputs or parameters, only constant "
                        "ones are supported";
  if (typeOf(n.in(0)).getElementType() != typeOf(n.in(2)).getElementType())
    return n.error() << "expects updates of its data's type, found " << n.in(2).getType();
  if (typeOf(n.in(0)).getNumElements() > kMaxConstantElements)
    return n.error() << "has too many elements";
  return success();
}

LogicalResult bigmac::onnx::importScatterND(NodeContext &n) {
  if (failed(checkScatter(n)))
    return failure();
  Value data = n.in(0), updates = n.in(2);
  ArrayRef<int64_t> shape = shapeOf(data), indexShape = shapeOf(n.in(1));
  if (indexShape.empty() || indexShape.back() < 1 ||
      indexShape.back() > static_cast<int64_t>(shape.size()))
    return n.error() << "has indices " << n.in(1).getType() << " for data " << data.getType();
  int64_t depth = indexShape.back();
  ArrayRef<int64_t> rest = shape.drop_front(depth);
  Shape expected(indexShape.drop_back());
  llvm::append_range(expected, rest);
  if (shapeOf(updates) != ArrayRef<int64_t>(expected))
    return n.error() << "has updates " << updates.getType() << " that do not fit its indices "
                     << n.in(1).getType();
  FailureOr<SmallVector<int64_t>> indices = n.ints(1, "indices");
  if (failed(indices))
    return failure();
  SmallVector<int64_t> targets;
  for (size_t i = 0; i < indices->size(); i += depth) {
    int64_t target = 0;
    for (int64_t j = 0; j < depth; ++j) {
      int64_t index = (*indices)[i + j];
      if (index < -shape[j] || index >= shape[j])
        return n.error() << "has index " << index << " into a dimension of " << shape[j];
      target = target * shape[j] + (index < 0 ? index + shape[j] : index);
    }
    targets.push_back(target);
  }
  Shape rows = {productOf(shape.take_front(depth))};
  Shape updateRows = {static_cast<int64_t>(targets.size())};
  llvm::append_range(rows, rest);
  llvm::append_range(updateRows, rest);
  Value result = replaceRows(n, n.reshape(data, rows), n.reshape(updates, updateRows), targets);
  return n.setResult(n.reshape(result, shape));
}

LogicalResult bigmac::onnx::importScatterElements(NodeContext &n) {
  if (failed(checkScatter(n)))
    return failure();
  Value data = n.in(0), updates = n.in(2);
  ArrayRef<int64_t> shape = shapeOf(data), indexShape = shapeOf(n.in(1));
  int64_t rank = typeOf(data).getRank();
  FailureOr<int64_t> dim = n.axis(n.attrInt("axis", 0), rank);
  FailureOr<SmallVector<int64_t>> indices = n.ints(1, "indices");
  if (failed(dim) || failed(indices))
    return failure();
  if (indexShape != shapeOf(updates) || indexShape.size() != shape.size())
    return n.error() << "has indices " << n.in(1).getType() << " that do not fit its updates "
                     << updates.getType();
  for (int64_t i = 0; i < rank; ++i)
    if (i != *dim && indexShape[i] > shape[i])
      return n.error() << "has indices " << n.in(1).getType() << " larger than its data "
                       << data.getType();
  SmallVector<int64_t> targets, position(rank, 0);
  for (int64_t index : *indices) {
    if (index < -shape[*dim] || index >= shape[*dim])
      return n.error() << "has index " << index << " into a dimension of " << shape[*dim];
    int64_t target = 0;
    for (int64_t i = 0; i < rank; ++i) {
      int64_t at = i != *dim ? position[i] : index < 0 ? index + shape[i] : index;
      target = target * shape[i] + at;
    }
    targets.push_back(target);
    for (int64_t i = rank - 1; i >= 0; --i) {
      if (++position[i] < indexShape[i])
        break;
      position[i] = 0;
    }
  }
  Value result = replaceRows(n, n.reshape(data, {productOf(shape)}),
                             n.reshape(updates, {productOf(indexShape)}), targets);
  return n.setResult(n.reshape(result, shape));
}
