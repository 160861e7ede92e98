//===- KernelTest.cpp - Generated kernels against plain loops --------------===//

#include "test/Target/CPU/Reference.h"
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

// Rotary embedding: halves of heads are computed where they belong, in one kernel, without copies.
TEST(Concatenation, OfHalvesOfHeads) {
  constexpr int64_t batch = 2, rows = 9, heads = 3, depth = 32, half = depth / 2;
  Tasks tasks(
      R"(func.func @f(%q: tensor<2x9x96xbf16>, %c: tensor<9x32xf32>, %s: tensor<9x32xf32>) -> tensor<2x3x9x32xbf16> {
    %0 = tensor.expand_shape %q [[0], [1], [2, 3]] output_shape [2, 9, 3, 32] : tensor<2x9x96xbf16> into tensor<2x9x3x32xbf16>
    %1 = nn.transpose %0 [0, 2, 1, 3] : tensor<2x9x3x32xbf16>
    %2 = arith.extf %1 : tensor<2x3x9x32xbf16> to tensor<2x3x9x32xf32>
    %a = tensor.extract_slice %1[0, 0, 0, 0] [2, 3, 9, 16] [1, 1, 1, 1] : tensor<2x3x9x32xbf16> to tensor<2x3x9x16xbf16>
    %b = tensor.extract_slice %1[0, 0, 0, 16] [2, 3, 9, 16] [1, 1, 1, 1] : tensor<2x3x9x32xbf16> to tensor<2x3x9x16xbf16>
    %n = arith.negf %b : tensor<2x3x9x16xbf16>
    %t = tensor.concat dim(3) %n, %a : (tensor<2x3x9x16xbf16>, tensor<2x3x9x16xbf16>) -> tensor<2x3x9x32xbf16>
    %3 = arith.extf %t : tensor<2x3x9x32xbf16> to tensor<2x3x9x32xf32>
    %4 = nn.broadcast %c : tensor<9x32xf32> -> tensor<2x3x9x32xf32>
    %5 = nn.broadcast %s : tensor<9x32xf32> -> tensor<2x3x9x32xf32>
    %6 = arith.mulf %2, %4 : tensor<2x3x9x32xf32>
    %7 = arith.mulf %3, %5 : tensor<2x3x9x32xf32>
    %8 = arith.addf %6, %7 : tensor<2x3x9x32xf32>
    %9 = arith.truncf %8 : tensor<2x3x9x32xf32> to tensor<2x3x9x32xbf16>
    return %9 : tensor<2x3x9x32xbf16>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  EXPECT_EQ(tasks.workspaceBytes("f"), 0u);
  Tensor q = Tensor::randomInts({batch, rows, heads * depth}, 1, -100, 100);
  Tensor c = Tensor::random({rows, depth}, 2), s = Tensor::random({rows, depth}, 3);
  Tensor expected({batch, heads, rows, depth});
  for (int64_t i = 0; i < batch; ++i)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t d = 0; d < depth; ++d) {
          auto at = [&](int64_t column) { return q.at({i, r, h * depth + column}); };
          double turned = d < half ? -at(d + half) : at(d - half);
          expected.at({i, h, r, d}) = at(d) * c.at({r, d}) + turned * s.at({r, d});
        }
  EXPECT_LT(relativeError(tasks.run({q, c, s})[0], expected, 1), 1.0 / 256);
}

