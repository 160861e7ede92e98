//===- kernels.h - What the CUDA device's kernels and its host code share -===//

#ifndef BIGMAC_RT_CUDA_KERNELS_H
#define BIGMAC_RT_CUDA_KERNELS_H

#include <stdint.h>

namespace bigmac::rt::cuda {

/// Threads of a block, and the most blocks of a launch; threads take further elements in turn.
inline constexpr uint32_t kBlock = 256;
inline constexpr uint32_t kMostBlocks = 2048;

inline constexpr uint32_t kMostSources = 256;
struct SumSources {
  const void *at[kMostSources];
  uint32_t count;
};

/// For bm_unseen_queries: of an attention with a mask.
struct UnseenQueries {
  uint32_t type, causal; // bm_dtype of mask and o
  int64_t batch, heads, queries, keys, valueDepth;
  int64_t oStrides[4], maskStrides[4]; // the mask's are 0 where it is repeated
};

/// For bm_scatter_rows.
struct ScatterRows {
  uint32_t tableType, rowsType, idBytes, reserved;
  int64_t tableRows, width, count;
};
/// Elements of a row that one thread adds up.
inline constexpr uint32_t kScatterElements = 8;

/// For bm_check_indices.
struct CheckIndices {
  uint32_t indexBytes, reserved;
  int64_t count, lowest, size, ignored;
};

/// What bm_cuda_index_error_record() points to.
struct IndexErrorRecord {
  uint64_t count;
  int64_t index, size;
};

} // namespace bigmac::rt::cuda

#endif // BIGMAC_RT_CUDA_KERNELS_H
