//===- CudaSpace.h - Where library calls run ------------------------------===//

#ifndef BIGMAC_RT_CUDASPACE_H
#define BIGMAC_RT_CUDASPACE_H

#include "CudaApi.h"

#include <string>

namespace bigmac::rt {

/// The part of a device that its library calls use. Nothing is in the arena yet when they are
/// prepared: they may write to it, and it is cleared afterwards.
struct CudaSpace {
  const CudaApi &api;
  CUstream stream;
  CUdeviceptr workspace; // aligned to 256
  uint64_t workspaceBytes;
  CUdeviceptr arena;
  uint64_t arenaBytes;
  CUfunction randomKernel; // bm_random
  CUfunction unseenKernel; // bm_unseen_queries
  std::string title;       // "GPU 0 (NVIDIA H200)"
  std::string model;       // the same for GPUs that are equally fast
  uint64_t l2Bytes;
  int smVersion;      // 90
  bool deterministic; // the same algorithms in every run
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDASPACE_H