// Sums that go on: rounded, or added to what is accumulated in a narrower type, by the kernel that
// sums; sums of other operations than addition; one that starts from something.
TEST(Sums, AreFinishedWhereTheyAreSummed) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<300x24xf32>, %a: memref<24xbf16>) -> (tensor<24xbf16>, tensor<24xf32>) {
    %0 = nn.reduce_sum %x [0] : tensor<300x24xf32>
    %1 = bufferization.to_tensor %a restrict writable : memref<24xbf16> to tensor<24xbf16>
    %2 = arith.extf %1 : tensor<24xbf16> to tensor<24xf32>
    %3 = arith.addf %2, %0 : tensor<24xf32>
    %4 = arith.truncf %3 : tensor<24xf32> to tensor<24xbf16>
    bufferization.materialize_in_destination %4 in restrict writable %a : (tensor<24xbf16>, memref<24xbf16>) -> ()
    %5 = math.absf %x : tensor<300x24xf32>
    %6 = nn.reduce_sum %5 [0] : tensor<300x24xf32>
    %7 = arith.truncf %6 : tensor<24xf32> to tensor<24xbf16>
    %8 = nn.reduce_max %x [0] : tensor<300x24xf32>
    return %7, %8 : tensor<24xbf16>, tensor<24xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::randomInts({300, 24}, 1, -4, 5), a = Tensor::randomInts({24}, 2, -50, 50);
  Tensor sum = a, size({24}), most({24}, -100);
  for (int64_t i = 0; i < 300; ++i)
    for (int64_t j = 0; j < 24; ++j) {
      sum[j] += x.at({i, j});
      size[j] += std::abs(x.at({i, j}));
      most[j] = std::max(most[j], x.at({i, j}));
    }
  std::vector<Tensor> arguments{x, a};
  auto results = tasks.run("f", arguments);
  EXPECT_LT(relativeError(arguments[1], sum, 1), 1.0 / 256);
  EXPECT_LT(relativeError(results[0], size), 1.0 / 256);
  EXPECT_EQ(relativeError(results[1], most), 0);
}

// A sum over many rows, several of them a round; the last round has fewer than the blocks take.
TEST(Rounds, OfRowsThatAreSummed) {
  Tasks tasks(R"(func.func @f(%x: tensor<1061x2048xf32>) -> tensor<2048xf32> {
    %0 = nn.reduce_sum %x [0] : tensor<1061x2048xf32>
    return %0 : tensor<2048xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::randomInts({1061, 2048}, 1, -4, 5), sum({2048});
  for (int64_t i = 0; i < 1061; ++i)
    for (int64_t j = 0; j < 2048; ++j)
      sum[j] += x.at({i, j});
  EXPECT_EQ(relativeError(tasks.run({x})[0], sum), 0);
}

// Short rows, of which a block takes several at once, and several in a round; sums of each sample.
TEST(Rounds, OfRowsOfSamples) {
  Tasks tasks(
      R"(func.func @f(%x: tensor<2x10613x24xf32>, %y: tensor<21226x24xf32>) -> (tensor<2x24xf32>, tensor<24xf32>) {
    %0 = nn.reduce_sum %x [1] : tensor<2x10613x24xf32>
    %1 = nn.reduce_sum %y [0] : tensor<21226x24xf32>
    return %0, %1 : tensor<2x24xf32>, tensor<24xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::randomInts({2, 10613, 24}, 1, -4, 5),
         y = Tensor::randomInts({21226, 24}, 2, -4, 5);
  Tensor samples({2, 24}), all({24});
  for (int64_t s = 0; s < 2; ++s)
    for (int64_t i = 0; i < 10613; ++i)
      for (int64_t j = 0; j < 24; ++j) {
        samples.at({s, j}) += x.at({s, i, j});
        all[j] += y.at({s * 10613 + i, j});
      }
  auto results = tasks.run({x, y});
  EXPECT_EQ(relativeError(results[0], samples), 0);
  EXPECT_EQ(relativeError(results[1], all), 0);
}

// Blocks take parts of rows, the last of which is shorter, and store what they sum as well: sums
// and the largest element of each sample.
TEST(Rounds, OfPartsOfRows) {
  for (int64_t rows : {1, 7, 517}) {
    const std::string cube = "tensor<3x" + std::to_string(rows) + "x1156xf32>";
    Tasks tasks("func.func @f(%x: " + cube + ") -> (" + cube +
                R"(, tensor<3x1156xf32>, tensor<3x1156xf32>) {
    %y = arith.addf %x, %x : )" +
                cube + "\n%s = nn.reduce_sum %y [1] : " + cube +
                "\n%m = nn.reduce_max %x [1] : " + cube + "\nreturn %y, %s, %m : " + cube +
                ", tensor<3x1156xf32>, tensor<3x1156xf32>\n}");
    ASSERT_TRUE(tasks.ok()) << tasks.error();
    Tensor x = Tensor::randomInts({3, rows, 1156}, 1, -100, 100), twice(x.shape), sum({3, 1156}),
           most({3, 1156}, -1000);
    for (int64_t s = 0; s < 3; ++s)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < 1156; ++j) {
          sum.at({s, j}) += twice.at({s, i, j}) = 2 * x.at({s, i, j});
          most.at({s, j}) = std::max(most.at({s, j}), x.at({s, i, j}));
        }
    auto results = tasks.run({x});
    EXPECT_EQ(relativeError(results[0], twice), 0);
    EXPECT_EQ(relativeError(results[1], sum), 0);
    EXPECT_EQ(relativeError(results[2], most), 0);
  }
}

