//===- Strided.h - Reading and writing elements by strides -----------------===//

#ifndef BIGMAC_LIB_INTERPRETER_STRIDED_H
#define BIGMAC_LIB_INTERPRETER_STRIDED_H

#include "bigmac/Interpreter/Tensor.h"

namespace bigmac::interpreter {

/// Calls `visit(position, offset)` for each index of `shape` in row-major order: `position` counts
/// from 0, `offset` is `start` plus the sum of index[i] * steps[i].
template <typename Visit>
void walkStrided(llvm::ArrayRef<int64_t> shape, int64_t start, llvm::ArrayRef<int64_t> steps,
                 Visit visit) {
  assert(shape.size() == steps.size());
  if (llvm::is_contained(shape, 0))
    return;
  llvm::SmallVector<int64_t> index(shape.size(), 0);
  int64_t offset = start;
  for (int64_t position = 0;; ++position) {
    visit(position, offset);
    int64_t d = static_cast<int64_t>(shape.size()) - 1;
    for (; d >= 0; --d) {
      offset += steps[d];
      if (++index[d] < shape[d])
        break;
      offset -= steps[d] * shape[d];
      index[d] = 0;
    }
    if (d < 0)
      return;
  }
}

/// A tensor of `shape` whose element at an index is `source`'s at start + sum of index * steps.
Tensor gatherStrided(const Tensor &source, llvm::ArrayRef<int64_t> shape, int64_t start,
                     llvm::ArrayRef<int64_t> steps);

/// Writes the elements of `source`, indexed by `shape`, to start + sum of index * steps of
/// `target`.
void scatterStrided(Tensor &target, const Tensor &source, llvm::ArrayRef<int64_t> shape,
                    int64_t start, llvm::ArrayRef<int64_t> steps);

/// `input` repeated to `shape` by NumPy's rule.
Tensor broadcastTo(const Tensor &input, llvm::ArrayRef<int64_t> shape);

} // namespace bigmac::interpreter

#endif // BIGMAC_LIB_INTERPRETER_STRIDED_H
