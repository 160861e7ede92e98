//===- NcclApi.h - NCCL's functions ---------------------------------------===//
//
// Loaded from libnccl.so.2 when a run of several GPUs starts, as libcuda is (CudaApi.h).
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_NCCLAPI_H
#define BIGMAC_RT_NCCLAPI_H

#include <nccl.h>
#include <string>

namespace bigmac::rt {

#define BM_NCCL_FUNCTIONS(X)                                                                       \
  X(ncclGetVersion)                                                                                \
  X(ncclGetUniqueId)                                                                               \
  X(ncclCommInitRankConfig)                                                                        \
  X(ncclCommDestroy)                                                                               \
  X(ncclCommGetAsyncError)                                                                         \
  X(ncclGetErrorString)                                                                            \
  X(ncclGetLastError)                                                                              \
  X(ncclSend)                                                                                      \
  X(ncclRecv)                                                                                      \
  X(ncclReduceScatter)                                                                             \
  X(ncclAllGather)

struct NcclApi {
#define BM_NCCL_MEMBER(name) decltype(&::name) name = nullptr;
  BM_NCCL_FUNCTIONS(BM_NCCL_MEMBER)
#undef BM_NCCL_MEMBER

  /// Throws RuntimeError("NCCL: WHAT: the error: details") unless `code` is success.
  void check(ncclResult_t code, const std::string &what) const;
};

/// RuntimeError where NCCL is missing or older than the one it was built with needs.
const NcclApi &ncclApi();

} // namespace bigmac::rt

#endif // BIGMAC_RT_NCCLAPI_H
