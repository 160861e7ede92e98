//===- Triangles.cpp - Triangular matrices and running sums ----------------===//

#include "OpImporters.h"

#include <cmath>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

LogicalResult bigmac::onnx::importTrilu(NodeContext &n) {
  Value input = n.in(0);
  if (typeOf(input).getRank() < 2)
    return n.error() << "expects a tensor of rank 2 or more, found " << input.getType();
  int64_t diagonal = 0;
  if (n.has(1)) {
    FailureOr<int64_t> given = n.integer(1, "k");
    if (failed(given))
      return failure();
    diagonal = std::clamp<int64_t>(*given, -kMaxElements, kMaxElements);
  }
  bool upper = n.attrInt("upper", 1) != 0;
  int64_t rows = shapeOf(input).take_back(2)[0], columns = shapeOf(input).back();
  if (rows && columns > kMaxConstantElements / rows)
    return n.error() << "has too many elements";
  SmallVector<bool> kept;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      kept.push_back(upper ? j - i >= diagonal : j - i <= diagonal);
  Value mask = n.broadcast(n.constantBools({rows, columns}, kept), shapeOf(input));
  return n.setResult(n.select(mask, input, n.splat(input, 0)));
}

/// Sums over a triangle of a broadcast: of size entries, size * size products.
static Value runningSumDirectly(NodeContext &n, Value input, bool exclusive, bool reverse) {
  int64_t rank = typeOf(input).getRank(), size = shapeOf(input).back();
  SmallVector<bool> summed;
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j)
      summed.push_back((reverse ? j > i : j < i) || (!exclusive && i == j));
  Shape unit(shapeOf(input)), shape(shapeOf(input));
  unit.insert(unit.end() - 1, 1);
  shape.push_back(size);
  Value spread = n.broadcast(n.reshape(input, unit), shape);
  Value mask = n.broadcast(n.constantBools({size, size}, summed), shape);
  return n.reduceSum(n.select(mask, spread, n.splat(spread, 0)), {rank});
}

Value bigmac::onnx::runningSum(NodeContext &n, Value input, bool exclusive, bool reverse) {
  constexpr int64_t kDirect = 64;
  int64_t size = shapeOf(input).back();
  if (size <= kDirect)
    return runningSumDirectly(n, input, exclusive, reverse);
  // Blocks: the sum within each, plus the sums of the blocks before.
  auto block = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(size))));
  int64_t blocks = (size + block - 1) / block;
  Shape lead(shapeOf(input).drop_back()), padding = lead, split = lead, padded = lead;
  padding.push_back(blocks * block - size);
  split.append({blocks, block});
  padded.push_back(blocks * block);
  Value whole = input;
  if (padding.back() != 0) {
    auto type = RankedTensorType::get(padding, typeOf(input).getElementType());
    Value zeros = isFloat(input) ? nn::createSplat(n.b, n.loc, type, 0.0) : n.splatInt(type, 0);
    whole = n.concat({input, zeros}, static_cast<int64_t>(lead.size()));
  }
  whole = n.reshape(whole, split);
  Value within = runningSum(n, whole, exclusive, reverse);
  Value sums = n.reduceSum(whole, {static_cast<int64_t>(split.size()) - 1});
  Value before = runningSum(n, sums, /*exclusive=*/true, reverse);
  Shape unit = lead;
  unit.append({blocks, 1});
  Value total = n.add(within, n.broadcast(n.reshape(before, unit), split));
  return n.sliceDim(n.reshape(total, padded), static_cast<int64_t>(lead.size()), 0, size);
}

LogicalResult bigmac::onnx::importCumSum(NodeContext &n) {
  Value input = n.in(0);
  int64_t rank = typeOf(input).getRank();
  FailureOr<int64_t> given = n.integer(1, "axis");
  if (failed(given))
    return failure();
  FailureOr<int64_t> dim = n.axis(*given, rank);
  if (failed(dim))
    return failure();
  if (isBool(input))
    return n.error() << "expects numbers, found booleans";
  if (shapeOf(input)[*dim] > 1 << 22 || typeOf(input).getNumElements() > kMaxElements >> 12)
    return n.error() << "has too many elements";
  Value last = n.swapDims(input, *dim, rank - 1);
  Value sum = runningSum(n, last, n.attrInt("exclusive", 0) != 0, n.attrInt("reverse", 0) != 0);
  return n.setResult(n.swapDims(sum, *dim, rank - 1));
}
