//===- NNToLinalg.cpp - The convert-nn-to-linalg pass ----------------------===//

#include "bigmac/Conversion/NNToLinalg.h"
#include "Emitter.h"

#include "bigmac/Conversion/Passes.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/DialectConversion.h"

namespace bigmac {
#define GEN_PASS_DEF_CONVERTNNTOLINALG
#include "bigmac/Conversion/Passes.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// Fails at the first op whose type the CPU target does not compute in.
LogicalResult checkElementTypes(ModuleOp module) {
  WalkResult result = module.walk([](Operation *op) {
    // Anything can be moved, and converted to what is computed in.
    if (!isa_and_nonnull<nn::NNDialect, arith::ArithDialect, math::MathDialect>(op->getDialect()) ||
        isa<arith::ConstantOp, arith::ExtFOp, arith::TruncFOp, nn::BroadcastOp, nn::TransposeOp>(
            op))
      return WalkResult::advance();
    for (Type type : llvm::concat<const Type>(op->getOperandTypes(), op->getResultTypes())) {
      Type element = getElementTypeOrSelf(type);
      bool isNarrow =
          isa<FloatType>(element) && !element.isBF16() && !element.isF32() && !element.isF64();
      if (isNarrow || isa<ComplexType>(element)) {
        op->emitOpError("has element type ")
            << element << ", which the CPU target does not compute in; use f32 or bf16";
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

void declareIndexError(ModuleOp module) {
  if (module.lookupSymbol(lowering::kIndexErrorName))
    return;
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  Type i64 = builder.getI64Type();
  auto function = func::FuncOp::create(builder, module.getLoc(), lowering::kIndexErrorName,
                                       builder.getFunctionType({i64, i64}, {}));
  function.setPrivate();
}

struct ConvertNNToLinalg : bigmac::impl::ConvertNNToLinalgBase<ConvertNNToLinalg> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(checkElementTypes(module)))
      return signalPassFailure();
    declareIndexError(module);

    ConversionTarget target(getContext());
    target.addLegalDialect<affine::AffineDialect, linalg::LinalgDialect, scf::SCFDialect,
                           tensor::TensorDialect>();
    target.addIllegalDialect<nn::NNDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *op) {
      if (!isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) ||
          isa<arith::ConstantOp>(op))
        return true;
      return llvm::none_of(op->getResultTypes(),
                           [](Type type) { return isa<RankedTensorType>(type); });
    });
    RewritePatternSet patterns(&getContext());
    populateNNShapeToLinalgPatterns(patterns);
    populateNNReduceToLinalgPatterns(patterns);
    populateNNMatmulToLinalgPatterns(patterns);
    populateNNActivationToLinalgPatterns(patterns);
    populateNNNormToLinalgPatterns(patterns);
    populateNNAttentionToLinalgPatterns(patterns);
    populateNNLookupToLinalgPatterns(patterns);
    populateNNLossToLinalgPatterns(patterns);
    linalg::populateElementwiseToLinalgConversionPatterns(patterns);
    if (failed(applyFullConversion(module, target, std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
