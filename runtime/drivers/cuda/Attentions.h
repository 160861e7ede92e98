//===- Attentions.h - The fused attention of a program, by cuDNN ----------===//

#ifndef BIGMAC_RT_CUDA_ATTENTIONS_H
#define BIGMAC_RT_CUDA_ATTENTIONS_H

#include "CudaSpace.h"
#include "bigmac-rt/cuda.h"

#include <memory>

namespace bigmac::rt {

/// All of them are prepared by the constructor: each runs once there, so that its kernels are
/// compiled and loaded. What runs later only launches.
class Attentions {
public:
  Attentions(const bm_cuda_program &program, const CudaSpace &space);
  ~Attentions();

  void forward(uint32_t index, const void *q, const void *k, const void *v, const void *mask,
               void *o, float *logsumexp);
  void backward(uint32_t index, const void *q, const void *k, const void *v, const void *mask,
                const void *o, const float *logsumexp, const void *gradO, void *gradQ, void *gradK,
                void *gradV);

private:
  struct Prepared;
  class Library;
  Prepared &at(uint32_t index);
  void tryOnce(Prepared &attention);

  CudaSpace space;
  std::unique_ptr<Library> library;
  struct Table;
  std::unique_ptr<Table> table;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDA_ATTENTIONS_H
