//===- cuda.h - What compiled CUDA programs and the runtime share ---------===//
//
// A task of a CUDA program is host code, `void f(void *const *args)` as on the CPU; its pointers
// are in the device's memory, and it launches kernels and calls libraries on the stream of the
// running task. It returns at once, does not wait for the device, does not allocate, and does the
// same on every call: what a step's tasks launch is kept as one CUDA graph and started again. An
// error in it is remembered and ends the run when the task has returned.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_CUDA_H
#define BIGMAC_RT_CUDA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bm_cuda_kernel {
  const char *name;      /* in the image */
  uint32_t shared_bytes; /* dynamic workgroup memory, beside what the kernel declares */
  uint32_t reserved;
} bm_cuda_kernel;

/* All kernels of a program. */
typedef struct bm_cuda_program {
  const void *image; /* a cubin or fatbin */
  const bm_cuda_kernel *kernels;
  uint64_t kernel_count;
} bm_cuda_program;

/* What the objects of a program for the target "cuda" define, and those of others do not. */
extern const bm_cuda_program bm_cuda;

/* Launches kernel `index` of the program; params[i] points to the i-th argument (for a buffer: to
   the pointer). */
void bm_cuda_launch(uint32_t index, uint32_t grid_x, uint32_t grid_y, uint32_t grid_z,
                    uint32_t block_x, uint32_t block_y, uint32_t block_z, void **params);

/* The stream of the running task: a CUstream, also a cudaStream_t. */
void *bm_cuda_stream(void);

/* Remembers that a library call of the running task has failed, unless an earlier one has:
   "cuBLASLt: matmul 512 x 512 x 64: not supported". */
void bm_cuda_fail(const char *what);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // BIGMAC_RT_CUDA_H
