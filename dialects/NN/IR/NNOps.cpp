//===- NNOps.cpp - Type inference of compute ops ---------------------------===//

#include "dialects/NN/IR/NN.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace bigmac::nn;

#define GET_OP_CLASSES
#include "dialects/NN/IR/NNOps.cpp.inc"

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Checks that an optional scale or bias is a vector as long as the input's last dimension.
static LogicalResult checkAffine(std::optional<Location> location, StringRef name, Value vector,
                                 RankedTensorType input) {
  if (input.getRank() == 0)
    return emitOptionalError(location, "expects an input of rank 1 or more");
  if (vector &&
      (typeOf(vector).getRank() != 1 || typeOf(vector).getDimSize(0) != input.getShape().back()))
    return emitOptionalError(location, "expects ", name, " of ", input.getShape().back(),
                             " elements, found ", typeOf(vector));
  return success();
}

static RankedTensorType dropLast(RankedTensorType type) {
  return RankedTensorType::get(type.getShape().drop_back(), type.getElementType());
}

/// One number a row, in the type that rows are computed in.
static RankedTensorType statisticsOf(RankedTensorType type) {
  return RankedTensorType::get(type.getShape().drop_back(), computeType(type.getElementType()));
}

//===----------------------------------------------------------------------===//
// Linear algebra
//===----------------------------------------------------------------------===//

LogicalResult MatmulOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  RankedTensorType lhs = typeOf(adaptor.getLhs()), rhs = typeOf(adaptor.getRhs());
  if (lhs.getRank() < 2 || rhs.getRank() < 2)
    return emitOptionalError(location, "expects operands of rank 2 or more, found ", lhs, " and ",
                             rhs);
  if (lhs.getElementType() != rhs.getElementType())
    return emitOptionalError(location, "expects equal element types, found ", lhs, " and ", rhs);
  ArrayRef<int64_t> batch = lhs.getShape().drop_back(2);
  if (rhs.getRank() > 2 && rhs.getShape().drop_back(2) != batch)
    return emitOptionalError(location, "expects equal batch dimensions or a rank-2 rhs, found ",
                             lhs, " and ", rhs);
  ArrayRef<int64_t> l = lhs.getShape().take_back(2), r = rhs.getShape().take_back(2);
  bool tl = adaptor.getTransposeLhs(), tr = adaptor.getTransposeRhs();
  if (l[tl ? 0 : 1] != r[tr ? 1 : 0])
    return emitOptionalError(location, "contracts dimensions of ", l[tl ? 0 : 1], " and ",
                             r[tr ? 1 : 0], ", which must be equal");
  SmallVector<int64_t> shape(batch);
  shape.append({l[tl ? 1 : 0], r[tr ? 0 : 1]});
  Type element = lhs.getElementType();
  inferred.push_back(
      RankedTensorType::get(shape, adaptor.getWide() ? computeType(element) : element));
  return success();
}

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                       Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  RankedTensorType input = typeOf(adaptor.getInput()), filter = typeOf(adaptor.getFilter());
  int64_t spatial = input.getRank() - 2;
  if (spatial < 1 || filter.getRank() != input.getRank())
    return emitOptionalError(location, "expects input and filter of one rank of at least 3");
  ArrayRef<int64_t> strides = adaptor.getStrides(), pads = adaptor.getPads(),
                    dilations = adaptor.getDilations();
  if (static_cast<int64_t>(strides.size()) != spatial ||
      static_cast<int64_t>(dilations.size()) != spatial ||
      static_cast<int64_t>(pads.size()) != 2 * spatial)
    return emitOptionalError(location, "expects ", spatial, " strides and dilations and ",
                             2 * spatial, " pads");
  int64_t groups = adaptor.getGroups();
  if (groups < 1 || input.getDimSize(1) != filter.getDimSize(1) * groups ||
      filter.getDimSize(0) % groups)
    return emitOptionalError(location, "has channels that do not fit ", groups, " groups");
  SmallVector<int64_t> shape = {input.getDimSize(0), filter.getDimSize(0)};
  for (int64_t i = 0; i < spatial; ++i) {
    if (strides[i] < 1 || dilations[i] < 1 || pads[i] < 0 || pads[spatial + i] < 0)
      return emitOptionalError(location, "expects positive strides and dilations, pads >= 0");
    int64_t window = dilations[i] * (filter.getDimSize(i + 2) - 1) + 1;
    int64_t size = input.getDimSize(i + 2) + pads[i] + pads[spatial + i] - window;
    if (size < 0)
      return emitOptionalError(location, "has a kernel larger than the padded input");
    shape.push_back(size / strides[i] + 1);
  }
  inferred.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

