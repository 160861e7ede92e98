//===- TrialMemory.h - Operands of library calls that are only tried ------===//

#ifndef BIGMAC_RT_CUDA_TRIALMEMORY_H
#define BIGMAC_RT_CUDA_TRIALMEMORY_H

#include "CudaSpace.h"

#include <vector>

namespace bigmac::rt {

/// Pieces of the arena, each aligned to 256; of memory of their own where the arena is too small.
class TrialMemory {
public:
  /// `what`: for errors.
  TrialMemory(const CudaSpace &space, const std::vector<uint64_t> &sizes, const std::string &what)
      : space(space) {
    uint64_t bytes = 0;
    for (uint64_t size : sizes) {
      offsets.push_back(bytes);
      bytes += (size + 255) / 256 * 256;
    }
    if (bytes > space.arenaBytes)
      checkCuda(space.api.cuMemAlloc(&own, bytes), [&] {
        return std::to_string(bytes) + " bytes to try " + what + " on " + space.title;
      });
  }
  TrialMemory(const TrialMemory &) = delete;
  TrialMemory &operator=(const TrialMemory &) = delete;
  ~TrialMemory() {
    if (own)
      space.api.cuMemFree(own); // waits for what uses it
  }

  CUdeviceptr address(size_t i) const { return (own ? own : space.arena) + offsets[i]; }
  void *pointer(size_t i) const { return reinterpret_cast<void *>(address(i)); }

private:
  const CudaSpace &space;
  std::vector<uint64_t> offsets;
  CUdeviceptr own = 0;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDA_TRIALMEMORY_H
