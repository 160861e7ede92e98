//===- LibraryCalls.h - Descriptions of library calls ---------------------===//
//
// Checks and texts for the tables of a program (bm_cuda_program); nothing of CUDA is needed.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_CUDA_LIBRARYCALLS_H
#define BIGMAC_RT_CUDA_LIBRARYCALLS_H

#include "bigmac-rt/cuda.h"

#include <string>

namespace bigmac::rt {

/// Throws RuntimeError with the call and what is wrong with it, for the first one that is.
void checkLibraryCalls(const bm_cuda_program &program);

/// "matmul 4096 x 1024 x 512 (m x n x k), bf16, into f32, transposed A, batch 12, beta 1, bias,
/// saved, gelu".
std::string describe(const bm_cuda_matmul &matmul);
/// "attention of 4 x 16 x 2048 x 128 queries (batch x heads x queries x depth), ...".
std::string describe(const bm_cuda_attention &attention);

/// Whether its epilogue has a vector (bias or sums), and whether an auxiliary matrix.
bool hasVector(const bm_cuda_matmul &matmul);
bool hasAux(const bm_cuda_matmul &matmul);
/// Whether its epilogue is more than a bias: then operands are at multiples of 16 bytes, and a
/// program compiled with --epilogues=none has kernels in its place.
bool doesMoreThanBias(const bm_cuda_matmul &matmul);

/// Whether it has gradients: strides of theirs that are not 0.
bool hasBackward(const bm_cuda_attention &attention);

/// Every field as text: equal for equal calls only.
std::string keyOf(const bm_cuda_matmul &matmul);
std::string keyOf(const bm_cuda_attention &attention);

/// The same products with less: batches that are one taller matrix are made one.
bm_cuda_matmul simplified(bm_cuda_matmul matmul);

/// How many bytes each operand spans, from its pointer on.
struct MatmulExtents {
  uint64_t a, b, c, vector, aux;
};
MatmulExtents extentsOf(const bm_cuda_matmul &matmul);

/// Bytes of an element: of BM_F32, BM_BF16 and BM_F16; 0 for other types.
uint64_t operandBytes(uint32_t type);

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDA_LIBRARYCALLS_H
