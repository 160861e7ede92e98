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

} // namespace bigmac::rt::cuda

#endif // BIGMAC_RT_CUDA_KERNELS_H
