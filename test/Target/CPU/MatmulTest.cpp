//===- MatmulTest.cpp - Matrix products, convolutions and accumulation -----===//

#include "Reference.h"

#include <gtest/gtest.h>

using namespace bigmac::test;

namespace {

struct MatmulCase {
  std::vector<int64_t> batch;
  int64_t m, n, k;
  bool transposeLhs, transposeRhs, sharedRhs;
};

void PrintTo(const MatmulCase &c, std::ostream *os) {
  *os << "batch rank " << c.batch.size() << ", " << c.m << " x " << c.n << " x " << c.k
      << (c.transposeLhs ? " lhs^T" : "") << (c.transposeRhs ? " rhs^T" : "")
      << (c.sharedRhs ? " shared" : "");
}

std::vector<int64_t> with(std::vector<int64_t> batch, int64_t rows, int64_t columns, bool swap) {
  batch.push_back(swap ? columns : rows);
  batch.push_back(swap ? rows : columns);
  return batch;
}

class Matmul : public testing::TestWithParam<MatmulCase> {};

} // namespace

TEST_P(Matmul, EqualsLoops) {
  const MatmulCase &c = GetParam();
  auto lhs = with(c.batch, c.m, c.k, c.transposeLhs);
  auto rhs = with(c.sharedRhs ? std::vector<int64_t>() : c.batch, c.k, c.n, c.transposeRhs);
  auto out = with(c.batch, c.m, c.n, false);
  Tasks tasks("func.func @f(%a: " + typeName(lhs) + ", %b: " + typeName(rhs) + ") -> " +
              typeName(out) + " {\n %0 = nn.matmul %a" + (c.transposeLhs ? " transposed" : "") +
              ", %b" + (c.transposeRhs ? " transposed" : "") + " : " + typeName(lhs) + ", " +
              typeName(rhs) + "\n return %0 : " + typeName(out) + "\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random(lhs, 1), b = Tensor::random(rhs, 2);
  int64_t before = gemmCalls();
  Tensor actual = tasks.run({a, b})[0];
  EXPECT_EQ(gemmCalls() - before, 1);
  EXPECT_LT(relativeError(actual, matmul(a, b, c.transposeLhs, c.transposeRhs)), 1e-5);
  EXPECT_EQ(tasks.workspaceBytes("f"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Matmul,
                         testing::Values(MatmulCase{{}, 5, 7, 3, false, false, true},
                                         MatmulCase{{}, 5, 7, 3, true, false, true},
                                         MatmulCase{{}, 5, 7, 3, false, true, true},
                                         MatmulCase{{}, 5, 7, 3, true, true, true},
                                         MatmulCase{{}, 1, 7, 3, false, false, true},
                                         MatmulCase{{}, 5, 1, 3, false, true, true},
                                         MatmulCase{{}, 5, 7, 1, true, true, true},
                                         MatmulCase{{4}, 5, 7, 3, false, false, true},
                                         MatmulCase{{2, 3}, 5, 7, 3, false, true, true},
                                         MatmulCase{{2, 3}, 5, 7, 3, true, false, true},
                                         MatmulCase{{4}, 5, 7, 3, false, true, false},
                                         MatmulCase{{2, 3}, 5, 7, 3, true, true, false},
                                         MatmulCase{{2, 1, 3}, 5, 7, 3, true, false, false}));

TEST(Contraction, TransposesAreAbsorbed) {
  Tasks tasks(
      R"(func.func @f(%a: tensor<2x5x3x4xf32>, %b: tensor<2x6x3x4xf32>) -> tensor<2x5x3x6xf32> {
    %q = nn.transpose %a [0, 2, 1, 3] : tensor<2x5x3x4xf32>
    %k = nn.transpose %b [0, 2, 3, 1] : tensor<2x6x3x4xf32>
    %p = nn.matmul %q, %k : tensor<2x3x5x4xf32>, tensor<2x3x4x6xf32>
    %t = nn.transpose %p [0, 2, 1, 3] : tensor<2x3x5x6xf32>
    return %t : tensor<2x5x3x6xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor a = Tensor::random({2, 5, 3, 4}, 1), b = Tensor::random({2, 6, 3, 4}, 2);
  Tensor expected =
      transpose(matmul(transpose(a, {0, 2, 1, 3}), transpose(b, {0, 2, 3, 1})), {0, 2, 1, 3});
  EXPECT_LT(relativeError(tasks.run({a, b})[0], expected), 1e-5);
  EXPECT_EQ(tasks.workspaceBytes("f"), 0u);
}

TEST(Contraction, BiasAndChainOfProducts) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<2x5x6xf32>, %w: tensor<6x4xf32>, %b: tensor<4xf32>, %y: tensor<2x5x3xf32>, %v: tensor<3x4xf32>) -> (tensor<2x5x4xf32>, tensor<2x5x4xf32>) {
    %0 = nn.matmul %x, %w : tensor<2x5x6xf32>, tensor<6x4xf32>
    %1 = nn.broadcast %b : tensor<4xf32> -> tensor<2x5x4xf32>
    %2 = arith.addf %0, %1 : tensor<2x5x4xf32>
    %3 = nn.matmul %x, %w : tensor<2x5x6xf32>, tensor<6x4xf32>
    %4 = nn.matmul %y, %v : tensor<2x5x3xf32>, tensor<3x4xf32>
    %5 = arith.addf %3, %4 : tensor<2x5x4xf32>
    return %2, %5 : tensor<2x5x4xf32>, tensor<2x5x4xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::random({2, 5, 6}, 1), w = Tensor::random({6, 4}, 2);
  Tensor bias = Tensor::random({4}, 3), y = Tensor::random({2, 5, 3}, 4);
  Tensor v = Tensor::random({3, 4}, 5);
  Tensor first = matmul(x, w), second = matmul(x, w), other = matmul(y, v);
  for (int64_t i = 0; i < first.size(); ++i) {
    first[i] += bias[i % 4];
    second[i] += other[i];
  }
  auto results = tasks.run({x, w, bias, y, v});
  EXPECT_LT(relativeError(results[0], first), 1e-5);
  EXPECT_LT(relativeError(results[1], second), 1e-5);
  // Sums happen in the products.
  EXPECT_EQ(tasks.workspaceBytes("f"), 0u);
}

TEST(Contraction, AccumulatesInPlace) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<7x5xf32>, %acc: memref<5x3xf32>, %g: tensor<7x3xf32>, %bias: memref<3xf32>, %ids: tensor<7xi64>, %table: memref<4x3xf32>, %filter: memref<5x1x3xf32>) {
    %old = bufferization.to_tensor %acc restrict writable : memref<5x3xf32> to tensor<5x3xf32>
    %dw = nn.matmul %x transposed, %g : tensor<7x5xf32>, tensor<7x3xf32>
    %new = arith.addf %dw, %old : tensor<5x3xf32>
    bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<5x3xf32>, memref<5x3xf32>) -> ()
    %oldBias = bufferization.to_tensor %bias restrict writable : memref<3xf32> to tensor<3xf32>
    %db = nn.reduce_sum %g [0] : tensor<7x3xf32>
    %newBias = arith.addf %oldBias, %db : tensor<3xf32>
    bufferization.materialize_in_destination %newBias in restrict writable %bias : (tensor<3xf32>, memref<3xf32>) -> ()
    %oldTable = bufferization.to_tensor %table restrict writable : memref<4x3xf32> to tensor<4x3xf32>
    %dt = nn.embedding_backward %ids, %g : tensor<7xi64>, tensor<7x3xf32> -> tensor<4x3xf32>
    %newTable = arith.addf %oldTable, %dt : tensor<4x3xf32>
    bufferization.materialize_in_destination %newTable in restrict writable %table : (tensor<4x3xf32>, memref<4x3xf32>) -> ()
    %oldFilter = bufferization.to_tensor %filter restrict writable : memref<5x1x3xf32> to tensor<5x1x3xf32>
    %df = tensor.expand_shape %dw [[0], [1, 2]] output_shape [5, 1, 3] : tensor<5x3xf32> into tensor<5x1x3xf32>
    %dg = nn.matmul %x transposed, %g : tensor<7x5xf32>, tensor<7x3xf32>
    %dh = tensor.expand_shape %dg [[0], [1, 2]] output_shape [5, 1, 3] : tensor<5x3xf32> into tensor<5x1x3xf32>
    %newFilter = arith.addf %oldFilter, %dh : tensor<5x1x3xf32>
    bufferization.materialize_in_destination %newFilter in restrict writable %filter : (tensor<5x1x3xf32>, memref<5x1x3xf32>) -> ()
    return
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::random({7, 5}, 1), g = Tensor::random({7, 3}, 2);
  Tensor acc = Tensor::random({5, 3}, 3), bias = Tensor::random({3}, 4);
  Tensor ids = Tensor::randomInts({7}, 5, -4, 4), table = Tensor::random({4, 3}, 6);
  Tensor filter = Tensor::random({5, 1, 3}, 7);
  std::vector<Tensor> args = {x, acc, g, bias, ids, table, filter};
  tasks.run("f", args);
  Tensor product = matmul(x, g, true);
  for (int64_t i = 0; i < 15; ++i) {
    acc[i] += product[i];
    filter[i] += product[i];
  }
  for (int64_t i = 0; i < 7; ++i)
    for (int64_t j = 0; j < 3; ++j) {
      bias[j] += g.at({i, j});
      int64_t row = static_cast<int64_t>(ids[i]);
      table.at({row < 0 ? row + 4 : row, j}) += g.at({i, j});
    }
  EXPECT_LT(relativeError(args[1], acc), 1e-5);
  EXPECT_LT(relativeError(args[3], bias), 1e-5);
  EXPECT_LT(relativeError(args[5], table), 1e-5);
  EXPECT_LT(relativeError(args[6], filter), 1e-5);
  EXPECT_EQ(tasks.workspaceBytes("f"), 0u);
}

TEST(Contraction, TiedEmbeddingAccumulatesBothGradients) {
  Tasks tasks(
      R"(func.func @f(%h: tensor<7x3xf32>, %dl: tensor<7x4xf32>, %ids: tensor<7xi64>, %g: tensor<7x3xf32>, %table: memref<4x3xf32>) {
    %old = bufferization.to_tensor %table restrict writable : memref<4x3xf32> to tensor<4x3xf32>
    %0 = nn.matmul %dl transposed, %h : tensor<7x4xf32>, tensor<7x3xf32>
    %1 = nn.embedding_backward %ids, %g : tensor<7xi64>, tensor<7x3xf32> -> tensor<4x3xf32>
    %2 = arith.addf %0, %1 : tensor<4x3xf32>
    %3 = arith.addf %old, %2 : tensor<4x3xf32>
    bufferization.materialize_in_destination %3 in restrict writable %table : (tensor<4x3xf32>, memref<4x3xf32>) -> ()
    return
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor h = Tensor::random({7, 3}, 1), dl = Tensor::random({7, 4}, 2);
  Tensor ids = Tensor::randomInts({7}, 3, 0, 4), g = Tensor::random({7, 3}, 4);
  Tensor table = Tensor::random({4, 3}, 5), product = matmul(dl, h, true);
  std::vector<Tensor> args = {h, dl, ids, g, table};
  tasks.run("f", args);
  for (int64_t i = 0; i < 12; ++i)
    table[i] += product[i];
  for (int64_t i = 0; i < 7; ++i)
    for (int64_t j = 0; j < 3; ++j)
      table.at({static_cast<int64_t>(ids[i]), j}) += g.at({i, j});
  EXPECT_LT(relativeError(args[4], table), 1e-5);
  EXPECT_EQ(tasks.workspaceBytes("f"), 0u);
}

TEST(Conv, EqualsLoops) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<2x4x9x8xf32>, %w: tensor<6x2x3x2xf32>, %p: tensor<3x4x2x2xf32>) -> (tensor<2x6x5x3xf32>, tensor<2x3x4x4xf32>) {
    %0 = nn.conv %x, %w strides [2, 3] pads [1, 1, 2, 1] dilations [1, 2] groups 2 : tensor<2x4x9x8xf32>, tensor<6x2x3x2xf32>
    %1 = nn.conv %x, %p strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : tensor<2x4x9x8xf32>, tensor<3x4x2x2xf32>
    return %0, %1 : tensor<2x6x5x3xf32>, tensor<2x3x4x4xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::random({2, 4, 9, 8}, 1), w = Tensor::random({6, 2, 3, 2}, 2);
  Tensor p = Tensor::random({3, 4, 2, 2}, 3);
  auto results = tasks.run({x, w, p});
  EXPECT_LT(relativeError(results[0], conv(x, w, {2, 3}, {1, 1, 2, 1}, {1, 2}, 2)), 1e-5);
  EXPECT_LT(relativeError(results[1], conv(x, p, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1)), 1e-5);
}
