//===- CUDADialect.td - The cuda dialect -----------------------------------===//

#ifndef BIGMAC_DIALECTS_CUDA_CUDADIALECT
#define BIGMAC_DIALECTS_CUDA_CUDADIALECT

include "mlir/IR/OpBase.td"

def CUDA_Dialect : Dialect {
  let name = "cuda";
  let cppNamespace = "::bigmac::cuda";
  let summary = "What a task asks of libraries on a GPU";
  let description = [{
    The calls of a task function that no generated kernel replaces: matrix products, attention,
    and lookups whose writes collide. Their operands are tensors, then buffers; each op is one
    call of the runtime (runtime/include/bigmac-rt/cuda.h). The rationale is in
    docs/Dialects/CUDA.md.
  }];
}

#endif // BIGMAC_DIALECTS_CUDA_CUDADIALECT
