//===- ByteSize.h - Bytes that a tensor takes -------------------*- C++ -*-===//

#ifndef BIGMAC_SUPPORT_BYTESIZE_H
#define BIGMAC_SUPPORT_BYTESIZE_H

#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "llvm/Support/MathExtras.h"

namespace bigmac {

/// Bytes of a dense array of a static shaped type; an element takes whole bytes, so a boolean one.
inline uint64_t byteSize(mlir::Type type) {
  auto shaped = mlir::cast<mlir::ShapedType>(type);
  return shaped.getNumElements() * llvm::divideCeil(shaped.getElementTypeBitWidth(), 8u);
}

} // namespace bigmac

#endif // BIGMAC_SUPPORT_BYTESIZE_H
