//===- Reference.h - Plain loops that say what ops compute ------*- C++ -*-===//
//
// In double, element by element, written from the op descriptions alone.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TEST_TARGET_CPU_REFERENCE_H
#define BIGMAC_TEST_TARGET_CPU_REFERENCE_H

#include "TaskRunner.h"

namespace bigmac::test {

/// `tensor<2x3xf32>`
std::string typeName(const std::vector<int64_t> &shape, const std::string &element = "f32");

/// [batch, m, k] x [batch, k, n]; a rank-2 rhs is shared.
Tensor matmul(const Tensor &lhs, const Tensor &rhs, bool transposeLhs = false,
              bool transposeRhs = false);

Tensor transpose(const Tensor &input, const std::vector<int64_t> &permutation);

struct AttentionResult {
  Tensor output, logsumexp;
  /// [batch, heads, queries, keys]
  Tensor probabilities;
};
AttentionResult attention(const Tensor &query, const Tensor &key, const Tensor &value,
                          const Tensor *mask, double scale, bool causal);

struct AttentionGrads {
  Tensor query, key, value;
};
AttentionGrads attentionBackward(const Tensor &query, const Tensor &key, const Tensor &value,
                                 const Tensor *mask, double scale, bool causal, const Tensor &grad);

Tensor conv(const Tensor &input, const Tensor &filter, const std::vector<int64_t> &strides,
            const std::vector<int64_t> &pads, const std::vector<int64_t> &dilations,
            int64_t groups);

} // namespace bigmac::test

#endif // BIGMAC_TEST_TARGET_CPU_REFERENCE_H
