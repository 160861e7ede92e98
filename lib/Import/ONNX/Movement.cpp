//===- Movement.cpp - Reshapes, slices, concatenations ---------------------===//

#include "OpImporters.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

LogicalResult bigmac::onnx::importReshape(NodeContext &n) {
  Value input = n.in(0);
  FailureOr<SmallVector<int64_t>> requested = n.ints(1, "shape");
  if (failed(requested))
    return failure();
  bool allowZero = n.attrInt("allowzero", 0) != 0;
  SmallVector<int64_t> shape = *requested;
  int64_t known = 1, unknown = -1;
  for (auto [i, size] : llvm::enumerate(shape)) {
    if (size == 0 && !allowZero) {
      if (static_cast<int64_t>(i) >= typeOf(input).getRank())
        return n.error() << "copies dimension " << i << " of " << input.getType()
                         << ", which has none";
      size = shapeOf(input)[i];
    }
    if (size == -1 && unknown < 0) {
      unknown = i;
      continue;
    }
    if (size < 0 || size > kMaxElements || llvm::MulOverflow(known, size, known))
      return n.error() << "has dimension " << size << " in its shape";
  }
  int64_t elements = typeOf(input).getNumElements();
  if (unknown >= 0)
    shape[unknown] = known == 0 ? 0 : elements / known;
  if (!isSaneShape(shape) ||
      RankedTensorType::get(shape, n.b.getI1Type()).getNumElements() != elements) {
    auto diagnostic = n.error() << "cannot reshape " << input.getType() << " to [";
    llvm::interleaveComma(*requested, diagnostic);
    return diagnostic << "]: they have different numbers of elements";
  }
  return n.setResult(n.reshape(input, shape));
}

LogicalResult bigmac::onnx::importSqueeze(NodeContext &n) {
  Value input = n.in(0);
  SmallVector<int64_t> dims;
  if (n.has(1)) {
    FailureOr<SmallVector<int64_t>> given = n.ints(1, "axes");
    if (failed(given))
      return failure();
    FailureOr<SmallVector<int64_t>> axes = n.axes(*given, typeOf(input).getRank());
    if (failed(axes))
      return failure();
    dims = *axes;
  } else {
    for (auto [i, size] : llvm::enumerate(shapeOf(input)))
      if (size == 1)
        dims.push_back(i);
  }
  Shape shape;
  for (auto [i, size] : llvm::enumerate(shapeOf(input))) {
    if (!llvm::is_contained(dims, static_cast<int64_t>(i)))
      shape.push_back(size);
    else if (size != 1)
      return n.error() << "squeezes dimension " << i << " of " << input.getType()
                       << ", which is not 1";
  }
  return n.setResult(n.reshape(input, shape));
}

LogicalResult bigmac::onnx::importUnsqueeze(NodeContext &n) {
  Value input = n.in(0);
  FailureOr<SmallVector<int64_t>> given = n.ints(1, "axes");
  if (failed(given))
    return failure();
  if (given->size() > 64)
    return n.error() << "adds " << given->size() << " dimensions";
  int64_t rank = typeOf(input).getRank() + static_cast<int64_t>(given->size());
  FailureOr<SmallVector<int64_t>> dims = n.axes(*given, rank);
  if (failed(dims))
    return failure();
  Shape shape(shapeOf(input));
  for (int64_t dim : *dims)
    shape.insert(shape.begin() + dim, 1);
  return n.setResult(n.reshape(input, shape));
}

LogicalResult bigmac::onnx::importExpand(NodeContext &n) {
  Value input = n.in(0);
  FailureOr<SmallVector<int64_t>> given = n.ints(1, "shape");
  if (failed(given))
    return failure();
  // The two shapes are broadcast to each other: 1 keeps the input's dimension.
  size_t rank = std::max(given->size(), shapeOf(input).size());
  Shape shape(rank, 1);
  llvm::copy(shapeOf(input), shape.end() - shapeOf(input).size());
  for (auto [i, size] : llvm::enumerate(*given)) {
    int64_t &dim = shape[rank - given->size() + i];
    if (size != 1 && dim != 1 && dim != size)
      return n.error() << "cannot expand " << input.getType() << " to dimension " << size;
    if (size != 1)
      dim = size;
  }
  if (!isSaneShape(shape))
    return n.error() << "has a result with a negative dimension or too many elements";
  return n.setResult(n.broadcast(input, shape));
}

