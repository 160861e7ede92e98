#include "CublasLtApi.h"

#include "../common/DynamicLibrary.h"

namespace bigmac::rt {

/// What is used here has the same layout in both.
static DynamicLibrary open() {
  try {
    return DynamicLibrary("libcublasLt.so.13", "");
  } catch (const RuntimeError &) {
    return DynamicLibrary("libcublasLt.so.12",
                          "this program's matrix products need cuBLASLt (libcublasLt.so.13 or "
                          ".12); install cuBLAS (a CUDA Toolkit or the wheel nvidia-cublas) and "
                          "name its folder in LD_LIBRARY_PATH");
  }
}

static CublasLtApi load() {
  DynamicLibrary library = open();
  CublasLtApi api;
#define BM_CUBLASLT_FIND(name) library.find(api.name, #name);
  BM_CUBLASLT_FUNCTIONS(BM_CUBLASLT_FIND)
  return api;
}

const CublasLtApi &cublasLtApi() {
  static const CublasLtApi api = load();
  return api;
}

std::string CublasLtApi::errorText(cublasStatus_t code) const {
  return std::string(cublasLtGetStatusName(code)) + " (" + cublasLtGetStatusString(code) + ")";
}

} // namespace bigmac::rt
