//===- Losses.cpp - Cross-entropy and negative log-likelihood --------------===//

#include "OpImporters.h"

#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

namespace {

/// The operands of a classification loss as rows: [batch, classes, spatial...] scores and
/// [batch, spatial...] labels become [rows, classes] and [rows].
struct Rows {
  Value scores, labels;
  Value weights; ///< [classes], or null
  int64_t count = 0, classes = 0;
  Shape labelShape;
  std::optional<int64_t> ignored;
  std::string reduction;
};

} // namespace

/// Channels last, then all other dimensions as one.
static Value classesLast(NodeContext &n, Value scores) {
  int64_t rank = typeOf(scores).getRank();
  SmallVector<int64_t> permutation = {0};
  for (int64_t i = 2; i < rank; ++i)
    permutation.push_back(i);
  permutation.push_back(1);
  Value last = n.transpose(scores, permutation);
  int64_t classes = shapeOf(last).back();
  int64_t rows = 1;
  for (int64_t size : shapeOf(last).drop_back())
    rows *= size;
  return n.reshape(last, {rows, classes});
}

static FailureOr<Rows> makeRows(NodeContext &n) {
  Value scores = n.in(0), labels = n.in(1);
  if (!isFloat(scores) || typeOf(scores).getRank() < 2)
    return n.error() << "expects floating-point scores of rank 2 or more, found "
                     << scores.getType();
  if (isFloat(labels) || isBool(labels))
    return n.error() << "expects integers as its labels, found " << labels.getType();
  Shape expected(shapeOf(scores));
  expected.erase(expected.begin() + 1);
  if (shapeOf(labels) != ArrayRef<int64_t>(expected))
    return n.error() << "has labels " << labels.getType() << " that do not fit its scores "
                     << scores.getType();
  Rows rows;
  rows.labelShape = expected;
  rows.classes = shapeOf(scores)[1];
  rows.scores = classesLast(n, scores);
  rows.count = shapeOf(rows.scores)[0];
  rows.labels = n.reshape(labels, {rows.count});
  rows.weights = n.optional(2);
  if (rows.weights && (shapeOf(rows.weights) != ArrayRef<int64_t>{rows.classes} ||
                       typeOf(rows.weights).getElementType() != typeOf(scores).getElementType()))
    return n.error() << "expects " << rows.classes << " weights of its scores' type, found "
                     << rows.weights.getType();
  if (n.attribute("ignore_index"))
    rows.ignored = n.attrInt("ignore_index", 0);
  rows.reduction = n.attrString("reduction", "mean");
  if (rows.reduction != "mean" && rows.reduction != "sum" && rows.reduction != "none")
    return n.error() << "has unknown reduction '" << rows.reduction << "'";
  return rows;
}

/// The loss from logarithms of probabilities [rows, classes]. The form of the unweighted mean and
/// sum is the one that nn-raise-loss knows.
static Value lossOf(NodeContext &n, const Rows &rows, Value logProbabilities) {
  Value labels = n.cast(rows.labels, n.b.getI64Type(), n.isUnsignedInput(1), false);
  Value valid;
  if (rows.ignored) {
    Value ignored = n.splatInt(typeOf(labels), *rows.ignored);
    valid = arith::CmpIOp::create(n.b, n.loc, arith::CmpIPredicate::ne, labels, ignored);
    labels = n.select(valid, labels, n.splat(labels, 0));
  }
  Value picked = nn::GatherElementsOp::create(n.b, n.loc, logProbabilities,
                                              n.reshape(labels, {rows.count, 1}));
  Value loss = n.neg(n.reshape(picked, {rows.count}));
  Value weight;
  if (rows.weights) {
    weight = n.lookup(rows.weights, labels);
    loss = n.mul(loss, weight);
  }
  if (valid) {
    loss = n.select(valid, loss, n.splat(loss, 0.0));
    if (weight)
      weight = n.select(valid, weight, n.splat(weight, 0.0));
    else
      weight = n.cast(valid, typeOf(loss).getElementType(), true, false);
  }
  if (rows.reduction == "none")
    return n.reshape(loss, rows.labelShape);
  Value sum = n.reduceSum(loss, {0});
  if (rows.reduction == "sum")
    return sum;
  Value total = weight ? n.reduceSum(weight, {0}) : n.splat(sum, static_cast<double>(rows.count));
  return n.div(sum, total);
}

LogicalResult bigmac::onnx::importSoftmaxCrossEntropyLoss(NodeContext &n) {
  FailureOr<Rows> rows = makeRows(n);
  if (failed(rows))
    return failure();
  Value logProbabilities;
  if (rows->weights || rows->reduction == "none" || n.wantsOutput(1))
    logProbabilities = nn::LogSoftmaxOp::create(n.b, n.loc, rows->scores);
  if (n.wantsOutput(1)) {
    // Back to [batch, classes, spatial...].
    Shape last = rows->labelShape;
    last.push_back(rows->classes);
    int64_t rank = static_cast<int64_t>(last.size());
    SmallVector<int64_t> permutation = {0, rank - 1};
    for (int64_t i = 1; i < rank - 1; ++i)
      permutation.push_back(i);
    (void)n.setResult(n.transpose(n.reshape(logProbabilities, last), permutation), 1);
  }
  if (rows->weights || rows->reduction == "none")
    return n.setResult(lossOf(n, *rows, logProbabilities));
  FailureOr<nn::CrossEntropyOp> loss =
      n.create<nn::CrossEntropyOp>({rows->scores, rows->labels}, [&](auto &properties) {
        // Without an ignored index none is: no label has this one.
        properties.ignore_index =
            n.b.getI64IntegerAttr(rows->ignored.value_or(std::numeric_limits<int64_t>::min()));
        if (rows->reduction == "sum")
          properties.sum = n.b.getUnitAttr();
      });
  if (failed(loss))
    return failure();
  return n.setResult(loss->getLoss());
}

LogicalResult bigmac::onnx::importNegativeLogLikelihoodLoss(NodeContext &n) {
  FailureOr<Rows> rows = makeRows(n);
  if (failed(rows))
    return failure();
  return n.setResult(lossOf(n, *rows, rows->scores));
}