static FailureOr<Value> concatenate(NodeContext &n, ArrayRef<Value> values, int64_t axis) {
  FailureOr<int64_t> dim = n.axis(axis, typeOf(values.front()).getRank());
  if (failed(dim))
    return failure();
  RankedTensorType first = typeOf(values.front());
  int64_t total = 0;
  for (Value value : values) {
    RankedTensorType type = typeOf(value);
    bool fits =
        type.getElementType() == first.getElementType() && type.getRank() == first.getRank();
    for (int64_t i = 0; fits && i < first.getRank(); ++i)
      fits = i == *dim || type.getDimSize(i) == first.getDimSize(i);
    if (!fits)
      return n.error() << "cannot concatenate " << first << " and " << type << " along dimension "
                       << *dim;
    total += type.getDimSize(*dim);
  }
  Shape shape(first.getShape());
  shape[*dim] = total;
  if (!isSaneShape(shape))
    return n.error() << "has a result of too many elements";
  return n.concat(values, *dim);
}

LogicalResult bigmac::onnx::importConcat(NodeContext &n) {
  SmallVector<Value> values;
  for (unsigned i = 0; i < n.numInputs(); ++i)
    values.push_back(n.in(i));
  if (!n.attribute("axis"))
    return n.error() << "needs its attribute 'axis'";
  FailureOr<Value> result = concatenate(n, values, n.attrInt("axis", 0));
  if (failed(result))
    return failure();
  return n.setResult(*result);
}

/// The lengths of the parts of dimension `dim`: those of operand 1 or equal ones.
static FailureOr<SmallVector<int64_t>> partSizes(NodeContext &n, int64_t dim, int64_t parts) {
  int64_t size = shapeOf(n.in(0))[dim];
  SmallVector<int64_t> sizes;
  if (n.has(1)) {
    FailureOr<SmallVector<int64_t>> given = n.ints(1, "split");
    if (failed(given))
      return failure();
    sizes = *given;
  } else {
    // The last part is smaller where the size is no multiple.
    int64_t part = (size + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i)
      sizes.push_back(std::clamp<int64_t>(size - i * part, 0, part));
  }
  int64_t total = 0;
  for (int64_t part : sizes) {
    if (part < 0 || part > size)
      return n.error() << "has a part of size " << part;
    total += part;
    if (total > size)
      break;
  }
  if (total != size)
    return n.error() << "has parts of " << total << " entries together, but dimension " << dim
                     << " of " << n.in(0).getType() << " has " << size;
  return sizes;
}

LogicalResult bigmac::onnx::importSplit(NodeContext &n) {
  Value input = n.in(0);
  FailureOr<int64_t> dim = n.axis(n.attrInt("axis", 0), typeOf(input).getRank());
  if (failed(dim))
    return failure();
  int64_t outputs = static_cast<int64_t>(n.node.outputs.size());
  int64_t parts = n.attrInt("num_outputs", outputs);
  if (parts != outputs || parts == 0)
    return n.error() << "has num_outputs " << parts << " but " << outputs << " outputs";
  FailureOr<SmallVector<int64_t>> sizes = partSizes(n, *dim, parts);
  if (failed(sizes))
    return failure();
  if (sizes->size() != n.node.outputs.size())
    return n.error() << "splits into " << sizes->size() << " parts but has "
                     << n.node.outputs.size() << " outputs";
  int64_t offset = 0;
  for (auto [i, size] : llvm::enumerate(*sizes)) {
    if (n.wantsOutput(i))
      (void)n.setResult(n.sliceDim(input, *dim, offset, size), i);
    offset += size;
  }
  return success();
}

LogicalResult bigmac::onnx::importSplitToSequence(NodeContext &n) {
  Value input = n.in(0);
  FailureOr<int64_t> dim = n.axis(n.attrInt("axis", 0), typeOf(input).getRank());
  if (failed(dim))
    return failure();
  int64_t size = shapeOf(input)[*dim];
  if (size > 1 << 16)
    return n.error() << "splits a dimension of " << size << " entries into a sequence";
  SmallVector<int64_t> sizes;
  bool keepDim = true;
  if (!n.has(1)) {
    sizes.assign(size, 1);
    keepDim = n.attrInt("keepdims", 1) != 0;
  } else if (typeOf(n.in(1)).getRank() == 0) {
    FailureOr<int64_t> part = n.integer(1, "split");
    if (failed(part))
      return failure();
    if (*part < 1)
      return n.error() << "has parts of " << *part << " entries";
    for (int64_t done = 0; done < size; done += *part)
      sizes.push_back(std::min(*part, size - done));
  } else {
    FailureOr<SmallVector<int64_t>> given = partSizes(n, *dim, 1);
    if (failed(given))
      return failure();
    sizes = *given;
  }
  ImportedValue &result = n.results[0];
  result.isSequence = true;
  int64_t offset = 0;
  for (int64_t part : sizes) {
    Value value = n.sliceDim(input, *dim, offset, part);
    if (!keepDim) {
      Shape shape(shapeOf(value));
      shape.erase(shape.begin() + *dim);
      value = n.reshape(value, shape);
    }
    result.sequence.push_back(value);
    offset += part;
  }
  return success();
}

