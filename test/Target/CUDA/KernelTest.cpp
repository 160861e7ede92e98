//===- KernelTest.cpp - Generated kernels against plain loops --------------===//

#include "test/Target/CPU/TaskRunner.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace bigmac::test;

namespace {

// A result that the task also uses is computed where it is wanted, and used from there.
TEST(Destinations, AreReadAsWell) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<8x96xf32>, %w: tensor<96xf32>) -> (tensor<8x96xf32>, tensor<8x96xf32>) {
    %y = nn.softmax %x : tensor<8x96xf32>
    %z, %r = nn.rms_norm %y scale %w : tensor<96xf32> epsilon 1.0e-5 : tensor<8x96xf32>
    return %y, %z : tensor<8x96xf32>, tensor<8x96xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::random({8, 96}, 1), w = Tensor::random({96}, 2), y({8, 96}), z({8, 96});
  for (int64_t i = 0; i < 8; ++i) {
    double sum = 0, squares = 0;
    for (int64_t j = 0; j < 96; ++j)
      sum += y.at({i, j}) = std::exp(x.at({i, j}));
    for (int64_t j = 0; j < 96; ++j)
      squares += std::pow(y.at({i, j}) /= sum, 2);
    for (int64_t j = 0; j < 96; ++j)
      z.at({i, j}) = y.at({i, j}) / std::sqrt(squares / 96 + 1e-5) * w[j];
  }
  auto results = tasks.run({x, w});
  EXPECT_LT(relativeError(results[0], y), 1e-5);
  EXPECT_LT(relativeError(results[1], z), 1e-5);
}

} // namespace
