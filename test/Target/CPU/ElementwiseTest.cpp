//===- ElementwiseTest.cpp - Elementwise math, shapes and slices -----------===//

#include "TaskRunner.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace bigmac::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

/// Distance in units of the last place of f32; 0 for equal values and for two NaN.
double ulps(double actual, double exact) {
  if (std::isnan(actual) || std::isnan(exact))
    return std::isnan(actual) && std::isnan(exact) ? 0 : infinity;
  float nearest = static_cast<float>(exact);
  if (static_cast<double>(nearest) == actual)
    return 0;
  if (std::isinf(actual) || std::isinf(nearest))
    return infinity;
  double unit = std::max(std::ldexp(1.0, std::ilogb(nearest == 0 ? 1e-45f : nearest) - 23),
                         std::ldexp(1.0, -149));
  return std::abs(actual - exact) / unit;
}

/// Beyond 2^48, which no angle reaches, sine and cosine are NaN.
double sine(double x) { return std::abs(x) < 281474976710656.0 ? std::sin(x) : notANumber; }
double cosine(double x) { return std::abs(x) < 281474976710656.0 ? std::cos(x) : notANumber; }

struct MathCase {
  const char *op;
  double (*exact)(double);
  double low, high;
  /// What is promised.
  double ulps;
};

void PrintTo(const MathCase &value, std::ostream *os) { *os << value.op; }

class MathAccuracy : public testing::TestWithParam<MathCase> {};

} // namespace

