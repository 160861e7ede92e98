//===- TensorParts.h - Parts of tensors along one dimension -----*- C++ -*-===//

#ifndef BIGMAC_TARGET_TASKS_TENSORPARTS_H
#define BIGMAC_TARGET_TASKS_TENSORPARTS_H

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

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

/// The part of its source, of static shape, that a slice is, if it has all dimensions.
inline std::optional<Part> matchPart(mlir::tensor::ExtractSliceOp slice) {
  if (slice.getType().getRank() != slice.getSourceType().getRank() ||
      !slice.getSourceType().hasStaticShape())
    return std::nullopt;
  return matchPart(slice.getStaticOffsets(), slice.getStaticSizes(), slice.getStaticStrides(),
                   slice.getSourceType().getShape());
}

/// A part of `tensor`, whose shape is static.
inline mlir::Value slicePart(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value tensor,
                             const Part &part) {
  auto type = mlir::cast<mlir::RankedTensorType>(tensor.getType());
  llvm::SmallVector<mlir::OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0));
  llvm::SmallVector<mlir::OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  llvm::SmallVector<mlir::OpFoldResult> sizes =
      mlir::getAsIndexOpFoldResult(builder.getContext(), type.getShape());
  offsets[part.dim] = builder.getIndexAttr(part.offset);
  sizes[part.dim] = builder.getIndexAttr(part.size);
  return mlir::tensor::ExtractSliceOp::create(builder, loc, tensor, offsets, sizes, strides);
}

} // namespace bigmac

#endif // BIGMAC_TARGET_TASKS_TENSORPARTS_H