static LogicalResult inferRowwise(std::optional<Location> location, Value input,
                                  SmallVectorImpl<Type> &inferred) {
  if (typeOf(input).getRank() == 0)
    return emitOptionalError(location, "expects an input of rank 1 or more");
  inferred.push_back(input.getType());
  return success();
}

LogicalResult SoftmaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                          Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  return inferRowwise(location, adaptor.getInput(), inferred);
}
LogicalResult LogSoftmaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                             Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  return inferRowwise(location, adaptor.getInput(), inferred);
}
LogicalResult SigmoidOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                          SmallVectorImpl<Type> &inferred) {
  inferred.push_back(adaptor.getInput().getType());
  return success();
}
LogicalResult SiluOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                       SmallVectorImpl<Type> &inferred) {
  inferred.push_back(adaptor.getInput().getType());
  return success();
}
LogicalResult GeluOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor adaptor,
                                       SmallVectorImpl<Type> &inferred) {
  inferred.push_back(adaptor.getInput().getType());
  return success();
}
LogicalResult GeluBackwardOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                               Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  if (adaptor.getGrad().getType() != adaptor.getInput().getType())
    return emitOptionalError(location, "expects grad like input");
  inferred.push_back(adaptor.getInput().getType());
  return success();
}

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

LogicalResult LayerNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  RankedTensorType input = typeOf(adaptor.getInput());
  if (failed(checkAffine(location, "scale", adaptor.getScale(), input)) ||
      failed(checkAffine(location, "bias", adaptor.getBias(), input)))
    return failure();
  inferred.assign({input, dropLast(input), dropLast(input)});
  return success();
}

LogicalResult LayerNormBackwardOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                    Adaptor adaptor,
                                                    SmallVectorImpl<Type> &inferred) {
  RankedTensorType input = typeOf(adaptor.getInput());
  if (failed(checkAffine(location, "scale", adaptor.getScale(), input)))
    return failure();
  if (typeOf(adaptor.getGrad()) != input || typeOf(adaptor.getMean()) != dropLast(input) ||
      typeOf(adaptor.getRstd()) != dropLast(input))
    return emitOptionalError(location, "expects grad like input, mean and rstd like its rows");
  inferred.push_back(input);
  return success();
}

LogicalResult RMSNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                          Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  RankedTensorType input = typeOf(adaptor.getInput());
  if (failed(checkAffine(location, "scale", adaptor.getScale(), input)))
    return failure();
  inferred.assign({input, dropLast(input)});
  return success();
}

LogicalResult RMSNormBackwardOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                  Adaptor adaptor,
                                                  SmallVectorImpl<Type> &inferred) {
  RankedTensorType input = typeOf(adaptor.getInput());
  if (failed(checkAffine(location, "scale", adaptor.getScale(), input)))
    return failure();
  if (typeOf(adaptor.getGrad()) != input || typeOf(adaptor.getRstd()) != dropLast(input))
    return emitOptionalError(location, "expects grad like input and rstd like its rows");
  inferred.push_back(input);
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

static LogicalResult checkAttention(std::optional<Location> location, Value queryValue,
                                    Value keyValue, Value valueValue, Value mask) {
  RankedTensorType query = typeOf(queryValue), key = typeOf(keyValue), value = typeOf(valueValue);
  if (query.getRank() != 4 || key.getRank() != 4 || value.getRank() != 4)
    return emitOptionalError(location, "expects query, key and value of rank 4, found ", query,
                             ", ", key, " and ", value);
  if (query.getDimSize(0) != key.getDimSize(0) || query.getDimSize(0) != value.getDimSize(0))
    return emitOptionalError(location, "expects one batch size in query, key and value");
  if (key.getDimSize(1) != value.getDimSize(1) || key.getDimSize(1) == 0 ||
      query.getDimSize(1) % key.getDimSize(1))
    return emitOptionalError(location, "has ", query.getDimSize(1), " query heads for ",
                             key.getDimSize(1), " key and ", value.getDimSize(1),
                             " value heads; the first must be a multiple of the others");
  if (query.getDimSize(3) != key.getDimSize(3) || key.getDimSize(2) != value.getDimSize(2))
    return emitOptionalError(location, "has query, key and value whose sizes do not fit: ", query,
                             ", ", key, ", ", value);
  if (!mask)
    return success();
  RankedTensorType type = typeOf(mask);
  auto fits = [](int64_t size, int64_t full) { return size == 1 || size == full; };
  if (type.getRank() != 4 || !fits(type.getDimSize(0), query.getDimSize(0)) ||
      !fits(type.getDimSize(1), query.getDimSize(1)) ||
      !fits(type.getDimSize(2), query.getDimSize(2)) || type.getDimSize(3) != key.getDimSize(2))
    return emitOptionalError(location, "has mask ", type, " that does not broadcast to [batch, ",
                             "heads, queries, keys]");
  return success();
}

LogicalResult AttentionOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  if (failed(checkAttention(location, adaptor.getQuery(), adaptor.getKey(), adaptor.getValue(),
                            adaptor.getMask())))
    return failure();
  RankedTensorType query = typeOf(adaptor.getQuery());
  SmallVector<int64_t> shape(query.getShape().drop_back());
  RankedTensorType logsumexp = statisticsOf(query);
  shape.push_back(typeOf(adaptor.getValue()).getDimSize(3));
  inferred.assign({RankedTensorType::get(shape, query.getElementType()), logsumexp});
  return success();
}

