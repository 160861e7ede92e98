//===- ContractOnBuffers.cpp - What surrounds a contraction ----------------===//

#include "ContractOnBuffers.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace bigmac;

std::optional<SmallVector<ContractDim>> bigmac::dimsOf(linalg::ContractOp op) {
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<ContractDim> dims(maps[0].getNumDims());
  int64_t ContractDim::*fields[] = {&ContractDim::lhs, &ContractDim::rhs, &ContractDim::out};
  for (auto [map, value, field] : llvm::zip_equal(maps, op->getOperands(), fields)) {
    auto type = cast<MemRefType>(value.getType());
    SmallVector<int64_t> strides;
    int64_t offset;
    if (!type.hasStaticShape() || failed(type.getStridesAndOffset(strides, offset)) ||
        llvm::any_of(strides, ShapedType::isDynamic))
      return std::nullopt;
    for (auto [position, expression] : llvm::enumerate(map.getResults())) {
      ContractDim &dim = dims[cast<AffineDimExpr>(expression).getPosition()];
      dim.size = type.getDimSize(position);
      dim.*field = strides[position];
    }
  }
  return dims;
}

/// The allocation or argument that `buffer` is a view of.
static Value rootOf(Value buffer) {
  while (auto view = buffer.getDefiningOp<ViewLikeOpInterface>())
    buffer = view.getViewSource();
  return buffer;
}

linalg::LinalgOp bigmac::initializerOf(linalg::ContractOp op) {
  Value out = op.getDpsInits()[0];
  Value root = rootOf(out);
  for (Operation *prior = op->getPrevNode(); prior; prior = prior->getPrevNode()) {
    auto structured = dyn_cast<linalg::LinalgOp>(prior);
    if (structured && structured.getNumDpsInits() == 1 && structured.getDpsInits()[0] == out)
      return structured;
    if (isMemoryEffectFree(prior) || isa<ViewLikeOpInterface>(prior))
      continue;
    if (prior->getNumRegions() && !structured)
      return {};
    // Calls act on buffers through pointers, which say nothing about where they point.
    if (isa<CallOpInterface>(prior))
      return {};
    for (Value operand : prior->getOperands())
      if (isa<MemRefType>(operand.getType()) && rootOf(operand) == root)
        return {};
  }
  return {};
}

linalg::FillOp bigmac::asZeroFill(linalg::LinalgOp initializer) {
  auto fill = initializer ? dyn_cast<linalg::FillOp>(initializer.getOperation()) : linalg::FillOp();
  return fill && matchPattern(fill.value(), m_AnyZeroFloat()) ? fill : linalg::FillOp();
}
