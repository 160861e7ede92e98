//===- Matmuls.h - The matrix products of a program, by cuBLASLt ----------===//

#ifndef BIGMAC_RT_CUDA_MATMULS_H
#define BIGMAC_RT_CUDA_MATMULS_H

#include "AlgorithmCache.h"
#include "CublasLtApi.h"
#include "CudaSpace.h"
#include "LibraryCalls.h"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace bigmac::rt {

/// Where one call's operands are, as bm_cuda_matmul_run() has them.
struct MatmulPointers {
  const void *a, *b;
  void *c, *vector, *aux;
};

/// All of them are prepared by the constructor: each runs once there, so that its kernels are
/// loaded, and algorithms are picked by timing unless the cache has them. run() only launches.
class Matmuls {
public:
  Matmuls(const bm_cuda_program &program, const CudaSpace &space);
  ~Matmuls();

  void run(uint32_t index, const MatmulPointers &at);

private:
  struct Prepared;
  using Algorithm = cublasLtMatmulAlgo_t;

  std::unique_ptr<Prepared> describeToLibrary(const bm_cuda_matmul &matmul) const;
  std::vector<Algorithm> candidates(Prepared &matmul, uint32_t alignment, int count) const;
  void prepare(Prepared &matmul, AlgorithmCache &cache);
  std::optional<Algorithm> remembered(const Prepared &matmul, const AlgorithmCache &cache) const;
  std::optional<Algorithm> fastest(Prepared &matmul, std::span<const Algorithm> algorithms);
  std::string cacheKey(const Prepared &matmul) const;
  cublasStatus_t launch(Prepared &matmul, const Algorithm &algorithm,
                        const MatmulPointers &at) const;
  void runLoosely(Prepared &matmul, const MatmulPointers &at);

  const CublasLtApi &lt;
  CudaSpace space;
  cublasLtHandle_t handle = nullptr;
  std::vector<std::unique_ptr<Prepared>> distinct;
  std::vector<Prepared *> matmuls; // by their index in the program
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDA_MATMULS_H
