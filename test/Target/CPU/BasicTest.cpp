#include "TaskRunner.h"
#include <gtest/gtest.h>
using namespace bigmac::test;
TEST(Basic, Add) {
  Tasks tasks(R"(func.func @f(%a: tensor<3x5xf32>, %b: tensor<3x5xf32>) -> tensor<3x5xf32> {
    %0 = arith.addf %a, %b : tensor<3x5xf32>
    return %0 : tensor<3x5xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({3, 5}, 1), b = Tensor::random({3, 5}, 2), e({3, 5});
  for (int i = 0; i < 15; ++i) e[i] = a[i] + b[i];
  EXPECT_LT(relativeError(tasks.run({a, b})[0], e), 1e-6);
}
TEST(Basic, Matmul) {
  Tasks tasks(R"(func.func @f(%a: tensor<3x5xf32>, %b: tensor<7x5xf32>) -> tensor<3x7xf32> {
    %0 = nn.matmul %a, %b transposed : tensor<3x5xf32>, tensor<7x5xf32>
    return %0 : tensor<3x7xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({3, 5}, 1), b = Tensor::random({7, 5}, 2), e({3, 7});
  for (int i = 0; i < 3; ++i) for (int j = 0; j < 7; ++j) for (int k = 0; k < 5; ++k)
    e[i*7+j] += a[i*5+k] * b[j*5+k];
  EXPECT_LT(relativeError(tasks.run({a, b})[0], e), 1e-5);
}