LogicalResult bigmac::onnx::importSequenceAt(NodeContext &n) {
  if (!n.input(0).isSequence)
    return n.error() << "expects a sequence";
  FailureOr<int64_t> position = n.integer(1, "position");
  if (failed(position))
    return failure();
  ArrayRef<Value> sequence = n.input(0).sequence;
  int64_t length = static_cast<int64_t>(sequence.size());
  if (*position < -length || *position >= length)
    return n.error() << "has position " << *position << " in a sequence of " << length;
  return n.setResult(sequence[*position < 0 ? *position + length : *position]);
}

LogicalResult bigmac::onnx::importSlice(NodeContext &n) {
  Value input = n.in(0);
  int64_t rank = typeOf(input).getRank();
  FailureOr<SmallVector<int64_t>> starts = n.ints(1, "starts"), ends = n.ints(2, "ends");
  if (failed(starts) || failed(ends))
    return failure();
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, starts->size()));
  SmallVector<int64_t> steps(starts->size(), 1);
  if (n.has(3)) {
    FailureOr<SmallVector<int64_t>> given = n.ints(3, "axes");
    if (failed(given))
      return failure();
    dims = *given;
  }
  if (n.has(4)) {
    FailureOr<SmallVector<int64_t>> given = n.ints(4, "steps");
    if (failed(given))
      return failure();
    steps = *given;
  }
  if (ends->size() != starts->size() || dims.size() != starts->size() ||
      steps.size() != starts->size())
    return n.error() << "has starts, ends, axes and steps of different lengths";
  SmallVector<int64_t> offsets(rank, 0), strides(rank, 1), sizes(shapeOf(input));
  SmallVector<int64_t> reversed;
  SmallVector<bool> seen(rank);
  for (size_t i = 0; i < dims.size(); ++i) {
    FailureOr<int64_t> dim = n.axis(dims[i], rank);
    if (failed(dim))
      return failure();
    if (seen[*dim])
      return n.error() << "names axis " << *dim << " twice";
    seen[*dim] = true;
    int64_t size = shapeOf(input)[*dim], step = steps[i], start = (*starts)[i], end = (*ends)[i];
    if (step == 0 || step == std::numeric_limits<int64_t>::min())
      return n.error() << "has a step of " << step;
    bool backward = step < 0;
    auto clamp = [&](int64_t position) {
      if (position < 0)
        position += size; // cannot overflow: size is not negative
      return std::clamp<int64_t>(position, backward ? -1 : 0, backward ? size - 1 : size);
    };
    start = clamp(start);
    end = clamp(end);
    int64_t distance = backward ? start - end : end - start;
    int64_t stride = std::min(backward ? -step : step, std::max<int64_t>(size, 1));
    int64_t count = distance <= 0 ? 0 : (distance + stride - 1) / stride;
    offsets[*dim] = count == 0 ? 0 : backward ? start - (count - 1) * stride : start;
    sizes[*dim] = count;
    strides[*dim] = count <= 1 ? 1 : stride;
    if (backward && count > 1)
      reversed.push_back(*dim);
  }
  Value result = n.slice(input, offsets, sizes, strides);
  for (int64_t dim : reversed) {
    SmallVector<int64_t> indices;
    for (int64_t i = sizes[dim] - 1; i >= 0; --i)
      indices.push_back(i);
    result = gatherConstant(n, result, dim, indices);
  }
  return n.setResult(result);
}

/// For each entry of a padded dimension, the entry of the input that it repeats.
static FailureOr<SmallVector<int64_t>> paddedIndices(NodeContext &n, StringRef mode, int64_t size,
                                                     int64_t before, int64_t after) {
  SmallVector<int64_t> indices;
  if (size == 0)
    return n.error() << "pads an empty dimension by repeating its entries";
  for (int64_t i = -before; i < size + after; ++i) {
    int64_t index = i;
    if (mode == "edge") {
      index = std::clamp<int64_t>(i, 0, size - 1);
    } else if (mode == "wrap") {
      index = ((i % size) + size) % size;
    } else { // reflect, at both ends without repeating them
      int64_t period = std::max<int64_t>(1, 2 * (size - 1));
      index = ((i % period) + period) % period;
      index = index < size ? index : period - index;
    }
    indices.push_back(index);
  }
  return indices;
}