// A block combines the sums of its groups in one buffer, one after another.
TEST(Rounds, OfManySums) {
  std::string body, types, names;
  for (int i = 0; i < 8; ++i) {
    std::string n = std::to_string(i);
    body += "%c" + n + " = arith.constant dense<" + n + ".0> : tensor<300x512xf32>\n%p" + n +
            " = arith.mulf %x, %c" + n + " : tensor<300x512xf32>\n%q" + n + " = arith.addf %p" + n +
            ", %y : tensor<300x512xf32>\n%s" + n + " = nn.reduce_sum %q" + n +
            " [0] : tensor<300x512xf32>\n";
    types += (i ? ", " : "") + std::string("tensor<512xf32>");
    names += (i ? ", %s" : "%s") + n;
  }
  Tasks tasks("func.func @f(%x: tensor<300x512xf32>, %y: tensor<300x512xf32>) -> (" + types +
              ") {\n" + body + "return " + names + " : " + types + "\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::randomInts({300, 512}, 1, -4, 5), y = Tensor::randomInts({300, 512}, 2, -4, 5);
  auto results = tasks.run({x, y});
  for (int i = 0; i < 8; ++i) {
    Tensor sum({512});
    for (int64_t r = 0; r < 300; ++r)
      for (int64_t j = 0; j < 512; ++j)
        sum[j] += i * x.at({r, j}) + y.at({r, j});
    EXPECT_EQ(relativeError(results[i], sum), 0) << i;
  }
}

// Rows of bf16 that are too long to be held as floats: whole ones, and one whose last piece is
// outside for some threads.
TEST(LongRows, AreHeldAsTheyAreInMemory) {
  for (int64_t columns : {32000, 21000}) {
    const std::string narrow = "tensor<3x" + std::to_string(columns) + "xbf16>",
                      wide = "tensor<3x" + std::to_string(columns) + "xf32>";
    Tasks tasks("func.func @f(%x: " + narrow + ") -> " + narrow +
                " {\n%0 = arith.extf %x : " + narrow + " to " + wide +
                "\n%1 = nn.softmax %0 : " + wide + "\n%2 = arith.truncf %1 : " + wide + " to " +
                narrow + "\nreturn %2 : " + narrow + "\n}");
    ASSERT_TRUE(tasks.ok()) << tasks.error();
    Tensor x = Tensor::randomInts({3, columns}, 1, -64, 64), y({3, columns});
    for (int64_t i = 0; i < 3; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < columns; ++j) {
        x.at({i, j}) /= 16;
        sum += y.at({i, j}) = std::exp(x.at({i, j}));
      }
      for (int64_t j = 0; j < columns; ++j)
        y.at({i, j}) /= sum;
    }
    EXPECT_LT(relativeError(tasks.run({x})[0], y), 1.0 / 256);
  }
}

