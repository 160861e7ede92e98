#include "bigmac-rt/kernels.h"

#include <cblas.h>
#include <climits>

extern "C" void bm_sgemm(int transA, int transB, int64_t m, int64_t n, int64_t k, float alpha,
                         const float *a, int64_t lda, int64_t strideA, const float *b, int64_t ldb,
                         int64_t strideB, float beta, float *c, int64_t ldc, int64_t strideC,
                         int64_t batch) {
  CBLAS_TRANSPOSE ta = transA ? CblasTrans : CblasNoTrans;
  CBLAS_TRANSPOSE tb = transB ? CblasTrans : CblasNoTrans;
  // One tall product where the batch elements of A and C follow one another and share B.
  if (batch > 1 && strideB == 0 && !transA && strideA == m * lda && strideC == m * ldc &&
      m <= INT_MAX / batch) {
    m *= batch;
    batch = 1;
  }
  for (int64_t i = 0; i < batch; ++i)
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a + i * strideA, lda, b + i * strideB, ldb,
                beta, c + i * strideC, ldc);
}