LogicalResult bigmac::onnx::importPad(NodeContext &n) {
  Value input = n.in(0);
  int64_t rank = typeOf(input).getRank();
  std::string mode = n.attrString("mode", "constant");
  FailureOr<SmallVector<int64_t>> given = n.ints(1, "pads");
  if (failed(given))
    return failure();
  SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (n.has(3)) {
    FailureOr<SmallVector<int64_t>> axes = n.ints(3, "axes");
    if (failed(axes) || failed(n.axes(*axes, rank)))
      return failure();
    dims.clear();
    for (int64_t axis : *axes)
      dims.push_back(axis < 0 ? axis + rank : axis);
  }
  if (given->size() != 2 * dims.size())
    return n.error() << "expects " << 2 * dims.size() << " pads, found " << given->size();
  SmallVector<int64_t> before(rank, 0), after(rank, 0);
  for (auto [i, dim] : llvm::enumerate(dims)) {
    before[dim] = (*given)[i];
    after[dim] = (*given)[dims.size() + i];
  }
  // A negative pad cuts off.
  SmallVector<int64_t> offsets(rank, 0), sizes(shapeOf(input)), strides(rank, 1), shape(rank);
  for (int64_t i = 0; i < rank; ++i) {
    for (int64_t pad : {before[i], after[i]})
      if (pad < -kMaxElements || pad > kMaxElements)
        return n.error() << "has a pad of " << pad;
    offsets[i] = std::max<int64_t>(0, -before[i]);
    sizes[i] -= offsets[i] + std::max<int64_t>(0, -after[i]);
    before[i] = std::max<int64_t>(0, before[i]);
    after[i] = std::max<int64_t>(0, after[i]);
    shape[i] = before[i] + sizes[i] + after[i];
    if (sizes[i] < 0)
      return n.error() << "cuts more off dimension " << i << " of " << input.getType()
                       << " than it has";
  }
  if (!isSaneShape(shape))
    return n.error() << "has a result of too many elements";
  Value kept = n.slice(input, offsets, sizes, strides);
  if (mode == "edge" || mode == "wrap" || mode == "reflect") {
    for (int64_t i = 0; i < rank; ++i) {
      if (!before[i] && !after[i])
        continue;
      if (shape[i] > kMaxConstantElements)
        return n.error() << "has a result of too many elements";
      FailureOr<SmallVector<int64_t>> indices =
          paddedIndices(n, mode, sizes[i], before[i], after[i]);
      if (failed(indices))
        return failure();
      kept = gatherConstant(n, kept, i, *indices);
    }
    return n.setResult(kept);
  }
  if (mode != "constant")
    return n.error() << "has unknown mode '" << mode << "'";
  if (ArrayRef<int64_t>(shape) == shapeOf(kept))
    return n.setResult(kept);
  auto type = RankedTensorType::get(shape, typeOf(input).getElementType());
  Value fill;
  if (n.has(2)) {
    if (typeOf(n.in(2)).getNumElements() != 1 ||
        typeOf(n.in(2)).getElementType() != type.getElementType())
      return n.error() << "expects one value to pad with, of its input's type, found "
                       << n.in(2).getType();
    fill = n.broadcast(n.reshape(n.in(2), {}), shape);
  } else if (isFloat(input)) {
    fill = nn::createSplat(n.b, n.loc, type, 0.0);
  } else {
    fill = n.splatInt(type, 0);
  }
  auto asAttributes = [&](ArrayRef<int64_t> values) {
    return llvm::map_to_vector(
        values, [&](int64_t value) { return OpFoldResult(n.b.getIndexAttr(value)); });
  };
  return n.setResult(tensor::InsertSliceOp::create(n.b, n.loc, kept, fill, asAttributes(before),
                                                   asAttributes(sizes), asAttributes(strides)));
}

LogicalResult bigmac::onnx::importTile(NodeContext &n) {
  Value input = n.in(0);
  FailureOr<SmallVector<int64_t>> repeats = n.ints(1, "repeats");
  if (failed(repeats))
    return failure();
  if (repeats->size() != shapeOf(input).size())
    return n.error() << "has " << repeats->size() << " repeats for " << input.getType();
  Shape unit, repeated, shape;
  for (auto [size, times] : llvm::zip_equal(shapeOf(input), *repeats)) {
    if (times < 0 || times > kMaxElements)
      return n.error() << "repeats a dimension " << times << " times";
    unit.append({1, size});
    repeated.append({times, size});
    int64_t product;
    if (llvm::MulOverflow(size, times, product))
      product = -1;
    shape.push_back(product);
  }
  if (!isSaneShape(shape))
    return n.error() << "has a result of too many elements";
  return n.setResult(n.reshape(n.broadcast(n.reshape(input, unit), repeated), shape));
}
