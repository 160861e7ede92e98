//===- kernels.h - Library calls of generated code ------------------------===//
//
// What compiled task functions may call. A task runs on one thread; these may use more (--threads).
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_KERNELS_H
#define BIGMAC_RT_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* C[i] = alpha * op(A[i]) * op(B[i]) + beta * C[i] for i in [0, batch), fp32, row-major; op
   transposes where transA / transB is not 0. op(A) is m x k, op(B) is k x n, C is m x n. Leading
   dimensions and strides (from one batch element to the next; 0 repeats the operand) are in
   elements. With beta = 0 C is not read. C's elements must not overlap one another (strideC = 0
   only with batch = 1). */
void bm_sgemm(int transA, int transB, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
              int64_t lda, int64_t strideA, const float *b, int64_t ldb, int64_t strideB,
              float beta, float *c, int64_t ldc, int64_t strideC, int64_t batch);

/* A lookup with `index` in a table of `size` rows, which lacks it: says so and ends the process. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void bm_index_error(int64_t index, int64_t size);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // BIGMAC_RT_KERNELS_H