// Between rows of bf16 the error functions are approximations, for all sizes of their argument.
TEST(Approximations, OfTheErrorFunction) {
  Tasks tasks(R"(func.func @f(%x: tensor<8x512xbf16>)
      -> (tensor<8x512xbf16>, tensor<8x512xbf16>, tensor<8x512xbf16>, tensor<8x512xbf16>) {
    %0 = arith.extf %x : tensor<8x512xbf16> to tensor<8x512xf32>
    %1 = math.erf %0 : tensor<8x512xf32>
    %2 = arith.truncf %1 : tensor<8x512xf32> to tensor<8x512xbf16>
    %3 = nn.gelu %0 : tensor<8x512xf32>
    %4 = arith.truncf %3 : tensor<8x512xf32> to tensor<8x512xbf16>
    %5 = math.erfc %0 : tensor<8x512xf32>
    %6 = arith.truncf %5 : tensor<8x512xf32> to tensor<8x512xbf16>
    %one = arith.constant dense<1.0> : tensor<8x512xf32>
    %7 = nn.gelu_backward %0, %one : tensor<8x512xf32>, tensor<8x512xf32>
    %8 = arith.truncf %7 : tensor<8x512xf32> to tensor<8x512xbf16>
    return %2, %4, %6, %8
        : tensor<8x512xbf16>, tensor<8x512xbf16>, tensor<8x512xbf16>, tensor<8x512xbf16>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x({8, 512});
  for (int64_t i = 0; i < x.size(); ++i) // exact in bf16; 2^-24 to 7.75
    x[i] = std::ldexp((i & 1 ? -1.0 : 1.0) * double(32 + (i >> 1) % 31), int(i / 171) - 29);
  const int64_t special = x.size() - 3;
  x[special] = std::numeric_limits<double>::infinity();
  x[special + 1] = -x[special];
  x[special + 2] = std::numeric_limits<double>::quiet_NaN();
  auto results = tasks.run({x});
  EXPECT_EQ(results[0][special], 1);
  EXPECT_EQ(results[0][special + 1], -1);
  EXPECT_EQ(results[1][special], x[special]);
  EXPECT_EQ(results[2][special], 0);
  EXPECT_EQ(results[2][special + 1], 2);
  for (const Tensor &result : results)
    EXPECT_TRUE(std::isnan(result[special + 2]));
  for (int64_t i = 0; i < special; ++i) {
    double erf = std::erf(x[i]), erfc = std::erfc(x[i]);
    double phi = 0.5 * std::erfc(-x[i] / std::sqrt(2.0)), gelu = x[i] * phi;
    double slope = phi + x[i] * std::exp(-0.5 * x[i] * x[i]) / std::sqrt(2 * std::numbers::pi);
    EXPECT_NEAR(results[0][i], erf, std::abs(erf) / 256) << x[i];
    EXPECT_NEAR(results[1][i], gelu, std::abs(gelu) / 256 + 1e-6) << x[i];
    EXPECT_NEAR(results[2][i], erfc, erfc / 256 + 1e-6) << x[i];
    EXPECT_NEAR(results[3][i], slope, std::abs(slope) / 256 + 1e-6) << x[i];
  }
}

// The bias of a large vocabulary: its sums take more registers than kernels should.
TEST(Rounds, OfVeryLongRowsThatAreSummed) {
  Tasks tasks(R"(func.func @f(%x: tensor<9x32000xbf16>) -> tensor<32000xf32> {
    %0 = arith.extf %x : tensor<9x32000xbf16> to tensor<9x32000xf32>
    %1 = nn.reduce_sum %0 [0] : tensor<9x32000xf32>
    return %1 : tensor<32000xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor x = Tensor::randomInts({9, 32000}, 1, -4, 5), sum({32000});
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t j = 0; j < 32000; ++j)
      sum[j] += x.at({i, j});
  EXPECT_EQ(relativeError(tasks.run({x})[0], sum), 0);
}

// Gradients of query, key and value are computed in one tensor, where their projection's gradient
// reads them.
TEST(Concatenation, OfAttentionGradients) {
  constexpr int64_t rows = 5, heads = 2, depth = 8, width = heads * depth;
  Tasks tasks(
      R"(func.func @f(%x: tensor<1x5x48xbf16>, %g: tensor<1x5x16xbf16>) -> tensor<1x5x48xbf16> {
    %q0 = tensor.extract_slice %x[0, 0, 0] [1, 5, 16] [1, 1, 1] : tensor<1x5x48xbf16> to tensor<1x5x16xbf16>
    %k0 = tensor.extract_slice %x[0, 0, 16] [1, 5, 16] [1, 1, 1] : tensor<1x5x48xbf16> to tensor<1x5x16xbf16>
    %v0 = tensor.extract_slice %x[0, 0, 32] [1, 5, 16] [1, 1, 1] : tensor<1x5x48xbf16> to tensor<1x5x16xbf16>
    %q1 = tensor.expand_shape %q0 [[0], [1], [2, 3]] output_shape [1, 5, 2, 8] : tensor<1x5x16xbf16> into tensor<1x5x2x8xbf16>
    %k1 = tensor.expand_shape %k0 [[0], [1], [2, 3]] output_shape [1, 5, 2, 8] : tensor<1x5x16xbf16> into tensor<1x5x2x8xbf16>
    %v1 = tensor.expand_shape %v0 [[0], [1], [2, 3]] output_shape [1, 5, 2, 8] : tensor<1x5x16xbf16> into tensor<1x5x2x8xbf16>
    %g1 = tensor.expand_shape %g [[0], [1], [2, 3]] output_shape [1, 5, 2, 8] : tensor<1x5x16xbf16> into tensor<1x5x2x8xbf16>
    %q = nn.transpose %q1 [0, 2, 1, 3] : tensor<1x5x2x8xbf16>
    %k = nn.transpose %k1 [0, 2, 1, 3] : tensor<1x5x2x8xbf16>
    %v = nn.transpose %v1 [0, 2, 1, 3] : tensor<1x5x2x8xbf16>
    %do = nn.transpose %g1 [0, 2, 1, 3] : tensor<1x5x2x8xbf16>
    %o, %l = nn.attention causal %q, %k, %v scale 0.25 : tensor<1x2x5x8xbf16>, tensor<1x2x5x8xbf16>, tensor<1x2x5x8xbf16>
    %dq, %dk, %dv = nn.attention_backward causal %q, %k, %v, %o, %l, %do scale 0.25 : tensor<1x2x5x8xbf16>, tensor<1x2x5x8xbf16>, tensor<1x2x5x8xbf16>, tensor<1x2x5x8xbf16>, tensor<1x2x5xf32>, tensor<1x2x5x8xbf16>
    %dq1 = nn.transpose %dq [0, 2, 1, 3] : tensor<1x2x5x8xbf16>
    %dk1 = nn.transpose %dk [0, 2, 1, 3] : tensor<1x2x5x8xbf16>
    %dv1 = nn.transpose %dv [0, 2, 1, 3] : tensor<1x2x5x8xbf16>
    %dq0 = tensor.collapse_shape %dq1 [[0], [1], [2, 3]] : tensor<1x5x2x8xbf16> into tensor<1x5x16xbf16>
    %dk0 = tensor.collapse_shape %dk1 [[0], [1], [2, 3]] : tensor<1x5x2x8xbf16> into tensor<1x5x16xbf16>
    %dv0 = tensor.collapse_shape %dv1 [[0], [1], [2, 3]] : tensor<1x5x2x8xbf16> into tensor<1x5x16xbf16>
    %zero = arith.constant dense<0.0> : tensor<1x5x48xbf16>
    %pq = tensor.insert_slice %dq0 into %zero[0, 0, 0] [1, 5, 16] [1, 1, 1] : tensor<1x5x16xbf16> into tensor<1x5x48xbf16>
    %pk = tensor.insert_slice %dk0 into %zero[0, 0, 16] [1, 5, 16] [1, 1, 1] : tensor<1x5x16xbf16> into tensor<1x5x48xbf16>
    %pv = tensor.insert_slice %dv0 into %zero[0, 0, 32] [1, 5, 16] [1, 1, 1] : tensor<1x5x16xbf16> into tensor<1x5x48xbf16>
    %s = arith.addf %pv, %pk : tensor<1x5x48xbf16>
    %t = arith.addf %s, %pq : tensor<1x5x48xbf16>
    return %t : tensor<1x5x48xbf16>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  // The output and logsumexp of the forward, no copies of gradients.
  EXPECT_LE(tasks.workspaceBytes("f"), 1024u);
  Tensor x = Tensor::randomInts({1, rows, 3 * width}, 1, -8, 8);
  Tensor g = Tensor::randomInts({1, rows, width}, 2, -8, 8);
  for (int64_t i = 0; i < x.size(); ++i)
    x[i] /= 8;
  auto part = [&](const Tensor &from, int64_t first, int64_t columns) {
    Tensor result({1, heads, rows, depth});
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t d = 0; d < depth; ++d)
          result.at({0, h, r, d}) = from[r * columns + first + h * depth + d];
    return result;
  };
  AttentionGrads grads =
      attentionBackward(part(x, 0, 3 * width), part(x, width, 3 * width),
                        part(x, 2 * width, 3 * width), nullptr, 0.25, true, part(g, 0, width));
  Tensor result = tasks.run({x, g})[0];
  EXPECT_LT(relativeError(part(result, 0, 3 * width), grads.query, 1), 1.0 / 64);
  EXPECT_LT(relativeError(part(result, width, 3 * width), grads.key, 1), 1.0 / 64);
  EXPECT_LT(relativeError(part(result, 2 * width, 3 * width), grads.value, 1), 1.0 / 64);
}

// A modulation's gradient: a sum over the rows of each sample, of what a kernel computes, beside
// sums over all rows and a reduction along each.
TEST(Sums, OfSections) {
  struct Case {
    int64_t samples, rows, columns;
  };
  for (const Case &c : {Case{3, 70, 24}, Case{4, 1088, 40}, Case{2, 65, 7}, Case{64, 64, 8}}) {
    const std::string sizes =
        std::to_string(c.samples) + "x" + std::to_string(c.rows) + "x" + std::to_string(c.columns);
    const std::string cube = "tensor<" + sizes + "xf32>",
                      row = "tensor<" + std::to_string(c.columns) + "xf32>",
                      section = "tensor<" + std::to_string(c.samples) + "x" +
                                std::to_string(c.columns) + "xf32>";
    Tasks tasks("func.func @f(%x: " + cube + ", %g: " + cube + ") -> (" + section + ", " + row +
                ", " + cube + ") {\n%0 = nn.softmax %x : " + cube +
                "\n%1 = arith.mulf %0, %g : " + cube + "\n%2 = nn.reduce_sum %1 [1] : " + cube +
                "\n%3 = nn.reduce_sum %g [0, 1] : " + cube + "\nreturn %2, %3, %1 : " + section +
                ", " + row + ", " + cube + "\n}");
    ASSERT_TRUE(tasks.ok()) << tasks.error();
    Tensor x = Tensor::random({c.samples, c.rows, c.columns}, 1);
    Tensor g = Tensor::random({c.samples, c.rows, c.columns}, 2);
    Tensor sums({c.samples, c.columns}), all({c.columns}), product(x.shape);
    for (int64_t i = 0; i < c.samples; ++i)
      for (int64_t r = 0; r < c.rows; ++r) {
        double total = 0;
        for (int64_t j = 0; j < c.columns; ++j)
          total += std::exp(x.at({i, r, j}));
        for (int64_t j = 0; j < c.columns; ++j) {
          product.at({i, r, j}) = std::exp(x.at({i, r, j})) / total * g.at({i, r, j});
          sums.at({i, j}) += product.at({i, r, j});
          all[j] += g.at({i, r, j});
        }
      }
    auto results = tasks.run({x, g});
    EXPECT_LT(relativeError(results[0], sums, 1), 1e-5) << sizes;
    EXPECT_LT(relativeError(results[1], all, 1), 1e-4) << sizes;
    EXPECT_LT(relativeError(results[2], product), 1e-5) << sizes;
  }
}

// Pieces that no kernel computes are copied beside those that are; vectors where rows begin at
// multiples of them, elements where not.
TEST(Concatenation, OfPiecesOfAllKinds) {
  for (int64_t width : {16, 6, 5}) {
    const std::string piece = "tensor<4x" + std::to_string(width) + "xf32>",
                      whole = "tensor<4x" + std::to_string(3 * width) + "xf32>";
    Tasks tasks("func.func @f(%x: " + piece + ", %y: " + piece + ", %w: tensor<" +
                std::to_string(width) + "x" + std::to_string(width) + "xf32>) -> " + whole +
                " {\n%0 = nn.softmax %x : " + piece + "\n%1 = nn.matmul %0, %w : " + piece +
                ", tensor<" + std::to_string(width) + "x" + std::to_string(width) +
                "xf32>\n%2 = tensor.concat dim(1) %y, %0, %1 : (" + piece + ", " + piece + ", " +
                piece + ") -> " + whole + "\nreturn %2 : " + whole + "\n}");
    ASSERT_TRUE(tasks.ok()) << tasks.error();
    Tensor x = Tensor::random({4, width}, 1), y = Tensor::random({4, width}, 2);
    Tensor w = Tensor::random({width, width}, 3), expected({4, 3 * width});
    for (int64_t i = 0; i < 4; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < width; ++j)
        sum += std::exp(x.at({i, j}));
      for (int64_t j = 0; j < width; ++j) {
        double softmax = std::exp(x.at({i, j})) / sum;
        expected.at({i, j}) = y.at({i, j});
        expected.at({i, width + j}) = softmax;
        for (int64_t k = 0; k < width; ++k)
          expected.at({i, 2 * width + k}) += softmax * w.at({j, k});
      }
    }
    EXPECT_LT(relativeError(tasks.run({x, y, w})[0], expected), 1e-5) << width;
  }
}

// gelu in the products around it. What it is of and what it gives are parts of wider tensors: of
// rows of 16 bytes, or not (a copy then).
TEST(Products, EndInGelu) {
  constexpr int64_t m = 6, n = 32, k = 16;
  for (int64_t beside : {8, 3}) {
    const std::string whole = "tensor<2x3x" + std::to_string(n + beside) + "xbf16>",
                      piece = "tensor<2x3x" + std::to_string(beside) + "xbf16>";
    Tasks tasks(
        "func.func @f(%x: tensor<2x3x16xbf16>, %w: tensor<32x16xbf16>, %b: tensor<32xbf16>, %g: "
        "tensor<6x16xbf16>, %v: tensor<16x32xbf16>, %p: " +
        piece + ") -> (" + whole + ", " + whole + R"(, tensor<2x3x32xbf16>) {
    %0 = nn.matmul %x, %w transposed : tensor<2x3x16xbf16>, tensor<32x16xbf16>
    %1 = nn.broadcast %b : tensor<32xbf16> -> tensor<2x3x32xbf16>
    %2 = arith.addf %0, %1 : tensor<2x3x32xbf16>
    %3 = nn.gelu tanh %2 : tensor<2x3x32xbf16>
    %4 = nn.matmul %g, %v : tensor<6x16xbf16>, tensor<16x32xbf16>
    %5 = tensor.expand_shape %4 [[0, 1], [2]] output_shape [2, 3, 32] : tensor<6x32xbf16> into tensor<2x3x32xbf16>
    %6 = nn.gelu_backward tanh %2, %5 : tensor<2x3x32xbf16>, tensor<2x3x32xbf16>
    %7 = tensor.concat dim(2) %2, %p : (tensor<2x3x32xbf16>, )" +
        piece + ") -> " + whole + "\n%8 = tensor.concat dim(2) %p, %3 : (" + piece +
        ", tensor<2x3x32xbf16>) -> " + whole + "\nreturn %7, %8, %6 : " + whole + ", " + whole +
        ", tensor<2x3x32xbf16>\n}");
    ASSERT_TRUE(tasks.ok()) << tasks.error();
    auto eighths = [](std::vector<int64_t> shape, unsigned seed) {
      Tensor tensor = Tensor::randomInts(std::move(shape), seed, -8, 9);
      for (double &value : tensor.data)
        value /= 8;
      return tensor;
    };
    Tensor x = eighths({2, 3, k}, 1), w = eighths({n, k}, 2), b = eighths({n}, 3);
    Tensor g = eighths({m, k}, 4), v = eighths({k, n}, 5), p = eighths({2, 3, beside}, 6);
    Tensor sums({m, n}), gelus({m, n}), grads({2, 3, n});
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = b[j], grad = 0;
        for (int64_t l = 0; l < k; ++l) {
          sum += x[i * k + l] * w[j * k + l];
          grad += g[i * k + l] * v[l * n + j];
        }
        const double root = std::sqrt(2 / M_PI), du = root * (1 + 3 * 0.044715 * sum * sum);
        const double t = std::tanh(root * (sum + 0.044715 * sum * sum * sum));
        sums.at({i, j}) = sum;
        gelus.at({i, j}) = 0.5 * sum * (1 + t);
        grads[i * n + j] = grad * (0.5 * (1 + t) + 0.5 * sum * (1 - t * t) * du);
      }
    auto results = tasks.run({x, w, b, g, v, p});
    // The derivative is at what was rounded.
    EXPECT_LT(relativeError(results[2], grads, 1), 1.0 / 64) << beside;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        EXPECT_NEAR(results[0][i * (n + beside) + j], sums.at({i, j}), 0.03) << beside;
        EXPECT_NEAR(results[1][i * (n + beside) + beside + j], gelus.at({i, j}), 0.03) << beside;
      }
  }
}

} // namespace
