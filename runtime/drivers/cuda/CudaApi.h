//===- CudaApi.h - The CUDA driver's functions ----------------------------===//
//
// The driver API only, loaded from libcuda.so.1 when a program for GPUs starts: nothing of CUDA is
// needed to link it or to start it where there is none. (The runtime API, linked statically, would
// do as well, but brings its own context handling and 700 KB; the shared one ties the program to a
// version.)
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_CUDAAPI_H
#define BIGMAC_RT_CUDAAPI_H

#include "bigmac-rt/Error.h"

#include <cuda.h>
#include <string>

namespace bigmac::rt {

// cuda.h maps these to the versions of its own release by macros, here too.
#define BM_CUDA_FUNCTIONS(X)                                                                       \
  X(cuInit)                                                                                        \
  X(cuDriverGetVersion)                                                                            \
  X(cuGetErrorName)                                                                                \
  X(cuGetErrorString)                                                                              \
  X(cuDeviceGetCount)                                                                              \
  X(cuDeviceGet)                                                                                   \
  X(cuDeviceGetName)                                                                               \
  X(cuDeviceGetUuid)                                                                               \
  X(cuDeviceGetAttribute)                                                                          \
  X(cuDevicePrimaryCtxRetain)                                                                      \
  X(cuDevicePrimaryCtxRelease)                                                                     \
  X(cuCtxSetCurrent)                                                                               \
  X(cuMemAlloc)                                                                                    \
  X(cuMemFree)                                                                                     \
  X(cuMemGetInfo)                                                                                  \
  X(cuMemHostAlloc)                                                                                \
  X(cuMemFreeHost)                                                                                 \
  X(cuMemcpyHtoDAsync)                                                                             \
  X(cuMemcpyDtoHAsync)                                                                             \
  X(cuMemcpyDtoDAsync)                                                                             \
  X(cuMemsetD8Async)                                                                               \
  X(cuIpcGetMemHandle)                                                                             \
  X(cuIpcOpenMemHandle)                                                                            \
  X(cuIpcCloseMemHandle)                                                                           \
  X(cuStreamCreate)                                                                                \
  X(cuStreamDestroy)                                                                               \
  X(cuStreamQuery)                                                                                 \
  X(cuStreamSynchronize)                                                                           \
  X(cuStreamWaitEvent)                                                                             \
  X(cuStreamWaitValue32)                                                                           \
  X(cuStreamWriteValue32)                                                                          \
  X(cuStreamBeginCapture)                                                                          \
  X(cuStreamEndCapture)                                                                            \
  X(cuThreadExchangeStreamCaptureMode)                                                             \
  X(cuEventCreate)                                                                                 \
  X(cuEventDestroy)                                                                                \
  X(cuEventRecord)                                                                                 \
  X(cuEventRecordWithFlags)                                                                        \
  X(cuEventQuery)                                                                                  \
  X(cuEventSynchronize)                                                                            \
  X(cuEventElapsedTime)                                                                            \
  X(cuGraphInstantiateWithFlags)                                                                   \
  X(cuGraphDestroy)                                                                                \
  X(cuGraphExecDestroy)                                                                            \
  X(cuGraphLaunch)                                                                                 \
  X(cuModuleLoadData)                                                                              \
  X(cuModuleUnload)                                                                                \
  X(cuModuleGetFunction)                                                                           \
  X(cuFuncSetAttribute)                                                                            \
  X(cuFuncLoad)                                                                                    \
  X(cuLaunchKernel)

struct CudaApi {
#define BM_CUDA_MEMBER(name) decltype(&::name) name = nullptr;
  BM_CUDA_FUNCTIONS(BM_CUDA_MEMBER)
#undef BM_CUDA_MEMBER
};

/// Loads and initialises the driver. RuntimeError where there is none, or no GPU.
const CudaApi &cudaApi();

/// "CUDA_ERROR_INVALID_VALUE (invalid argument)".
std::string cudaErrorText(CUresult code);

/// Throws RuntimeError("CUDA: WHAT: the error") unless `code` is success. `what` is only called
/// then.
template <typename What> void checkCuda(CUresult code, What what) {
  if (code != CUDA_SUCCESS)
    throw RuntimeError("CUDA: " + std::string(what()) + ": " + cudaErrorText(code));
}
inline void checkCuda(CUresult code, const char *what) {
  checkCuda(code, [what] { return what; });
}

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDAAPI_H
