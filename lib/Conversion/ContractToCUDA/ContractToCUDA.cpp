//===- ContractToCUDA.cpp - The convert-contract-to-cuda pass --------------===//

#include "Products.h"

#include "bigmac/Conversion/Passes.h"
#include "lib/Conversion/ContractToGemm/ContractOnBuffers.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace bigmac {
#define GEN_PASS_DEF_CONVERTCONTRACTTOCUDA
#include "bigmac/Conversion/Passes.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

bool isSupported(linalg::ContractOp op) {
  Type lhs = getElementTypeOrSelf(op->getOperand(0).getType());
  Type rhs = getElementTypeOrSelf(op->getOperand(1).getType());
  Type out = getElementTypeOrSelf(op->getOperand(2).getType());
  return lhs == rhs && (lhs.isF32() || lhs.isBF16() || lhs.isF16()) && (out == lhs || out.isF32());
}

/// The row that `initializer` repeats to every row of the products' result.
Value biasOf(linalg::LinalgOp initializer, const GemmShape &shape) {
  auto generic =
      initializer ? dyn_cast<linalg::GenericOp>(initializer.getOperation()) : linalg::GenericOp();
  if (!generic || generic.getNumDpsInputs() != 1 || generic.getNumReductionLoops() != 0 ||
      !llvm::hasSingleElement(*generic.getBody()) ||
      generic.getBody()->getTerminator()->getOperand(0) != generic.getBody()->getArgument(0))
    return {};
  AffineMap from = generic.getIndexingMapsArray()[0], to = generic.getIndexingMapsArray()[1];
  Value bias = generic.getDpsInputs()[0];
  auto type = dyn_cast<MemRefType>(bias.getType());
  if (!type || type.getRank() != 1 || !type.getLayout().isIdentity() ||
      type.getDimSize(0) != shape.n || from.getNumResults() != 1 || to.getNumResults() == 0 ||
      from.getResult(0) != to.getResults().back() ||
      type.getElementType() != getElementTypeOrSelf(generic.getDpsInits()[0].getType()))
    return {};
  // The last dimension is n: it has the unit stride.
  auto outType = cast<MemRefType>(generic.getDpsInits()[0].getType());
  return outType.getShape().back() == shape.n ? bias : Value();
}

void lower(linalg::ContractOp op, const GemmShape &shape) {
  ProductOperands operands{.lhs = op.getDpsInputs()[0],
                           .rhs = op.getDpsInputs()[1],
                           .out = op.getDpsInits()[0],
                           .accumulates = true};
  bool sumsInLoop = llvm::any_of(shape.loops, [](const ContractDim &dim) { return !dim.out; });
  if (!sumsInLoop) {
    linalg::LinalgOp initializer = initializerOf(op);
    operands.bias = biasOf(initializer, shape);
    if (operands.bias || asZeroFill(initializer)) {
      initializer.erase();
      operands.accumulates = false;
    }
  }
  OpBuilder b(op);
  createProducts(b, op.getLoc(), operands, shape);
  op.erase();
}

struct ConvertContractToCUDA : bigmac::impl::ConvertContractToCUDABase<ConvertContractToCUDA> {
  void runOnOperation() override {
    SmallVector<linalg::ContractOp> ops;
    getOperation().walk([&](linalg::ContractOp op) { ops.push_back(op); });
    for (linalg::ContractOp op : ops) {
      if (!op.hasPureBufferSemantics()) {
        op.emitOpError("must be bufferized before its conversion to a call");
        return signalPassFailure();
      }
      auto dims = isSupported(op) ? dimsOf(op) : std::nullopt;
      std::optional<GemmShape> shape = dims ? matchGemm(*dims) : std::nullopt;
      if (shape && isWorthCalls(*shape))
        lower(op, *shape);
    }
    lowerFusedProducts(getOperation());
  }
};

} // namespace
