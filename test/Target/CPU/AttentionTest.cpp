//===- AttentionTest.cpp - Attention and its backward ----------------------===//

#include "Reference.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace bigmac::test;

namespace {

struct AttentionCase {
  int64_t batch, heads, kvHeads, queries, keys, depth, valueDepth;
  bool causal;
  /// Empty for none.
  std::vector<int64_t> mask;
};

void PrintTo(const AttentionCase &c, std::ostream *os) {
  *os << c.batch << " x " << c.heads << "/" << c.kvHeads << " heads, " << c.queries << " queries, "
      << c.keys << " keys, depth " << c.depth << "/" << c.valueDepth << (c.causal ? " causal" : "")
      << (c.mask.empty() ? "" : " mask " + typeName(c.mask));
}

class Attention : public testing::TestWithParam<AttentionCase> {};

} // namespace

TEST_P(Attention, ForwardAndBackward) {
  const AttentionCase &c = GetParam();
  std::vector<int64_t> qs = {c.batch, c.heads, c.queries, c.depth};
  std::vector<int64_t> ks = {c.batch, c.kvHeads, c.keys, c.depth};
  std::vector<int64_t> vs = {c.batch, c.kvHeads, c.keys, c.valueDepth};
  std::vector<int64_t> os = {c.batch, c.heads, c.queries, c.valueDepth};
  std::string q = typeName(qs), k = typeName(ks), v = typeName(vs), o = typeName(os);
  std::string l = typeName({c.batch, c.heads, c.queries});
  std::string causal = c.causal ? "causal " : "";
  std::string mask = c.mask.empty() ? "" : "mask %m : " + typeName(c.mask) + " ";
  std::string maskType = typeName(c.mask.empty() ? std::vector<int64_t>{1} : c.mask);
  Tasks tasks("func.func @f(%q: " + q + ", %k: " + k + ", %v: " + v + ", %m: " + maskType +
              ", %g: " + o + ") -> (" + o + ", " + l + ", " + q + ", " + k + ", " + v +
              ") {\n%o, %l = nn.attention " + causal + "%q, %k, %v " + mask + "scale 0.3 : " + q +
              ", " + k + ", " + v + "\n%dq, %dk, %dv = nn.attention_backward " + causal +
              "%q, %k, %v, %o, %l, %g " + mask + "scale 0.3 : " + q + ", " + k + ", " + v + ", " +
              o + ", " + l + ", " + o + "\nreturn %o, %l, %dq, %dk, %dv : " + o + ", " + l + ", " +
              q + ", " + k + ", " + v + "\n}");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor query = Tensor::random(qs, 1, -2, 2), key = Tensor::random(ks, 2, -2, 2);
  Tensor value = Tensor::random(vs, 3), grad = Tensor::random(os, 4);
  Tensor maskValue = c.mask.empty() ? Tensor({1}) : Tensor::random(c.mask, 5, -2, 2);
  // Hide some keys for good, and all of the last row's.
  for (int64_t i = 0; i < maskValue.size(); ++i)
    if (!c.mask.empty() && (i % 5 == 1 || i >= maskValue.size() - c.keys))
      maskValue[i] = -std::numeric_limits<double>::infinity();
  const Tensor *used = c.mask.empty() ? nullptr : &maskValue;
  AttentionResult forward = attention(query, key, value, used, 0.3, c.causal);
  AttentionGrads grads = attentionBackward(query, key, value, used, 0.3, c.causal, grad);
  auto results = tasks.run({query, key, value, maskValue, grad});
  EXPECT_LT(relativeError(results[0], forward.output), 1e-4);
  EXPECT_LT(relativeError(results[1], forward.logsumexp), 1e-5);
  EXPECT_LT(relativeError(results[2], grads.query, 1e-1), 1e-4);
  EXPECT_LT(relativeError(results[3], grads.key, 1e-1), 1e-4);
  EXPECT_LT(relativeError(results[4], grads.value, 1e-1), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Attention,
    testing::Values(
        AttentionCase{2, 3, 3, 7, 7, 5, 5, false, {}}, AttentionCase{2, 3, 3, 7, 7, 5, 5, true, {}},
        // Grouped queries, other depth of values.
        AttentionCase{2, 6, 2, 5, 9, 4, 3, false, {}}, AttentionCase{1, 4, 1, 9, 9, 8, 8, true, {}},
        // More keys than queries, and the other way around.
        AttentionCase{1, 2, 2, 4, 11, 4, 4, true, {}},
        AttentionCase{1, 2, 2, 11, 4, 4, 4, true, {}},
        AttentionCase{1, 1, 1, 1, 1, 1, 1, false, {}}, AttentionCase{1, 2, 1, 1, 6, 4, 4, true, {}},
        // Every way a mask broadcasts.
        AttentionCase{2, 2, 2, 5, 6, 4, 4, false, {2, 2, 5, 6}},
        AttentionCase{2, 2, 1, 5, 6, 4, 4, false, {1, 1, 5, 6}},
        AttentionCase{2, 2, 2, 5, 6, 4, 4, false, {2, 1, 1, 6}},
        AttentionCase{2, 2, 2, 5, 6, 4, 4, true, {1, 2, 1, 6}},
        AttentionCase{2, 2, 2, 1, 6, 4, 4, false, {1, 2, 1, 6}},
        // Several blocks of queries: unrolled, looped, with a rest.
        AttentionCase{1, 2, 1, 100, 100, 4, 4, true, {}},
        AttentionCase{1, 1, 1, 70, 130, 4, 4, true, {1, 1, 70, 130}},
        AttentionCase{1, 2, 1, 100, 3000, 4, 4, false, {1, 1, 100, 3000}},
        AttentionCase{1, 1, 1, 64, 3000, 4, 4, false, {}}));

TEST(AttentionLayout, ProjectionsAreReadInPlace) {
  // As a model has it: [batch, rows, heads x depth] in and out.
  Tasks tasks(
      R"(func.func @f(%q: tensor<2x9x12xf32>, %k: tensor<2x9x12xf32>, %v: tensor<2x9x12xf32>) -> tensor<2x9x12xf32> {
    %q0 = tensor.expand_shape %q [[0], [1], [2, 3]] output_shape [2, 9, 3, 4] : tensor<2x9x12xf32> into tensor<2x9x3x4xf32>
    %k0 = tensor.expand_shape %k [[0], [1], [2, 3]] output_shape [2, 9, 3, 4] : tensor<2x9x12xf32> into tensor<2x9x3x4xf32>
    %v0 = tensor.expand_shape %v [[0], [1], [2, 3]] output_shape [2, 9, 3, 4] : tensor<2x9x12xf32> into tensor<2x9x3x4xf32>
    %q1 = nn.transpose %q0 [0, 2, 1, 3] : tensor<2x9x3x4xf32>
    %k1 = nn.transpose %k0 [0, 2, 1, 3] : tensor<2x9x3x4xf32>
    %v1 = nn.transpose %v0 [0, 2, 1, 3] : tensor<2x9x3x4xf32>
    %o, %l = nn.attention causal %q1, %k1, %v1 scale 0.5 : tensor<2x3x9x4xf32>, tensor<2x3x9x4xf32>, tensor<2x3x9x4xf32>
    %t = nn.transpose %o [0, 2, 1, 3] : tensor<2x3x9x4xf32>
    %r = tensor.collapse_shape %t [[0], [1], [2, 3]] : tensor<2x9x3x4xf32> into tensor<2x9x12xf32>
    return %r : tensor<2x9x12xf32>
  })");
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor q = Tensor::random({2, 9, 3, 4}, 1), k = Tensor::random({2, 9, 3, 4}, 2);
  Tensor v = Tensor::random({2, 9, 3, 4}, 3);
  auto heads = [](const Tensor &t) { return transpose(t, {0, 2, 1, 3}); };
  Tensor expected = heads(attention(heads(q), heads(k), heads(v), nullptr, 0.5, true).output);
  expected.shape = q.shape = k.shape = v.shape = {2, 9, 12};
  EXPECT_LT(relativeError(tasks.run({q, k, v})[0], expected), 1e-5);
  // Scores, statistics and the mix of one block of one head, and no copies of operands.
  if (isForCPU())
    EXPECT_LT(tasks.workspaceBytes("f"), 9u * 9 * 4 * 2 + 9 * 4 * 4 + 10 * 64);
}

TEST(AttentionBackward, UnusedCotangentsAreNotComputed) {
  if (!isForCPU())
    GTEST_SKIP() << "counts calls of the CPU's products";
  const char *text =
      R"(func.func @f(%q: tensor<1x1x8x4xf32>, %g: tensor<1x1x8x4xf32>, %l: tensor<1x1x8xf32>) -> tensor<1x1x8x4xf32> {
    %0:3 = nn.attention_backward %q, %q, %q, %q, %l, %g scale 0.5 : tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8xf32>, tensor<1x1x8x4xf32>
    return %0#2 : tensor<1x1x8x4xf32>
  })";
  Tasks tasks(text);
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  Tensor q = Tensor::random({1, 1, 8, 4}, 1), l({1, 1, 8}, 1);
  int64_t before = gemmCalls();
  tasks.run({q, q, l});
  EXPECT_EQ(gemmCalls() - before, 2);
}