LogicalResult AttentionBackwardOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                    Adaptor adaptor,
                                                    SmallVectorImpl<Type> &inferred) {
  if (failed(checkAttention(location, adaptor.getQuery(), adaptor.getKey(), adaptor.getValue(),
                            adaptor.getMask())))
    return failure();
  SmallVector<int64_t> shape(typeOf(adaptor.getQuery()).getShape().drop_back());
  if (typeOf(adaptor.getLogsumexp()).getShape() != ArrayRef<int64_t>(shape))
    return emitOptionalError(location, "expects logsumexp [batch, heads, queries], found ",
                             typeOf(adaptor.getLogsumexp()));
  shape.push_back(typeOf(adaptor.getValue()).getDimSize(3));
  if (typeOf(adaptor.getOutput()).getShape() != ArrayRef<int64_t>(shape) ||
      adaptor.getGrad().getType() != adaptor.getOutput().getType())
    return emitOptionalError(location,
                             "expects output and grad [batch, heads, queries, dv], found ",
                             typeOf(adaptor.getOutput()), " and ", typeOf(adaptor.getGrad()));
  inferred.assign(
      {adaptor.getQuery().getType(), adaptor.getKey().getType(), adaptor.getValue().getType()});
  return success();
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

static LogicalResult checkCrossEntropy(std::optional<Location> location, Value logitsValue,
                                       Value labelsValue) {
  RankedTensorType logits = typeOf(logitsValue), labels = typeOf(labelsValue);
  if (logits.getRank() != 2 || labels.getRank() != 1 ||
      logits.getDimSize(0) != labels.getDimSize(0))
    return emitOptionalError(location, "expects logits [n, classes] and labels [n], found ", logits,
                             " and ", labels);
  return success();
}

LogicalResult CrossEntropyOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                               Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  if (failed(checkCrossEntropy(location, adaptor.getLogits(), adaptor.getLabels())))
    return failure();
  RankedTensorType logits = typeOf(adaptor.getLogits());
  RankedTensorType logsumexp = statisticsOf(logits);
  inferred.assign({RankedTensorType::get({}, logsumexp.getElementType()), logsumexp});
  return success();
}

LogicalResult CrossEntropyBackwardOp::inferReturnTypes(MLIRContext *,
                                                       std::optional<Location> location,
                                                       Adaptor adaptor,
                                                       SmallVectorImpl<Type> &inferred) {
  if (failed(checkCrossEntropy(location, adaptor.getLogits(), adaptor.getLabels())))
    return failure();
  if (typeOf(adaptor.getLogsumexp()).getShape() != typeOf(adaptor.getLabels()).getShape() ||
      typeOf(adaptor.getGrad()).getRank() != 0)
    return emitOptionalError(location, "expects logsumexp [n] and a grad of rank 0, found ",
                             typeOf(adaptor.getLogsumexp()), " and ", typeOf(adaptor.getGrad()));
  inferred.push_back(adaptor.getLogits().getType());
  return success();
}
