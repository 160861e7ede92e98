//===- NormTest.cpp - Normalization, softmax, activations, losses ----------===//

#include "Reference.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace bigmac::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct RowsCase {
  std::vector<int64_t> shape;
  bool scale, bias;
};

void PrintTo(const RowsCase &c, std::ostream *os) {
  *os << typeName(c.shape) << (c.scale ? " scale" : "") << (c.bias ? " bias" : "");
}

class Norm : public testing::TestWithParam<RowsCase> {
protected:
  std::vector<int64_t> shape = GetParam().shape;
  int64_t columns = shape.back();
  std::vector<int64_t> rowShape{shape.begin(), shape.end() - 1};
  Tensor x = Tensor::random(shape, 1, -3, 5), grad = Tensor::random(shape, 2);
  Tensor scale = Tensor::random({columns}, 3), bias = Tensor::random({columns}, 4);
  int64_t rows = x.size() / columns;
  std::string type = typeName(shape), rowType = typeName(rowShape), vector = typeName({columns});
};

} // namespace

TEST_P(Norm, RMSNormAndBackward) {
  std::string scaleText = GetParam().scale ? " scale %s : " + vector : "";
  Tasks tasks("func.func @f(%x: " + type + ", %g: " + type + ", %s: " + vector + ") -> (" + type +
              ", " + rowType + ", " + type + ") {\n%y, %r = nn.rms_norm %x" + scaleText +
              " epsilon 1.0e-3 : " + type + "\n%d = nn.rms_norm_backward %x, %r, %g" +
              (GetParam().scale ? " scale %s : " + vector : "") + " : " + type + ", " + rowType +
              ", " + type + "\nreturn %y, %r, %d : " + type + ", " + rowType + ", " + type + "\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor y(shape), r(rowShape), d(shape);
  for (int64_t i = 0; i < rows; ++i) {
    double squares = 0, dot = 0;
    auto weight = [&](int64_t j) { return GetParam().scale ? scale[j] : 1.0; };
    for (int64_t j = 0; j < columns; ++j) {
      squares += x[i * columns + j] * x[i * columns + j];
      dot += grad[i * columns + j] * weight(j) * x[i * columns + j];
    }
    r[i] = 1 / std::sqrt(squares / columns + 1e-3);
    for (int64_t j = 0; j < columns; ++j) {
      int64_t k = i * columns + j;
      y[k] = x[k] * r[i] * weight(j);
      d[k] = r[i] * (grad[k] * weight(j) - x[k] * r[i] * r[i] * dot / columns);
    }
  }
  auto results = tasks.run({x, grad, scale});
  EXPECT_LT(relativeError(results[0], y), 1e-5);
  EXPECT_LT(relativeError(results[1], r), 1e-5);
  EXPECT_LT(relativeError(results[2], d), 1e-4);
}

TEST_P(Norm, LayerNormAndBackward) {
  const RowsCase &c = GetParam();
  Tasks tasks("func.func @f(%x: " + type + ", %g: " + type + ", %s: " + vector + ", %b: " + vector +
              ") -> (" + type + ", " + rowType + ", " + rowType + ", " + type +
              ") {\n%y, %m, %r = nn.layer_norm %x" + (c.scale ? " scale %s : " + vector : "") +
              (c.bias ? " bias %b : " + vector : "") + " epsilon 1.0e-3 : " + type +
              "\n%d = nn.layer_norm_backward %x, %m, %r, %g" +
              (c.scale ? " scale %s : " + vector : "") + " : " + type + ", " + rowType + ", " +
              rowType + ", " + type + "\nreturn %y, %m, %r, %d : " + type + ", " + rowType + ", " +
              rowType + ", " + type + "\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor y(shape), m(rowShape), r(rowShape), d(shape);
  for (int64_t i = 0; i < rows; ++i) {
    auto weight = [&](int64_t j) { return c.scale ? scale[j] : 1.0; };
    for (int64_t j = 0; j < columns; ++j)
      m[i] += x[i * columns + j] / columns;
    double variance = 0, meanGrad = 0, meanProduct = 0;
    for (int64_t j = 0; j < columns; ++j)
      variance += std::pow(x[i * columns + j] - m[i], 2) / columns;
    r[i] = 1 / std::sqrt(variance + 1e-3);
    auto normal = [&](int64_t j) { return (x[i * columns + j] - m[i]) * r[i]; };
    for (int64_t j = 0; j < columns; ++j) {
      double g = grad[i * columns + j] * weight(j);
      meanGrad += g / columns;
      meanProduct += g * normal(j) / columns;
    }
    for (int64_t j = 0; j < columns; ++j) {
      int64_t k = i * columns + j;
      y[k] = normal(j) * weight(j) + (c.bias ? bias[j] : 0);
      d[k] = r[i] * (grad[k] * weight(j) - meanGrad - normal(j) * meanProduct);
    }
  }
  auto results = tasks.run({x, grad, scale, bias});
  EXPECT_LT(relativeError(results[0], y), 2e-5);
  EXPECT_LT(relativeError(results[1], m), 1e-5);
  EXPECT_LT(relativeError(results[2], r), 1e-5);
  EXPECT_LT(relativeError(results[3], d), 1e-4);
}

TEST_P(Norm, SoftmaxAndActivations) {
  Tasks tasks("func.func @f(%x: " + type + ") -> (" + type + ", " + type + ", " + type + ", " +
              type + ", " + type + ", " + type + ") {\n%0 = nn.softmax %x : " + type +
              "\n%1 = nn.log_softmax %x : " + type + "\n%2 = nn.silu %x : " + type +
              "\n%3 = nn.gelu %x : " + type + "\n%4 = nn.gelu tanh %x : " + type +
              "\n%5 = nn.sigmoid %x : " + type + "\nreturn %0, %1, %2, %3, %4, %5 : " + type +
              ", " + type + ", " + type + ", " + type + ", " + type + ", " + type + "\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  // Large entries: without the maximum taken off, the exponentials would overflow.
  for (int64_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i % 2 ? 30 * x[i] : x[i]);
  if (columns > 2)
    x[1] = -infinity;
  Tensor soft(shape), log(shape), silu(shape), gelu(shape), tanh(shape), sigmoid(shape);
  for (int64_t i = 0; i < rows; ++i) {
    double max = -infinity, sum = 0;
    for (int64_t j = 0; j < columns; ++j)
      max = std::max(max, x[i * columns + j]);
    for (int64_t j = 0; j < columns; ++j)
      sum += std::exp(x[i * columns + j] - max);
    for (int64_t j = 0; j < columns; ++j) {
      int64_t k = i * columns + j;
      double v = x[k];
      soft[k] = std::exp(v - max) / sum;
      log[k] = v - max - std::log(sum);
      sigmoid[k] = 1 / (1 + std::exp(-v));
      silu[k] = v / (1 + std::exp(-v));
      gelu[k] = 0.5 * v * (1 + std::erf(v * std::sqrt(0.5)));
      tanh[k] = 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    }
  }
  auto results = tasks.run({x});
  EXPECT_LT(relativeError(results[0], soft), 1e-5);
  EXPECT_LT(relativeError(results[1], log), 1e-5);
  EXPECT_LT(relativeError(results[2], silu), 1e-5);
  // 1 + erf(x) cancels for negative x: what counts is the error beside the input.
  EXPECT_LT(relativeError(results[3], gelu, 1.0), 2e-6);
  EXPECT_LT(relativeError(results[4], tanh, 1.0), 2e-6);
  EXPECT_LT(relativeError(results[5], sigmoid), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Norm,
                         testing::Values(RowsCase{{6, 64}, true, true},
                                         RowsCase{{2, 3, 37}, true, false},
                                         RowsCase{{5, 100}, false, false},
                                         RowsCase{{3, 2, 2, 8}, false, true},
                                         RowsCase{{1, 513}, true, true},
                                         RowsCase{{7, 1}, true, true}, RowsCase{{19}, true, true}));

// Against differences of gelu itself.
TEST(Gelu, Backward) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<5x33xf32>, %g: tensor<5x33xf32>) -> (tensor<5x33xf32>, tensor<5x33xf32>) {
    %0 = nn.gelu_backward %x, %g : tensor<5x33xf32>, tensor<5x33xf32>
    %1 = nn.gelu_backward tanh %x, %g : tensor<5x33xf32>, tensor<5x33xf32>
    return %0, %1 : tensor<5x33xf32>, tensor<5x33xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::random({5, 33}, 1, -8, 8), g = Tensor::random({5, 33}, 2);
  auto exact = [](double v) { return 0.5 * v * (1 + std::erf(v * std::sqrt(0.5))); };
  auto tanh = [](double v) {
    return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
  };
  auto results = tasks.run({x, g});
  constexpr double h = 1e-5;
  // Of the tanh form 1 - t^2 loses what t's last place is, and is multiplied by up to 3 |x|.
  constexpr double most = 1e-6, mostOfTanh = 4e-6;
  for (int64_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(results[0][i], g[i] * (exact(x[i] + h) - exact(x[i] - h)) / (2 * h), most) << x[i];
    EXPECT_NEAR(results[1][i], g[i] * (tanh(x[i] + h) - tanh(x[i] - h)) / (2 * h), mostOfTanh)
        << x[i];
  }
}

TEST(Softmax, RowOfMinusInfinityIsNaN) {
  Tasks tasks(R"(func.func @f(%x: tensor<2x9xf32>) -> tensor<2x9xf32> {
    %0 = nn.softmax %x : tensor<2x9xf32>
    return %0 : tensor<2x9xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x({2, 9});
  for (int64_t j = 0; j < 9; ++j)
    x[j] = -infinity;
  Tensor y = tasks.run({x})[0];
  for (int64_t j = 0; j < 9; ++j) {
    EXPECT_TRUE(std::isnan(y[j]));
    EXPECT_NEAR(y[9 + j], 1.0 / 9, 1e-7);
  }
}

namespace {

struct LossCase {
  int64_t rows, classes;
  bool sum, ignore;
  const char *labelType;
};

void PrintTo(const LossCase &c, std::ostream *os) {
  *os << c.rows << " x " << c.classes << (c.sum ? " sum" : "") << (c.ignore ? " ignore" : "") << " "
      << c.labelType;
}

class CrossEntropy : public testing::TestWithParam<LossCase> {};

} // namespace

TEST_P(CrossEntropy, AndBackward) {
  const LossCase &c = GetParam();
  std::string logits = typeName({c.rows, c.classes}), row = typeName({c.rows});
  std::string labelType = typeName({c.rows}, c.labelType), sum = c.sum ? "sum " : "";
  Tasks tasks("func.func @f(%x: " + logits + ", %l: " + labelType + ", %g: tensor<f32>) -> (" +
              "tensor<f32>, " + row + ", " + logits + ") {\n%0, %1 = nn.cross_entropy " + sum +
              "%x, %l : " + logits + ", " + labelType + "\n%2 = nn.cross_entropy_backward " + sum +
              "%x, %l, %1, %g : " + logits + ", " + labelType + ", " + row +
              ", tensor<f32>\nreturn %0, %1, %2 : tensor<f32>, " + row + ", " + logits + "\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::random({c.rows, c.classes}, 1, -20, 20);
  Tensor labels = Tensor::randomInts({c.rows}, 2, 0, c.classes), g = Tensor::scalar(0.75);
  if (c.ignore)
    for (int64_t i = 0; i < c.rows; i += 3)
      labels[i] = -100;
  Tensor loss = Tensor::scalar(0), lse({c.rows}), d({c.rows, c.classes});
  double count = 0;
  for (int64_t i = 0; i < c.rows; ++i) {
    double max = -infinity, total = 0;
    for (int64_t j = 0; j < c.classes; ++j)
      max = std::max(max, x.at({i, j}));
    for (int64_t j = 0; j < c.classes; ++j)
      total += std::exp(x.at({i, j}) - max);
    lse[i] = max + std::log(total);
    if (labels[i] == -100)
      continue;
    count += 1;
    loss[0] += lse[i] - x.at({i, static_cast<int64_t>(labels[i])});
  }
  double share = c.sum ? 1 : count;
  loss[0] /= share;
  for (int64_t i = 0; i < c.rows; ++i)
    for (int64_t j = 0; j < c.classes; ++j)
      if (labels[i] != -100)
        d.at({i, j}) = (std::exp(x.at({i, j}) - lse[i]) - (j == labels[i])) * 0.75 / share;
  auto results = tasks.run({x, labels, g});
  EXPECT_LT(relativeError(results[0], loss), 1e-6);
  EXPECT_LT(relativeError(results[1], lse), 1e-6);
  EXPECT_LT(relativeError(results[2], d, 1e-4), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Shapes, CrossEntropy,
                         testing::Values(LossCase{6, 10, false, false, "i64"},
                                         LossCase{7, 133, false, true, "i64"},
                                         LossCase{7, 33, true, true, "i32"},
                                         LossCase{1, 1000, true, false, "i64"}));

TEST(CrossEntropyLabels, AreChecked) {
  Tasks tasks(R"(func.func @f(%x: tensor<3x5xf32>, %l: tensor<3xi64>) -> tensor<f32> {
    %0, %1 = nn.cross_entropy %x, %l : tensor<3x5xf32>, tensor<3xi64>
    return %0 : tensor<f32>
  }
  func.func @g(%x: tensor<3x5xf32>, %l: tensor<3xi64>, %r: tensor<3xf32>, %g: tensor<f32>) -> tensor<3x5xf32> {
    %0 = nn.cross_entropy_backward %x, %l, %r, %g : tensor<3x5xf32>, tensor<3xi64>, tensor<3xf32>, tensor<f32>
    return %0 : tensor<3x5xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  for (int64_t bad : {5, -1, 1000000}) {
    Tensor x = Tensor::random({3, 5}, 1), labels({3}, 1);
    labels[1] = static_cast<double>(bad);
    std::vector<Tensor> args = {x, labels};
    IndexError error{};
    tasks.run("f", args, &error);
    EXPECT_EQ(error.index, bad);
    EXPECT_EQ(error.size, 5);
    args = {x, labels, Tensor({3}, 1), Tensor::scalar(1)};
    error = {};
    tasks.run("g", args, &error);
    EXPECT_EQ(error.index, bad);
  }
  // No row counts: the mean of nothing.
  EXPECT_TRUE(std::isnan(tasks.run({Tensor({3, 5}), Tensor({3}, -100)})[0][0]));
}
