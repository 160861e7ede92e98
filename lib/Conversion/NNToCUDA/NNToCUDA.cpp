//===- NNToCUDA.cpp - The convert-nn-to-cuda pass --------------------------===//

#include "NNToCUDA.h"

#include "bigmac/Conversion/Passes.h"
#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

namespace bigmac {
#define GEN_PASS_DEF_CONVERTNNTOCUDA
#include "bigmac/Conversion/Passes.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

struct ConvertNNToCUDA : bigmac::impl::ConvertNNToCUDABase<ConvertNNToCUDA> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa_and_nonnull<nn::NNDialect>(op->getDialect()))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (Operation *op : ops) {
      if (!epilogues && isa<nn::GeluOp, nn::GeluBackwardOp, nn::ReduceSumOp>(op))
        continue;
      rewriter.setInsertionPoint(op);
      llvm::TypeSwitch<Operation *>(op)
          .Case([&](nn::AttentionOp op) { lowerAttention(op, rewriter, attentionLibrary); })
          .Case([&](nn::AttentionBackwardOp op) {
            lowerAttentionBackward(op, rewriter, attentionLibrary);
          })
          .Case([&](nn::GeluOp op) { lowerGelu(op, rewriter); })
          .Case([&](nn::GeluBackwardOp op) { lowerGeluBackward(op, rewriter); })
          .Case([&](nn::ReduceSumOp op) { lowerBiasGradient(op, rewriter); })
          .Case([&](nn::EmbeddingOp op) { lowerEmbedding(op, rewriter); })
          .Case([&](nn::EmbeddingBackwardOp op) { lowerEmbeddingBackward(op, rewriter); })
          .Case([&](nn::GatherElementsOp op) { lowerGatherElements(op, rewriter); })
          .Case([&](nn::GatherElementsBackwardOp op) { lowerGatherElementsBackward(op, rewriter); })
          .Case([&](nn::CrossEntropyOp op) { lowerCrossEntropy(op, rewriter); })
          .Case([&](nn::CrossEntropyBackwardOp op) { lowerCrossEntropyBackward(op, rewriter); });
    }
  }
};

} // namespace
