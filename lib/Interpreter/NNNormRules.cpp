//===- NNNormRules.cpp - Rules of nn's normalizations ----------------------===//

#include "Rows.h"
#include "Rules.h"

#include "dialects/NN/IR/NN.h"

#include <cmath>

using namespace mlir;

namespace bigmac::interpreter {
namespace {

LogicalResult layerNorm(RuleContext &context) {
  auto op = cast<nn::LayerNormOp>(context.op);
  double epsilon = op.getEpsilon().convertToDouble();
  const Tensor &input = context[op.getInput()];
  Tensor result = context.newResult(0), mean = context.newResult(1), rstd = context.newResult(2);
  MutableArrayRef<double> out = result.mutableFloats(), means = mean.mutableFloats(),
                          rstds = rstd.mutableFloats();
  forEachRow(input, [&](int64_t first, int64_t columns, int64_t row) {
    double sum = 0, squares = 0;
    for (int64_t j = 0; j < columns; ++j)
      sum += input.at(first + j);
    means[row] = sum / columns;
    for (int64_t j = 0; j < columns; ++j)
      squares += std::pow(input.at(first + j) - means[row], 2);
    rstds[row] = 1.0 / std::sqrt(squares / columns + epsilon);
    for (int64_t j = 0; j < columns; ++j) {
      double value = (input.at(first + j) - means[row]) * rstds[row];
      if (op.getScale())
        value *= context[op.getScale()].at(j);
      if (op.getBias())
        value += context[op.getBias()].at(j);
      out[first + j] = value;
    }
  });
  context.results.append({std::move(result), std::move(mean), std::move(rstd)});
  return success();
}

LogicalResult rmsNorm(RuleContext &context) {
  auto op = cast<nn::RMSNormOp>(context.op);
  double epsilon = op.getEpsilon().convertToDouble();
  const Tensor &input = context[op.getInput()];
  Tensor result = context.newResult(0), rstd = context.newResult(1);
  MutableArrayRef<double> out = result.mutableFloats(), rstds = rstd.mutableFloats();
  forEachRow(input, [&](int64_t first, int64_t columns, int64_t row) {
    double squares = 0;
    for (int64_t j = 0; j < columns; ++j)
      squares += std::pow(input.at(first + j), 2);
    rstds[row] = 1.0 / std::sqrt(squares / columns + epsilon);
    for (int64_t j = 0; j < columns; ++j)
      out[first + j] =
          input.at(first + j) * rstds[row] * (op.getScale() ? context[op.getScale()].at(j) : 1.0);
  });
  context.results.append({std::move(result), std::move(rstd)});
  return success();
}

/// With g = grad * scale: rstd * (g - mean(g) - xhat * mean(g * xhat)).
LogicalResult layerNormBackward(RuleContext &context) {
  auto op = cast<nn::LayerNormBackwardOp>(context.op);
  const Tensor &input = context[op.getInput()], &grad = context[op.getGrad()];
  const Tensor &mean = context[op.getMean()], &rstd = context[op.getRstd()];
  Tensor result = context.newResult();
  MutableArrayRef<double> out = result.mutableFloats();
  forEachRow(input, [&](int64_t first, int64_t columns, int64_t row) {
    auto g = [&](int64_t j) {
      return grad.at(first + j) * (op.getScale() ? context[op.getScale()].at(j) : 1.0);
    };
    auto xhat = [&](int64_t j) { return (input.at(first + j) - mean.at(row)) * rstd.at(row); };
    double sum = 0, dot = 0;
    for (int64_t j = 0; j < columns; ++j) {
      sum += g(j);
      dot += g(j) * xhat(j);
    }
    for (int64_t j = 0; j < columns; ++j)
      out[first + j] = rstd.at(row) * (g(j) - sum / columns - xhat(j) * dot / columns);
  });
  context.results.push_back(std::move(result));
  return success();
}

/// With g = grad * scale: rstd * (g - input * rstd^2 * mean(g * input)).
LogicalResult rmsNormBackward(RuleContext &context) {
  auto op = cast<nn::RMSNormBackwardOp>(context.op);
  const Tensor &input = context[op.getInput()], &grad = context[op.getGrad()];
  const Tensor &rstd = context[op.getRstd()];
  Tensor result = context.newResult();
  MutableArrayRef<double> out = result.mutableFloats();
  forEachRow(input, [&](int64_t first, int64_t columns, int64_t row) {
    auto g = [&](int64_t j) {
      return grad.at(first + j) * (op.getScale() ? context[op.getScale()].at(j) : 1.0);
    };
    double dot = 0, r = rstd.at(row);
    for (int64_t j = 0; j < columns; ++j)
      dot += g(j) * input.at(first + j);
    for (int64_t j = 0; j < columns; ++j)
      out[first + j] = r * (g(j) - input.at(first + j) * r * r * dot / columns);
  });
  context.results.push_back(std::move(result));
  return success();
}

} // namespace

void addNNNormRules(RuleRegistry &registry) {
  registry.add<nn::LayerNormOp>(layerNorm);
  registry.add<nn::LayerNormBackwardOp>(layerNormBackward);
  registry.add<nn::RMSNormOp>(rmsNorm);
  registry.add<nn::RMSNormBackwardOp>(rmsNormBackward);
}

} // namespace bigmac::interpreter
