//===- NNLossRules.cpp - Rules of nn's losses ------------------------------===//

#include "Rows.h"
#include "Rules.h"

#include "dialects/NN/IR/NN.h"

using namespace mlir;

namespace bigmac::interpreter {
namespace {

/// Checks that each label is `ignored` or a class; gives how many are not ignored.
FailureOr<int64_t> countLabels(Operation *op, const Tensor &labels, int64_t classes,
                               int64_t ignored) {
  int64_t count = 0;
  for (int64_t i = 0; i < labels.size(); ++i) {
    int64_t label = labels.intAt(i);
    if (label == ignored)
      continue;
    if (label < 0 || label >= classes)
      return op->emitOpError("has label ") << label << " in row " << i << ", expected 0 to "
                                           << classes - 1 << " or " << ignored << ", the ignored";
    ++count;
  }
  return count;
}

LogicalResult crossEntropy(RuleContext &context) {
  auto op = cast<nn::CrossEntropyOp>(context.op);
  const Tensor &logits = context[op.getLogits()], &labels = context[op.getLabels()];
  int64_t ignored = op.getIgnoreIndex();
  FailureOr<int64_t> count = countLabels(op, labels, logits.dim(1), ignored);
  if (failed(count))
    return failure();
  Tensor loss = context.newResult(0), logsumexp = context.newResult(1);
  MutableArrayRef<double> totals = logsumexp.mutableFloats();
  double sum = 0;
  forEachRow(logits, [&](int64_t first, int64_t columns, int64_t row) {
    totals[row] = rowLogSumExp(logits, first, columns);
    if (labels.intAt(row) != ignored)
      sum += totals[row] - logits.at(first + labels.intAt(row));
  });
  loss.mutableFloats()[0] = op.getSum() ? sum : sum / static_cast<double>(*count);
  context.results.append({std::move(loss), std::move(logsumexp)});
  return success();
}

/// (softmax(logits) - onehot(label)) * grad, over the number of labels for a mean; zero in ignored
/// rows, also where all are.
LogicalResult crossEntropyBackward(RuleContext &context) {
  auto op = cast<nn::CrossEntropyBackwardOp>(context.op);
  const Tensor &logits = context[op.getLogits()], &labels = context[op.getLabels()];
  const Tensor &logsumexp = context[op.getLogsumexp()];
  int64_t ignored = op.getIgnoreIndex();
  FailureOr<int64_t> count = countLabels(op, labels, logits.dim(1), ignored);
  if (failed(count))
    return failure();
  double grad = context[op.getGrad()].at(0);
  double weight = op.getSum() ? grad : grad / static_cast<double>(*count);
  Tensor result = context.newResult();
  MutableArrayRef<double> out = result.mutableFloats();
  forEachRow(logits, [&](int64_t first, int64_t columns, int64_t row) {
    if (labels.intAt(row) == ignored)
      return;
    for (int64_t j = 0; j < columns; ++j) {
      double probability = std::exp(logits.at(first + j) - logsumexp.at(row));
      out[first + j] = (probability - (labels.intAt(row) == j)) * weight;
    }
  });
  context.results.push_back(std::move(result));
  return success();
}

} // namespace

void addNNLossRules(RuleRegistry &registry) {
  registry.add<nn::CrossEntropyOp>(crossEntropy);
  registry.add<nn::CrossEntropyBackwardOp>(crossEntropyBackward);
}

} // namespace bigmac::interpreter
