//===- Reference.cpp - Plain loops that say what ops compute ---------------===//

#include "Reference.h"

#include <cmath>
#include <limits>

using namespace bigmac::test;

std::string bigmac::test::typeName(const std::vector<int64_t> &shape, const std::string &element) {
  std::string name = "tensor<";
  for (int64_t size : shape)
    name += std::to_string(size) + "x";
  return name + element + ">";
}

Tensor bigmac::test::matmul(const Tensor &lhs, const Tensor &rhs, bool transposeLhs,
                            bool transposeRhs) {
  size_t rank = lhs.shape.size();
  int64_t rows = lhs.shape[rank - 2], columns = lhs.shape[rank - 1];
  int64_t m = transposeLhs ? columns : rows, k = transposeLhs ? rows : columns;
  int64_t n = transposeRhs ? rhs.shape[rhs.shape.size() - 2] : rhs.shape.back();
  std::vector<int64_t> shape = lhs.shape;
  shape[rank - 2] = m;
  shape[rank - 1] = n;
  Tensor result(shape);
  int64_t batch = lhs.size() / (m * k);
  bool shared = rhs.shape.size() == 2;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t t = 0; t < k; ++t)
          result[(b * m + i) * n + j] +=
              lhs[b * m * k + (transposeLhs ? t * m + i : i * k + t)] *
              rhs[(shared ? 0 : b * n * k) + (transposeRhs ? j * k + t : t * n + j)];
  return result;
}

Tensor bigmac::test::transpose(const Tensor &input, const std::vector<int64_t> &permutation) {
  size_t rank = permutation.size();
  std::vector<int64_t> shape, strides(rank, 1);
  for (int64_t dim : permutation)
    shape.push_back(input.shape[dim]);
  for (size_t i = rank - 1; i > 0; --i)
    strides[i - 1] = strides[i] * input.shape[i];
  Tensor result(shape);
  for (int64_t i = 0; i < result.size(); ++i) {
    int64_t rest = i, from = 0;
    for (size_t dim = rank; dim-- > 0;) {
      from += rest % shape[dim] * strides[permutation[dim]];
      rest /= shape[dim];
    }
    result[i] = input[from];
  }
  return result;
}

AttentionResult bigmac::test::attention(const Tensor &query, const Tensor &key, const Tensor &value,
                                        const Tensor *mask, double scale, bool causal) {
  int64_t batch = query.shape[0], heads = query.shape[1], queries = query.shape[2];
  int64_t keys = key.shape[2], depth = query.shape[3], valueDepth = value.shape[3];
  int64_t group = heads / key.shape[1];
  AttentionResult result{Tensor({batch, heads, queries, valueDepth}),
                         Tensor({batch, heads, queries}), Tensor({batch, heads, queries, keys})};
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < queries; ++i) {
        std::vector<double> scores(keys);
        double max = -std::numeric_limits<double>::infinity(), sum = 0;
        for (int64_t j = 0; j < keys; ++j) {
          for (int64_t d = 0; d < depth; ++d)
            scores[j] += query.at({b, h, i, d}) * key.at({b, h / group, j, d});
          scores[j] *= scale;
          if (mask)
            scores[j] += mask->at({mask->shape[0] == 1 ? 0 : b, mask->shape[1] == 1 ? 0 : h,
                                   mask->shape[2] == 1 ? 0 : i, j});
          if (causal && j > i + keys - queries)
            scores[j] = -std::numeric_limits<double>::infinity();
          max = std::max(max, scores[j]);
        }
        double infinity = std::numeric_limits<double>::infinity();
        if (max == -infinity) {
          result.logsumexp.at({b, h, i}) = infinity;
          continue;
        }
        for (double score : scores)
          sum += std::exp(score - max);
        result.logsumexp.at({b, h, i}) = max + std::log(sum);
        for (int64_t j = 0; j < keys; ++j) {
          double p = std::exp(scores[j] - max) / sum;
          result.probabilities.at({b, h, i, j}) = p;
          for (int64_t d = 0; d < valueDepth; ++d)
            result.output.at({b, h, i, d}) += p * value.at({b, h / group, j, d});
        }
      }
  return result;
}

AttentionGrads bigmac::test::attentionBackward(const Tensor &query, const Tensor &key,
                                               const Tensor &value, const Tensor *mask,
                                               double scale, bool causal, const Tensor &grad) {
  AttentionResult forward = attention(query, key, value, mask, scale, causal);
  AttentionGrads grads{Tensor(query.shape), Tensor(key.shape), Tensor(value.shape)};
  int64_t batch = query.shape[0], heads = query.shape[1], queries = query.shape[2];
  int64_t keys = key.shape[2], depth = query.shape[3], valueDepth = value.shape[3];
  int64_t group = heads / key.shape[1];
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < queries; ++i) {
        std::vector<double> dp(keys);
        double mean = 0;
        for (int64_t j = 0; j < keys; ++j) {
          double p = forward.probabilities.at({b, h, i, j});
          for (int64_t d = 0; d < valueDepth; ++d) {
            dp[j] += grad.at({b, h, i, d}) * value.at({b, h / group, j, d});
            grads.value.at({b, h / group, j, d}) += p * grad.at({b, h, i, d});
          }
          mean += p * dp[j];
        }
        for (int64_t j = 0; j < keys; ++j) {
          double ds = forward.probabilities.at({b, h, i, j}) * (dp[j] - mean) * scale;
          for (int64_t d = 0; d < depth; ++d) {
            grads.query.at({b, h, i, d}) += ds * key.at({b, h / group, j, d});
            grads.key.at({b, h / group, j, d}) += ds * query.at({b, h, i, d});
          }
        }
      }
  return grads;
}

Tensor bigmac::test::conv(const Tensor &input, const Tensor &filter,
                          const std::vector<int64_t> &strides, const std::vector<int64_t> &pads,
                          const std::vector<int64_t> &dilations, int64_t groups) {
  int64_t n = input.shape[0], c = input.shape[1], o = filter.shape[0];
  int64_t height = input.shape[2], width = input.shape[3];
  int64_t kh = filter.shape[2], kw = filter.shape[3];
  int64_t oh = (height + pads[0] + pads[2] - dilations[0] * (kh - 1) - 1) / strides[0] + 1;
  int64_t ow = (width + pads[1] + pads[3] - dilations[1] * (kw - 1) - 1) / strides[1] + 1;
  Tensor result({n, o, oh, ow});
  int64_t perGroup = c / groups;
  for (int64_t b = 0; b < n; ++b)
    for (int64_t f = 0; f < o; ++f)
      for (int64_t y = 0; y < oh; ++y)
        for (int64_t x = 0; x < ow; ++x)
          for (int64_t i = 0; i < perGroup; ++i)
            for (int64_t u = 0; u < kh; ++u)
              for (int64_t v = 0; v < kw; ++v) {
                int64_t row = y * strides[0] + u * dilations[0] - pads[0];
                int64_t column = x * strides[1] + v * dilations[1] - pads[1];
                if (row < 0 || row >= height || column < 0 || column >= width)
                  continue;
                int64_t channel = f / (o / groups) * perGroup + i;
                result.at({b, f, y, x}) +=
                    input.at({b, channel, row, column}) * filter.at({f, i, u, v});
              }
  return result;
}
