#include "CudaApi.h"

#include "../common/DynamicLibrary.h"

#include <cstdlib>

namespace bigmac::rt {

static CudaApi load() {
  DynamicLibrary library("libcuda.so.1", "this machine has no NVIDIA driver");
  CudaApi api;
#define BM_CUDA_TEXT2(name) #name
#define BM_CUDA_TEXT(name) BM_CUDA_TEXT2(name)
#define BM_CUDA_FIND(name) library.find(api.name, BM_CUDA_TEXT(name));
  BM_CUDA_FUNCTIONS(BM_CUDA_FIND)
  // Kernels of transfers wait for other GPUs while those of tasks run. With the default of 8
  // hardware queues, one of the latter could be stuck behind one of the former.
  setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", /*overwrite=*/0);
  CUresult code = api.cuInit(0);
  const char *text = nullptr;
  if (code != CUDA_SUCCESS) {
    api.cuGetErrorString(code, &text);
    throw RuntimeError("the NVIDIA driver does not start: " +
                       std::string(text ? text : std::to_string(code)));
  }
  return api;
}

const CudaApi &cudaApi() {
  static const CudaApi api = load();
  return api;
}

std::string cudaErrorText(CUresult code) {
  const char *name = nullptr, *text = nullptr;
  cudaApi().cuGetErrorName(code, &name);
  cudaApi().cuGetErrorString(code, &text);
  return (name ? name : "error " + std::to_string(code)) +
         (text ? " (" + std::string(text) + ")" : "");
}

} // namespace bigmac::rt
