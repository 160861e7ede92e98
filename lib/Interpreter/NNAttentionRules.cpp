//===- NNAttentionRules.cpp - Rules of nn.attention ------------------------===//

#include "Rules.h"

#include "dialects/NN/IR/NN.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace bigmac::interpreter {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What forward and backward have in common: sizes, offsets of rows, and scores.
struct Heads {
  const Tensor &query, &key, &value;
  const Tensor *mask;
  double scale;
  bool causal;
  int64_t heads = query.dim(1), group = heads / key.dim(1);
  int64_t queries = query.dim(2), keys = key.dim(2);
  int64_t width = query.dim(3), valueWidth = value.dim(3);

  /// First elements of the rows that query i and key j of head (b, h) own.
  int64_t statistic(int64_t b, int64_t h, int64_t i) const { return (b * heads + h) * queries + i; }
  int64_t queryRow(int64_t b, int64_t h, int64_t i) const { return statistic(b, h, i) * width; }
  int64_t outputRow(int64_t b, int64_t h, int64_t i) const {
    return statistic(b, h, i) * valueWidth;
  }
  int64_t keyRow(int64_t b, int64_t h, int64_t j) const { return sharedRow(b, h, j) * width; }
  int64_t valueRow(int64_t b, int64_t h, int64_t j) const {
    return sharedRow(b, h, j) * valueWidth;
  }

  /// scale * query . key + mask; -inf for a key that the query does not see.
  double score(int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (causal && j > i + keys - queries)
      return -kInfinity;
    double dot = 0;
    for (int64_t d = 0; d < width; ++d)
      dot += query.at(queryRow(b, h, i) + d) * key.at(keyRow(b, h, j) + d);
    return scale * dot + (mask ? mask->at(maskOffset(b, h, i, j)) : 0.0);
  }

  template <typename Visit> void forEachQuery(Visit visit) const {
    for (int64_t b = 0; b < query.dim(0); ++b)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < queries; ++i)
          visit(b, h, i);
  }

private:
  int64_t sharedRow(int64_t b, int64_t h, int64_t j) const {
    return (b * key.dim(1) + h / group) * keys + j;
  }
  int64_t maskOffset(int64_t b, int64_t h, int64_t i, int64_t j) const {
    int64_t offset = mask->dim(0) == 1 ? 0 : b;
    offset = offset * mask->dim(1) + (mask->dim(1) == 1 ? 0 : h);
    offset = offset * mask->dim(2) + (mask->dim(2) == 1 ? 0 : i);
    return offset * keys + j;
  }
};

template <typename OpTy> Heads headsOf(RuleContext &context, OpTy op) {
  return {context[op.getQuery()],          context[op.getKey()],
          context[op.getValue()],          op.getMask() ? &context[op.getMask()] : nullptr,
          op.getScale().convertToDouble(), op.getCausal()};
}

/// A query that sees no key gives zeros, as in PyTorch, and a logsumexp of +inf, from which the
/// backward gets probabilities of zero.
LogicalResult attention(RuleContext &context) {
  auto op = cast<nn::AttentionOp>(context.op);
  Heads heads = headsOf(context, op);
  Tensor result = context.newResult(0), logsumexp = context.newResult(1);
  MutableArrayRef<double> out = result.mutableFloats(), totals = logsumexp.mutableFloats();
  std::vector<double> scores(heads.keys);
  heads.forEachQuery([&](int64_t b, int64_t h, int64_t i) {
    double top = -kInfinity, sum = 0;
    for (int64_t j = 0; j < heads.keys; ++j) {
      scores[j] = heads.score(b, h, i, j);
      // A NaN must not be lost in the comparison.
      top = scores[j] > top || std::isnan(scores[j]) ? scores[j] : top;
    }
    double &total = totals[heads.statistic(b, h, i)];
    total = kInfinity;
    if (top == -kInfinity)
      return;
    for (double score : scores)
      sum += std::exp(score - top);
    total = top + std::log(sum);
    for (int64_t j = 0; j < heads.keys; ++j) {
      double probability = std::exp(scores[j] - total);
      for (int64_t d = 0; d < heads.valueWidth; ++d)
        out[heads.outputRow(b, h, i) + d] +=
            probability * heads.value.at(heads.valueRow(b, h, j) + d);
    }
  });
  context.results.append({std::move(result), std::move(logsumexp)});
  return success();
}

/// With P = exp(score - logsumexp), dP = grad . value^T and D = sum(grad * output) of a query:
/// dS = P * (dP - D), query's cotangent is scale * dS . key, key's scale * dS^T . query, value's
/// P^T . grad; key and value heads sum over the query heads that read them.
LogicalResult attentionBackward(RuleContext &context) {
  auto op = cast<nn::AttentionBackwardOp>(context.op);
  Heads heads = headsOf(context, op);
  const Tensor &output = context[op.getOutput()], &grad = context[op.getGrad()];
  const Tensor &logsumexp = context[op.getLogsumexp()];
  Tensor queryGrad = context.newResult(0), keyGrad = context.newResult(1),
         valueGrad = context.newResult(2);
  MutableArrayRef<double> dQuery = queryGrad.mutableFloats(), dKey = keyGrad.mutableFloats(),
                          dValue = valueGrad.mutableFloats();
  heads.forEachQuery([&](int64_t b, int64_t h, int64_t i) {
    double total = logsumexp.at(heads.statistic(b, h, i));
    int64_t queryRow = heads.queryRow(b, h, i), outputRow = heads.outputRow(b, h, i);
    double delta = 0;
    for (int64_t d = 0; d < heads.valueWidth; ++d)
      delta += grad.at(outputRow + d) * output.at(outputRow + d);
    for (int64_t j = 0; j < heads.keys; ++j) {
      double score = heads.score(b, h, i, j);
      if (score == -kInfinity)
        continue;
      int64_t keyRow = heads.keyRow(b, h, j), valueRow = heads.valueRow(b, h, j);
      double probability = std::exp(score - total), dProbability = 0;
      for (int64_t d = 0; d < heads.valueWidth; ++d) {
        dProbability += grad.at(outputRow + d) * heads.value.at(valueRow + d);
        dValue[valueRow + d] += probability * grad.at(outputRow + d);
      }
      double dScore = heads.scale * probability * (dProbability - delta);
      for (int64_t d = 0; d < heads.width; ++d) {
        dQuery[queryRow + d] += dScore * heads.key.at(keyRow + d);
        dKey[keyRow + d] += dScore * heads.query.at(queryRow + d);
      }
    }
  });
  context.results.append({std::move(queryGrad), std::move(keyGrad), std::move(valueGrad)});
  return success();
}

} // namespace

void addNNAttentionRules(RuleRegistry &registry) {
  registry.add<nn::AttentionOp>(attention);
  registry.add<nn::AttentionBackwardOp>(attentionBackward);
}

} // namespace bigmac::interpreter
