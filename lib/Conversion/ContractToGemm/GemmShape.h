//===- GemmShape.h - A contraction as a strided matrix product --*- C++ -*-===//

#ifndef BIGMAC_CONVERSION_CONTRACTTOGEMM_GEMMSHAPE_H
#define BIGMAC_CONVERSION_CONTRACTTOGEMM_GEMMSHAPE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <optional>

namespace bigmac {

/// One dimension of a contraction: its size, and its strides in lhs, rhs and result, 0 where it
/// does not index.
struct ContractDim {
  int64_t size = 1;
  int64_t lhs = 0, rhs = 0, out = 0;
};

/// op(A) . op(B) for each of `loops`' and `batch`'s indices, in the terms of bm_sgemm.
struct GemmShape {
  /// The result is computed transposed: A is the contraction's rhs, B its lhs.
  bool swapped = false;
  bool transA = false, transB = false;
  int64_t m = 1, n = 1, k = 1;
  int64_t lda = 1, ldb = 1, ldc = 1;
  ContractDim batch;
  /// Dimensions for which the call is repeated; those with `out` = 0 are summed over.
  llvm::SmallVector<ContractDim> loops;
};

/// Merges dimensions whose strides allow it and picks m, n, k and batch. Nothing where lhs, rhs or
/// result has no unit stride among the dimensions of a matrix.
std::optional<GemmShape> matchGemm(llvm::ArrayRef<ContractDim> dims);

} // namespace bigmac

#endif // BIGMAC_CONVERSION_CONTRACTTOGEMM_GEMMSHAPE_H
