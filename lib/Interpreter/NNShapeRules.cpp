//===- NNShapeRules.cpp - Rules of nn's shape, reduction and lookup ops ----===//

#include "Rules.h"
#include "Strided.h"

#include "dialects/NN/IR/NN.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace bigmac::interpreter {
namespace {

LogicalResult transpose(RuleContext &context) {
  auto op = cast<nn::TransposeOp>(context.op);
  const Tensor &input = context.operands[0];
  SmallVector<int64_t> strides = rowMajorStrides(input.shape()), steps;
  for (int64_t dim : op.getPermutation())
    steps.push_back(strides[dim]);
  context.results.push_back(gatherStrided(input, context.resultShape(), 0, steps));
  return success();
}

LogicalResult broadcast(RuleContext &context) {
  context.results.push_back(broadcastTo(context.operands[0], context.resultShape()));
  return success();
}

/// Calls `visit(i, o)` for each element i of `input` and the element o of the reduction's result
/// that it belongs to.
template <typename Visit>
void walkReduction(const Tensor &input, ArrayRef<int64_t> dims, ArrayRef<int64_t> resultShape,
                   Visit visit) {
  SmallVector<int64_t> resultStrides = rowMajorStrides(resultShape), steps;
  auto next = resultStrides.begin();
  for (int64_t i = 0; i < input.rank(); ++i)
    steps.push_back(llvm::is_contained(dims, i) ? 0 : *next++);
  walkStrided(input.shape(), 0, steps, visit);
}

LogicalResult reduceSum(RuleContext &context) {
  ArrayRef<int64_t> dims = cast<nn::ReduceSumOp>(context.op).getDims();
  const Tensor &input = context.operands[0];
  Tensor result = context.newResult();
  if (input.isFloat()) {
    MutableArrayRef<double> out = result.mutableFloats();
    walkReduction(input, dims, result.shape(),
                  [&](int64_t i, int64_t o) { out[o] += input.at(i); });
  } else {
    MutableArrayRef<int64_t> out = result.mutableInts();
    walkReduction(input, dims, result.shape(), [&](int64_t i, int64_t o) {
      out[o] = static_cast<int64_t>(static_cast<uint64_t>(out[o]) +
                                    static_cast<uint64_t>(input.intAt(i)));
    });
  }
  context.results.push_back(std::move(result));
  return success();
}

/// NaN if an element is NaN. The maximum of no elements is the type's lowest value.
LogicalResult reduceMax(RuleContext &context) {
  ArrayRef<int64_t> dims = cast<nn::ReduceMaxOp>(context.op).getDims();
  const Tensor &input = context.operands[0];
  Tensor result = context.newResult();
  if (input.isFloat()) {
    MutableArrayRef<double> out = result.mutableFloats();
    llvm::fill(out, -std::numeric_limits<double>::infinity());
    walkReduction(input, dims, result.shape(), [&](int64_t i, int64_t o) {
      if (input.at(i) > out[o] || std::isnan(input.at(i)))
        out[o] = input.at(i);
    });
  } else {
    unsigned width = integerWidth(input.elementType());
    MutableArrayRef<int64_t> out = result.mutableInts();
    llvm::fill(out, width == 1 ? 0 : std::numeric_limits<int64_t>::min() >> (64 - width));
    walkReduction(input, dims, result.shape(),
                  [&](int64_t i, int64_t o) { out[o] = std::max(out[o], input.intAt(i)); });
  }
  context.results.push_back(std::move(result));
  return success();
}

/// The first maximum; a NaN counts as the maximum, as in PyTorch.
LogicalResult argmax(RuleContext &context) {
  const Tensor &input = context.operands[0];
  int64_t columns = input.shape().back();
  Tensor result = context.newResult();
  MutableArrayRef<int64_t> out = result.mutableInts();
  for (int64_t row = 0; row < result.size(); ++row) {
    int64_t best = 0;
    auto above = [&](int64_t a, int64_t b) {
      if (!input.isFloat())
        return input.intAt(row * columns + a) > input.intAt(row * columns + b);
      double x = input.at(row * columns + a), y = input.at(row * columns + b);
      return x > y || (std::isnan(x) && !std::isnan(y));
    };
    for (int64_t j = 1; j < columns; ++j)
      if (above(j, best))
        best = j;
    out[row] = best;
  }
  context.results.push_back(std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Lookup
//===----------------------------------------------------------------------===//

/// The index that element `i` of `ids` selects among `count`: negative ones count from the end.
FailureOr<int64_t> lookupIndex(RuleContext &context, const Tensor &ids, int64_t i, int64_t count) {
  int64_t id = ids.intAt(i);
  if (id < -count || id >= count)
    return context.op->emitOpError("looks up index ")
           << id << " (element " << i << " of its indices), expected -" << count << " to "
           << count - 1;
  return id < 0 ? id + count : id;
}

/// The index that each element of `ids` selects among `count`.
FailureOr<SmallVector<int64_t>> lookupAll(RuleContext &context, const Tensor &ids, int64_t count) {
  SmallVector<int64_t> rows;
  rows.reserve(ids.size());
  for (int64_t i = 0; i < ids.size(); ++i) {
    FailureOr<int64_t> row = lookupIndex(context, ids, i, count);
    if (failed(row))
      return failure();
    rows.push_back(*row);
  }
  return rows;
}

/// Elements of `source` at `offsets`, in order.
Tensor pick(const Tensor &source, ArrayRef<int64_t> shape, ArrayRef<int64_t> offsets) {
  if (source.isFloat()) {
    std::vector<double> values;
    values.reserve(offsets.size());
    for (int64_t offset : offsets)
      values.push_back(source.at(offset));
    return Tensor::fromFloats(shape, source.elementType(), std::move(values));
  }
  std::vector<int64_t> values;
  values.reserve(offsets.size());
  for (int64_t offset : offsets)
    values.push_back(source.intAt(offset));
  return Tensor::fromInts(shape, source.elementType(), std::move(values));
}

/// Offsets into the table of each element of an embedding's result.
FailureOr<SmallVector<int64_t>> embeddingOffsets(RuleContext &context, const Tensor &ids,
                                                 ArrayRef<int64_t> tableShape) {
  FailureOr<SmallVector<int64_t>> rows = lookupAll(context, ids, tableShape[0]);
  if (failed(rows))
    return failure();
  int64_t rowSize = 1;
  for (int64_t size : tableShape.drop_front())
    rowSize *= size;
  SmallVector<int64_t> offsets;
  offsets.reserve(rows->size() * rowSize);
  for (int64_t row : *rows)
    for (int64_t j = 0; j < rowSize; ++j)
      offsets.push_back(row * rowSize + j);
  return offsets;
}

/// Offsets into the input of each element of a gather_elements' result.
FailureOr<SmallVector<int64_t>> gatherOffsets(RuleContext &context, const Tensor &indices,
                                              ArrayRef<int64_t> inputShape) {
  FailureOr<SmallVector<int64_t>> offsets = lookupAll(context, indices, inputShape.back());
  if (failed(offsets))
    return failure();
  for (auto [i, offset] : llvm::enumerate(*offsets))
    offset += static_cast<int64_t>(i) / indices.shape().back() * inputShape.back();
  return offsets;
}

LogicalResult embedding(RuleContext &context) {
  auto op = cast<nn::EmbeddingOp>(context.op);
  const Tensor &table = context[op.getTable()];
  auto offsets = embeddingOffsets(context, context[op.getIds()], table.shape());
  if (failed(offsets))
    return failure();
  context.results.push_back(pick(table, context.resultShape(), *offsets));
  return success();
}

LogicalResult gatherElements(RuleContext &context) {
  auto op = cast<nn::GatherElementsOp>(context.op);
  const Tensor &input = context[op.getInput()];
  auto offsets = gatherOffsets(context, context[op.getIndices()], input.shape());
  if (failed(offsets))
    return failure();
  context.results.push_back(pick(input, context.resultShape(), *offsets));
  return success();
}

/// Adds each element of `grad` to the result at its offset: the transpose of `pick`.
void addAt(RuleContext &context, const Tensor &grad, ArrayRef<int64_t> offsets) {
  Tensor result = context.newResult();
  MutableArrayRef<double> out = result.mutableFloats();
  for (auto [i, offset] : llvm::enumerate(offsets))
    out[offset] += grad.at(i);
  context.results.push_back(std::move(result));
}

LogicalResult embeddingBackward(RuleContext &context) {
  auto op = cast<nn::EmbeddingBackwardOp>(context.op);
  auto offsets = embeddingOffsets(context, context[op.getIds()], context.resultShape());
  if (failed(offsets))
    return failure();
  addAt(context, context[op.getGrad()], *offsets);
  return success();
}

LogicalResult gatherElementsBackward(RuleContext &context) {
  auto op = cast<nn::GatherElementsBackwardOp>(context.op);
  auto offsets = gatherOffsets(context, context[op.getIndices()], context.resultShape());
  if (failed(offsets))
    return failure();
  addAt(context, context[op.getGrad()], *offsets);
  return success();
}

} // namespace

void addNNShapeRules(RuleRegistry &registry) {
  registry.add<nn::TransposeOp>(transpose);
  registry.add<nn::BroadcastOp>(broadcast);
  registry.add<nn::ReduceSumOp>(reduceSum);
  registry.add<nn::ReduceMaxOp>(reduceMax);
  registry.add<nn::ArgMaxOp>(argmax);
  registry.add<nn::EmbeddingOp>(embedding);
  registry.add<nn::EmbeddingBackwardOp>(embeddingBackward);
  registry.add<nn::GatherElementsOp>(gatherElements);
  registry.add<nn::GatherElementsBackwardOp>(gatherElementsBackward);
}

} // namespace bigmac::interpreter
