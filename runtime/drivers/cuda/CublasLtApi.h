//===- CublasLtApi.h - cuBLASLt's functions -------------------------------===//
//
// Loaded from libcublasLt.so when a program with matmuls starts, as libcuda is (CudaApi.h).
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_CUBLASLTAPI_H
#define BIGMAC_RT_CUBLASLTAPI_H

#include "bigmac-rt/Error.h"

#include <cublasLt.h>
#include <string>

namespace bigmac::rt {

#define BM_CUBLASLT_FUNCTIONS(X)                                                                   \
  X(cublasLtGetVersion)                                                                            \
  X(cublasLtGetStatusName)                                                                         \
  X(cublasLtGetStatusString)                                                                       \
  X(cublasLtCreate)                                                                                \
  X(cublasLtDestroy)                                                                               \
  X(cublasLtMatmulDescCreate)                                                                      \
  X(cublasLtMatmulDescDestroy)                                                                     \
  X(cublasLtMatmulDescSetAttribute)                                                                \
  X(cublasLtMatrixLayoutCreate)                                                                    \
  X(cublasLtMatrixLayoutDestroy)                                                                   \
  X(cublasLtMatrixLayoutSetAttribute)                                                              \
  X(cublasLtMatmulPreferenceCreate)                                                                \
  X(cublasLtMatmulPreferenceDestroy)                                                               \
  X(cublasLtMatmulPreferenceSetAttribute)                                                          \
  X(cublasLtMatmulAlgoGetHeuristic)                                                                \
  X(cublasLtMatmulAlgoCheck)                                                                       \
  X(cublasLtMatmul)

struct CublasLtApi {
#define BM_CUBLASLT_MEMBER(name) decltype(&::name) name = nullptr;
  BM_CUBLASLT_FUNCTIONS(BM_CUBLASLT_MEMBER)
#undef BM_CUBLASLT_MEMBER

  /// Throws RuntimeError("cuBLASLt: WHAT: the error") unless `code` is success. `what` is only
  /// called then.
  template <typename What> void check(cublasStatus_t code, What what) const {
    if (code != CUBLAS_STATUS_SUCCESS)
      throw RuntimeError("cuBLASLt: " + std::string(what()) + ": " + errorText(code));
  }

  /// "CUBLAS_STATUS_NOT_SUPPORTED (the functionality requested is not supported)".
  std::string errorText(cublasStatus_t code) const;
};

/// RuntimeError where cuBLASLt is missing.
const CublasLtApi &cublasLtApi();

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUBLASLTAPI_H
