//===- TensorParts.h - Parts of tensors along one dimension -----*- C++ -*-===//

#ifndef BIGMAC_TARGET_TASKS_TENSORPARTS_H
#define BIGMAC_TARGET_TASKS_TENSORPARTS_H

#include "mlir/IR/BuiltinTypes.h"

#include <optional>

namespace bigmac {

/// A part of a tensor: all of it but for one dimension.
struct Part {
  int64_t dim = 0, offset = 0, size = 0;
};

/// The part of `shape` that offsets, sizes and strides describe, if they take all of every other
/// dimension.
inline std::optional<Part> matchPart(llvm::ArrayRef<int64_t> offsets, llvm::ArrayRef<int64_t> sizes,
                                     llvm::ArrayRef<int64_t> strides,
                                     llvm::ArrayRef<int64_t> shape) {
  std::optional<Part> part;
  for (auto [dim, size] : llvm::enumerate(shape)) {
    if (strides[dim] != 1 || mlir::ShapedType::isDynamic(offsets[dim]) ||
        mlir::ShapedType::isDynamic(sizes[dim]))
      return std::nullopt;
    if (offsets[dim] == 0 && sizes[dim] == size)
      continue;
    if (part)
      return std::nullopt;
    part = Part{static_cast<int64_t>(dim), offsets[dim], sizes[dim]};
  }
  return part;
}

} // namespace bigmac

#endif // BIGMAC_TARGET_TASKS_TENSORPARTS_H
