//===- NNComputeRules.cpp - Rules of nn's products and activations ----===//

#include "Rows.h"
#include "Rules.h"

#include "dialects/NN/IR/NN.h"

#include <cmath>
#include <numbers>

using namespace mlir;

namespace bigmac::interpreter {
namespace {

//===----------------------------------------------------------------------===//
// Linear algebra
//===----------------------------------------------------------------------===//

LogicalResult matmul(RuleContext &context) {
  auto op = cast<nn::MatmulOp>(context.op);
  const Tensor &lhs = context[op.getLhs()], &rhs = context[op.getRhs()];
  Tensor result = context.newResult();
  ArrayRef<int64_t> shape = result.shape();
  int64_t m = shape[shape.size() - 2], n = shape.back();
  bool tl = op.getTransposeLhs(), tr = op.getTransposeRhs();
  int64_t k = tl ? lhs.dim(lhs.rank() - 2) : lhs.shape().back();
  bool shared = rhs.rank() < lhs.rank();
  MutableArrayRef<double> out = result.mutableFloats();
  int64_t batches = m * n ? result.size() / (m * n) : 0;
  for (int64_t b = 0; b < batches; ++b) {
    int64_t left = b * m * k, right = shared ? 0 : b * k * n;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t p = 0; p < k; ++p) {
        double a = lhs.at(left + (tl ? p * m + i : i * k + p));
        for (int64_t j = 0; j < n; ++j)
          out[(b * m + i) * n + j] += a * rhs.at(right + (tr ? j * k + p : p * n + j));
      }
  }
  context.results.push_back(std::move(result));
  return success();
}

LogicalResult conv(RuleContext &context) {
  auto op = cast<nn::ConvOp>(context.op);
  const Tensor &input = context[op.getInput()], &filter = context[op.getFilter()];
  Tensor result = context.newResult();
  MutableArrayRef<double> out = result.mutableFloats();
  int64_t spatial = input.rank() - 2;
  int64_t groupInputs = filter.dim(1), groupOutputs = filter.dim(0) / op.getGroups();
  SmallVector<int64_t> inputStrides = rowMajorStrides(input.shape());
  SmallVector<int64_t> resultStrides = rowMajorStrides(result.shape());
  ArrayRef<int64_t> kernel = filter.shape().drop_front(2);
  SmallVector<int64_t> kernelStrides = rowMajorStrides(kernel);
  int64_t kernelSize = 1;
  for (int64_t size : kernel)
    kernelSize *= size;

  // Element `at` of the result: the window's products, in which padding counts as zero.
  auto window = [&](int64_t at) {
    int64_t sample = at / resultStrides[0], channel = at / resultStrides[1] % result.dim(1);
    int64_t group = channel / groupOutputs;
    double sum = 0;
    for (int64_t c = 0; c < groupInputs; ++c)
      for (int64_t tap = 0; tap < kernelSize; ++tap) {
        int64_t offset = sample * inputStrides[0] + (group * groupInputs + c) * inputStrides[1];
        bool inside = true;
        for (int64_t d = 0; d < spatial; ++d) {
          int64_t position = at / resultStrides[d + 2] % result.dim(d + 2);
          int64_t index = position * op.getStrides()[d] - op.getPads()[d] +
                          tap / kernelStrides[d] % kernel[d] * op.getDilations()[d];
          inside &= index >= 0 && index < input.dim(d + 2);
          offset += index * inputStrides[d + 2];
        }
        if (inside)
          sum += input.at(offset) * filter.at((channel * groupInputs + c) * kernelSize + tap);
      }
    return sum;
  };
  for (int64_t i = 0; i < result.size(); ++i)
    out[i] = window(i);
  context.results.push_back(std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

LogicalResult softmax(RuleContext &context) {
  const Tensor &input = context.operands[0];
  Tensor result = context.newResult();
  MutableArrayRef<double> out = result.mutableFloats();
  forEachRow(input, [&](int64_t first, int64_t columns, int64_t) {
    double total = rowLogSumExp(input, first, columns);
    for (int64_t j = first; j < first + columns; ++j)
      out[j] = std::exp(input.at(j) - total);
  });
  context.results.push_back(std::move(result));
  return success();
}

LogicalResult logSoftmax(RuleContext &context) {
  const Tensor &input = context.operands[0];
  Tensor result = context.newResult();
  MutableArrayRef<double> out = result.mutableFloats();
  forEachRow(input, [&](int64_t first, int64_t columns, int64_t) {
    double total = rowLogSumExp(input, first, columns);
    for (int64_t j = first; j < first + columns; ++j)
      out[j] = input.at(j) - total;
  });
  context.results.push_back(std::move(result));
  return success();
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double silu(double x) { return x / (1.0 + std::exp(-x)); }

double geluErf(double x) { return 0.5 * x * (1.0 + std::erf(x * std::sqrt(0.5))); }

double geluTanh(double x) {
  double inner = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1.0 + std::tanh(inner));
}

/// y = x Phi(x), Phi the normal distribution: dy = Phi(x) + x phi(x).
double geluErfSlope(double x) {
  double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
  return 0.5 * (1.0 + std::erf(x * std::sqrt(0.5))) + x * density;
}

/// y = x (1 + tanh(u)) / 2.
double geluTanhSlope(double x) {
  double root = std::sqrt(2.0 / std::numbers::pi);
  double t = std::tanh(root * (x + 0.044715 * x * x * x));
  double du = root * (1.0 + 3 * 0.044715 * x * x);
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * du;
}

double geluErfBackward(double x, double grad) { return grad * geluErfSlope(x); }
double geluTanhBackward(double x, double grad) { return grad * geluTanhSlope(x); }

LogicalResult geluBackward(RuleContext &context) {
  return cast<nn::GeluBackwardOp>(context.op).getTanh() ? floatBinary<geluTanhBackward>(context)
                                                        : floatBinary<geluErfBackward>(context);
}

LogicalResult gelu(RuleContext &context) {
  return cast<nn::GeluOp>(context.op).getTanh() ? floatUnary<geluTanh>(context)
                                                : floatUnary<geluErf>(context);
}

} // namespace

void addNNComputeRules(RuleRegistry &registry) {
  registry.add<nn::MatmulOp>(matmul);
  registry.add<nn::ConvOp>(conv);
  registry.add<nn::SoftmaxOp>(softmax);
  registry.add<nn::LogSoftmaxOp>(logSoftmax);
  registry.add<nn::SigmoidOp>(floatUnary<sigmoid>);
  registry.add<nn::SiluOp>(floatUnary<silu>);
  registry.add<nn::GeluOp>(gelu);
  registry.add<nn::GeluBackwardOp>(geluBackward);
}

} // namespace bigmac::interpreter