TEST_P(MathAccuracy, IsWithinUlps) {
  if (!isForCPU())
    GTEST_SKIP() << "device code calls a library's functions";
  const MathCase &param = GetParam();
  constexpr int64_t count = 40013;
  std::string type = "tensor<" + std::to_string(count) + "xf32>";
  Tasks tasks("func.func @f(%a: " + type + ") -> " + type + " {\n  %0 = " + param.op +
              " %a : " + type + "\n  return %0 : " + type + "\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor input = Tensor::random({count}, 7, param.low, param.high);
  const double special[] = {0.0,    -0.0,   infinity, -infinity, notANumber, 1.0,     -1.0,
                            1e-40,  -1e-40, 1e-30,    0.625,     0.92,       -0.92,   88.7,
                            -88.7,  -103.5, -104.5,   89.5,      4.5,        -4.5,    0.70710678,
                            1.4142, 3.4e38, -3.4e38,  1.2e-38,   1e-45,      1000.25, -1e6};
  int64_t i = 0;
  for (double value : special)
    input[i++] = static_cast<float>(value);
  Tensor output = tasks.run({input})[0];
  double worst = 0, where = 0;
  for (i = 0; i < count; ++i) {
    double error = ulps(output[i], param.exact(input[i]));
    if (error > worst) {
      worst = error;
      where = input[i];
    }
  }
  EXPECT_LE(worst, param.ulps) << "at " << where;
}

INSTANTIATE_TEST_SUITE_P(
    Functions, MathAccuracy,
    testing::Values(
        MathCase{"math.exp", std::exp, -105, 90, 1.5}, MathCase{"math.exp", std::exp, -1, 1, 1.5},
        MathCase{"math.log", std::log, 0, 1e6, 1.5}, MathCase{"math.log", std::log, 0.5, 2, 1.5},
        MathCase{"math.tanh", std::tanh, -10, 10, 6},
        MathCase{"math.tanh", std::tanh, -0.7, 0.7, 6},
        MathCase{"math.erf", std::erf, -4.5, 4.5, 7}, MathCase{"math.erf", std::erf, -1, 1, 7},
        MathCase{"math.sin", sine, -10, 10, 2}, MathCase{"math.sin", sine, -100000, 100000, 2},
        MathCase{"math.cos", cosine, -10, 10, 2}, MathCase{"math.cos", cosine, -100000, 100000, 2},
        MathCase{"math.sqrt", std::sqrt, 0, 100, 0.51},
        MathCase{"math.absf", std::fabs, -10, 10, 0},
        MathCase{"math.floor", std::floor, -10, 10, 0},
        MathCase{"math.log1p", std::log1p, -0.9, 10, 4},
        MathCase{"math.rsqrt", [](double x) { return 1 / std::sqrt(x); }, 0.1, 9, 2},
        MathCase{"arith.negf", [](double x) { return -x; }, -10, 10, 0}));

/// As gelu needs it: exact to units of 1, small results included.
TEST(Elementwise, ComplementaryErrorFunction) {
  Tasks tasks("func.func @f(%a: tensor<4001xf32>) -> tensor<4001xf32> {\n"
              "  %0 = math.erfc %a : tensor<4001xf32>\n  return %0 : tensor<4001xf32>\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor input = Tensor::random({4001}, 7, -4.5, 4.5);
  const double special[] = {0.0, -0.0, infinity, -infinity, 1e-40, 3.4e38, -3.4e38, 9.0, -9.0};
  std::copy(std::begin(special), std::end(special), &input[0]);
  Tensor output = tasks.run({input})[0];
  for (int64_t i = 0; i < input.size(); ++i)
    EXPECT_NEAR(output[i], std::erfc(static_cast<float>(input[i])), 2.5e-7) << input[i];
  input[0] = notANumber;
  EXPECT_TRUE(std::isnan(tasks.run({input})[0][0]));
}

TEST(Elementwise, BinaryOpsAndBroadcast) {
  Tasks tasks(
      R"(func.func @f(%a: tensor<3x5x17xf32>, %row: tensor<17xf32>, %column: tensor<3x1x1xf32>)
      -> (tensor<3x5x17xf32>, tensor<3x5x17xf32>) {
    %r = nn.broadcast %row : tensor<17xf32> -> tensor<3x5x17xf32>
    %c = nn.broadcast %column : tensor<3x1x1xf32> -> tensor<3x5x17xf32>
    %two = arith.constant dense<2.0> : tensor<3x5x17xf32>
    %0 = arith.mulf %a, %r : tensor<3x5x17xf32>
    %1 = arith.subf %0, %c : tensor<3x5x17xf32>
    %2 = arith.divf %1, %two : tensor<3x5x17xf32>
    %3 = arith.maximumf %2, %a : tensor<3x5x17xf32>
    return %2, %3 : tensor<3x5x17xf32>, tensor<3x5x17xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({3, 5, 17}, 1), row = Tensor::random({17}, 2);
  Tensor column = Tensor::random({3, 1, 1}, 3), first({3, 5, 17}), second({3, 5, 17});
  for (int64_t i = 0; i < a.size(); ++i) {
    first[i] = (a[i] * row[i % 17] - column[i / 85]) / 2;
    second[i] = std::max(first[i], a[i]);
  }
  auto results = tasks.run({a, row, column});
  EXPECT_LT(relativeError(results[0], first), 1e-5);
  EXPECT_LT(relativeError(results[1], second), 1e-5);
}

TEST(Elementwise, ComparisonsCastsAndSelect) {
  Tasks tasks(R"(func.func @f(%a: tensor<37xf32>, %i: tensor<37xi64>, %m: tensor<37xi1>)
      -> (tensor<37xi1>, tensor<37xf32>, tensor<37xi64>, tensor<37xi32>) {
    %zero = arith.constant dense<0.0> : tensor<37xf32>
    %c = arith.cmpf ogt, %a, %zero : tensor<37xf32>
    %both = arith.andi %c, %m : tensor<37xi1>
    %f = arith.sitofp %i : tensor<37xi64> to tensor<37xf32>
    %s = arith.select %both, %f, %a : tensor<37xi1>, tensor<37xf32>
    %u = arith.extui %both : tensor<37xi1> to tensor<37xi64>
    %t = arith.trunci %i : tensor<37xi64> to tensor<37xi32>
    return %both, %s, %u, %t : tensor<37xi1>, tensor<37xf32>, tensor<37xi64>, tensor<37xi32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({37}, 1), i = Tensor::randomInts({37}, 2, -50, 50);
  Tensor m = Tensor::randomInts({37}, 3, 0, 2), both({37}), selected({37});
  for (int64_t k = 0; k < 37; ++k) {
    both[k] = a[k] > 0 && m[k] != 0;
    selected[k] = both[k] != 0 ? i[k] : a[k];
  }
  auto results = tasks.run({a, i, m});
  EXPECT_EQ(results[0].data, both.data);
  EXPECT_EQ(relativeError(results[1], selected), 0);
  EXPECT_EQ(results[2].data, both.data);
  EXPECT_EQ(results[3].data, i.data);
}

TEST(Elementwise, RotaryEmbedding) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<2x3x5x8xf32>, %angle: tensor<5x8xf32>) -> tensor<2x3x5x8xf32> {
    %t = nn.transpose %x [0, 1, 2, 3] : tensor<2x3x5x8xf32>
    %cos = math.cos %angle : tensor<5x8xf32>
    %sin = math.sin %angle : tensor<5x8xf32>
    %c = nn.broadcast %cos : tensor<5x8xf32> -> tensor<2x3x5x8xf32>
    %s = nn.broadcast %sin : tensor<5x8xf32> -> tensor<2x3x5x8xf32>
    %low = tensor.extract_slice %t[0, 0, 0, 0] [2, 3, 5, 4] [1, 1, 1, 1] : tensor<2x3x5x8xf32> to tensor<2x3x5x4xf32>
    %high = tensor.extract_slice %t[0, 0, 0, 4] [2, 3, 5, 4] [1, 1, 1, 1] : tensor<2x3x5x8xf32> to tensor<2x3x5x4xf32>
    %negated = arith.negf %high : tensor<2x3x5x4xf32>
    %half = tensor.concat dim(3) %negated, %low : (tensor<2x3x5x4xf32>, tensor<2x3x5x4xf32>) -> tensor<2x3x5x8xf32>
    %0 = arith.mulf %t, %c : tensor<2x3x5x8xf32>
    %1 = arith.mulf %half, %s : tensor<2x3x5x8xf32>
    %2 = arith.addf %0, %1 : tensor<2x3x5x8xf32>
    return %2 : tensor<2x3x5x8xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::random({2, 3, 5, 8}, 1), angle = Tensor::random({5, 8}, 2, -8, 8);
  Tensor expected({2, 3, 5, 8});
  for (int64_t i = 0; i < x.size(); ++i) {
    int64_t d = i % 8, s = i / 8 % 5;
    double half = d < 4 ? -x[i + 4] : x[i - 4];
    expected[i] = x[i] * std::cos(angle[s * 8 + d]) + half * std::sin(angle[s * 8 + d]);
  }
  EXPECT_LT(relativeError(tasks.run({x, angle})[0], expected), 1e-5);
}

TEST(Elementwise, SlicesConcatAndPad) {
  Tasks tasks(R"(func.func @f(%a: tensor<4x6xf32>, %b: tensor<4x3xf32>)
      -> (tensor<4x9xf32>, tensor<2x6xf32>, tensor<5x8xf32>) {
    %0 = tensor.concat dim(1) %a, %b : (tensor<4x6xf32>, tensor<4x3xf32>) -> tensor<4x9xf32>
    %1 = tensor.extract_slice %a[1, 0] [2, 6] [2, 1] : tensor<4x6xf32> to tensor<2x6xf32>
    %2 = arith.addf %1, %1 : tensor<2x6xf32>
    %zero = arith.constant dense<0.0> : tensor<5x8xf32>
    %3 = tensor.insert_slice %a into %zero[1, 2] [4, 6] [1, 1] : tensor<4x6xf32> into tensor<5x8xf32>
    return %0, %2, %3 : tensor<4x9xf32>, tensor<2x6xf32>, tensor<5x8xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({4, 6}, 1), b = Tensor::random({4, 3}, 2);
  Tensor joined({4, 9}), strided({2, 6}), padded({5, 8});
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 9; ++j)
      joined[i * 9 + j] = j < 6 ? a[i * 6 + j] : b[i * 3 + j - 6];
    for (int64_t j = 0; j < 6; ++j)
      padded[(i + 1) * 8 + j + 2] = a[i * 6 + j];
  }
  for (int64_t i = 0; i < 12; ++i)
    strided[i] = 2 * a[(i / 6 * 2 + 1) * 6 + i % 6];
  auto results = tasks.run({a, b});
  EXPECT_EQ(results[0].data, joined.data);
  EXPECT_LT(relativeError(results[1], strided), 1e-6);
  EXPECT_EQ(results[2].data, padded.data);
}

TEST(Elementwise, TransposeAndReshape) {
  Tasks tasks(
      R"(func.func @f(%a: tensor<3x4x5xf32>) -> (tensor<5x3x4xf32>, tensor<20x3xf32>, tensor<f32>) {
    %0 = nn.transpose %a [2, 0, 1] : tensor<3x4x5xf32>
    %1 = nn.transpose %a [1, 2, 0] : tensor<3x4x5xf32>
    %2 = tensor.collapse_shape %1 [[0, 1], [2]] : tensor<4x5x3xf32> into tensor<20x3xf32>
    %3 = tensor.extract_slice %a[2, 1, 4] [1, 1, 1] [1, 1, 1] : tensor<3x4x5xf32> to tensor<1x1x1xf32>
    %4 = tensor.collapse_shape %3 [] : tensor<1x1x1xf32> into tensor<f32>
    return %0, %2, %4 : tensor<5x3x4xf32>, tensor<20x3xf32>, tensor<f32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({3, 4, 5}, 1);
  auto results = tasks.run({a});
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 4; ++j)
      for (int64_t k = 0; k < 5; ++k) {
        EXPECT_EQ(results[0].at({k, i, j}), a.at({i, j, k}));
        EXPECT_EQ(results[1].at({j * 5 + k, i}), a.at({i, j, k}));
      }
  EXPECT_EQ(results[2][0], a.at({2, 1, 4}));
}

TEST(Elementwise, ReductionsAndArgMax) {
  Tasks tasks(R"(func.func @f(%a: tensor<3x4x19xf32>, %i: tensor<6x5xi64>)
      -> (tensor<3x4xf32>, tensor<4x19xf32>, tensor<4xf32>, tensor<f32>, tensor<3x19xf32>, tensor<3x4xi64>, tensor<5xi64>, tensor<6xi64>) {
    %0 = nn.reduce_sum %a [2] : tensor<3x4x19xf32>
    %1 = nn.reduce_sum %a [0] : tensor<3x4x19xf32>
    %2 = nn.reduce_sum %a [0, 2] : tensor<3x4x19xf32>
    %3 = nn.reduce_sum %a [0, 1, 2] : tensor<3x4x19xf32>
    %4 = nn.reduce_max %a [1] : tensor<3x4x19xf32>
    %5 = nn.argmax %a : tensor<3x4x19xf32>
    %6 = nn.reduce_sum %i [0] : tensor<6x5xi64>
    %7 = nn.argmax %i : tensor<6x5xi64>
    return %0, %1, %2, %3, %4, %5, %6, %7 : tensor<3x4xf32>, tensor<4x19xf32>, tensor<4xf32>, tensor<f32>, tensor<3x19xf32>, tensor<3x4xi64>, tensor<5xi64>, tensor<6xi64>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({3, 4, 19}, 1), ints = Tensor::randomInts({6, 5}, 2, -3, 3);
  a.at({0, 0, 7}) = notANumber;
  for (int64_t k = 0; k < 19; ++k)
    a.at({1, 1, k}) = -infinity;
  a.at({2, 2, 3}) = a.at({2, 2, 9}) = 5;
  Tensor r0({3, 4}), r1({4, 19}), r2({4}), r3 = Tensor::scalar(0), r4({3, 19}, -infinity),
                                           r5({3, 4}), r6({5}), r7({6});
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 4; ++j) {
      double best = -infinity;
      for (int64_t k = 0; k < 19; ++k) {
        double x = a.at({i, j, k});
        r0.at({i, j}) += x;
        r1.at({j, k}) += x;
        r2[j] += x;
        r3[0] += x;
        r4.at({i, k}) =
            std::isnan(x) || std::isnan(r4.at({i, k})) ? notANumber : std::max(x, r4.at({i, k}));
        if (!std::isnan(best) && !(x <= best)) {
          best = x;
          r5.at({i, j}) = static_cast<double>(k);
        }
      }
    }
  for (int64_t i = 0; i < 6; ++i) {
    double best = -100;
    for (int64_t j = 0; j < 5; ++j) {
      r6[j] += ints.at({i, j});
      if (ints.at({i, j}) > best) {
        best = ints.at({i, j});
        r7[i] = static_cast<double>(j);
      }
    }
  }
  auto results = tasks.run({a, ints});
  const Tensor *expected[] = {&r0, &r1, &r2, &r3, &r4, &r5, &r6, &r7};
  for (int i = 0; i < 8; ++i)
    EXPECT_LT(relativeError(results[i], *expected[i]), 1e-5) << i;
}

TEST(Elementwise, DoublePrecision) {
  Tasks tasks(
      R"(func.func @f(%a: tensor<7x9xf64>, %b: tensor<9x4xf64>) -> (tensor<7x4xf64>, tensor<7x9xf64>) {
    %0 = nn.matmul %a, %b : tensor<7x9xf64>, tensor<9x4xf64>
    %1 = nn.softmax %a : tensor<7x9xf64>
    return %0, %1 : tensor<7x4xf64>, tensor<7x9xf64>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({7, 9}, 1), b = Tensor::random({9, 4}, 2), product({7, 4}),
         soft({7, 9});
  for (int64_t i = 0; i < 7; ++i) {
    double sum = 0;
    for (int64_t k = 0; k < 9; ++k) {
      sum += std::exp(a.at({i, k}));
      for (int64_t j = 0; j < 4; ++j)
        product.at({i, j}) += a.at({i, k}) * b.at({k, j});
    }
    for (int64_t k = 0; k < 9; ++k)
      soft.at({i, k}) = std::exp(a.at({i, k})) / sum;
  }
  auto results = tasks.run({a, b});
  EXPECT_LT(relativeError(results[0], product), 1e-14);
  EXPECT_LT(relativeError(results[1], soft), 1e-14);
}
