//===- LookupTest.cpp - Lookups by index and their backwards ---------------===//

#include "Reference.h"

#include <gtest/gtest.h>

using namespace bigmac::test;

TEST(Embedding, WrapsNegativeIds) {
  Tasks tasks(
      R"(func.func @f(%t: tensor<11x2x3xf32>, %i: tensor<2x5xi32>, %n: tensor<11xi64>, %s: tensor<i64>) -> (tensor<2x5x2x3xf32>, tensor<2x5xi64>, tensor<2x3xf32>) {
    %0 = nn.embedding %t, %i : tensor<11x2x3xf32>, tensor<2x5xi32>
    %1 = nn.embedding %n, %i : tensor<11xi64>, tensor<2x5xi32>
    %2 = nn.embedding %t, %s : tensor<11x2x3xf32>, tensor<i64>
    return %0, %1, %2 : tensor<2x5x2x3xf32>, tensor<2x5xi64>, tensor<2x3xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor table = Tensor::random({11, 2, 3}, 1), ids = Tensor::randomInts({2, 5}, 2, -11, 11);
  Tensor numbers = Tensor::randomInts({11}, 3, -9, 9);
  auto results = tasks.run({table, ids, numbers, Tensor::scalar(-2)});
  for (int64_t i = 0; i < 10; ++i) {
    int64_t row = static_cast<int64_t>(ids[i] < 0 ? ids[i] + 11 : ids[i]);
    EXPECT_EQ(results[1][i], numbers[row]);
    for (int64_t j = 0; j < 6; ++j)
      EXPECT_EQ(results[0][i * 6 + j], table[row * 6 + j]);
  }
  for (int64_t j = 0; j < 6; ++j)
    EXPECT_EQ(results[2][j], table[9 * 6 + j]);
}

TEST(Embedding, ReportsIdsOutOfRange) {
  Tasks tasks(R"(func.func @f(%t: tensor<4x3xf32>, %i: tensor<2xi64>) -> tensor<2x3xf32> {
    %0 = nn.embedding %t, %i : tensor<4x3xf32>, tensor<2xi64>
    return %0 : tensor<2x3xf32>
  }
  func.func @g(%i: tensor<2xi64>, %g: tensor<2x3xf32>) -> tensor<4x3xf32> {
    %0 = nn.embedding_backward %i, %g : tensor<2xi64>, tensor<2x3xf32> -> tensor<4x3xf32>
    return %0 : tensor<4x3xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  for (int64_t bad : {int64_t(4), int64_t(-5), int64_t(1) << 40, -(int64_t(1) << 62)}) {
    Tensor ids({2}, 1);
    ids[1] = static_cast<double>(bad);
    std::vector<Tensor> args = {Tensor({4, 3}), ids};
    IndexError error{};
    tasks.run("f", args, &error);
    EXPECT_EQ(error.index, bad);
    EXPECT_EQ(error.size, 4);
    args = {ids, Tensor({2, 3})};
    error = {};
    tasks.run("g", args, &error);
    EXPECT_EQ(error.index, bad);
  }
}

TEST(Embedding, BackwardAddsRepeatedIds) {
  Tasks tasks(R"(func.func @f(%i: tensor<3x3xi64>, %g: tensor<3x3x5xf32>) -> tensor<4x5xf32> {
    %0 = nn.embedding_backward %i, %g : tensor<3x3xi64>, tensor<3x3x5xf32> -> tensor<4x5xf32>
    return %0 : tensor<4x5xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor ids = Tensor::randomInts({3, 3}, 1, -4, 3), grad = Tensor::random({3, 3, 5}, 2);
  Tensor expected({4, 5});
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t j = 0; j < 5; ++j)
      expected.at({static_cast<int64_t>(ids[i] < 0 ? ids[i] + 4 : ids[i]), j}) += grad[i * 5 + j];
  EXPECT_LT(relativeError(tasks.run({ids, grad})[0], expected), 1e-6);
}

TEST(GatherElements, AndBackward) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<2x3x7xf32>, %i: tensor<2x3x4xi64>, %g: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x7xf32>) {
    %0 = nn.gather_elements %x, %i : tensor<2x3x7xf32>, tensor<2x3x4xi64>
    %1 = nn.gather_elements_backward %i, %g : tensor<2x3x4xi64>, tensor<2x3x4xf32> -> tensor<2x3x7xf32>
    return %0, %1 : tensor<2x3x4xf32>, tensor<2x3x7xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::random({2, 3, 7}, 1), ids = Tensor::randomInts({2, 3, 4}, 2, -7, 7);
  Tensor grad = Tensor::random({2, 3, 4}, 3), gathered({2, 3, 4}), scattered({2, 3, 7});
  for (int64_t i = 0; i < 24; ++i) {
    int64_t from = i / 4 * 7 + static_cast<int64_t>(ids[i] < 0 ? ids[i] + 7 : ids[i]);
    gathered[i] = x[from];
    scattered[from] += grad[i];
  }
  auto results = tasks.run({x, ids, grad});
  EXPECT_EQ(results[0].data, gathered.data);
  EXPECT_LT(relativeError(results[1], scattered), 1e-6);
  std::vector<Tensor> args = {x, Tensor({2, 3, 4}, 7), grad};
  IndexError error{};
  tasks.run("f", args, &error);
  EXPECT_EQ(error.index, 7);
}
