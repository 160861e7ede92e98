//===- NNToCUDA.h - nn ops that a GPU computes in its own way ---*- C++ -*-===//
//
// The lowerings for CPUs loop: over heads and blocks of queries, over ids. Many threads want whole
// tensors instead. And a product can do what comes after it. Each function replaces one op.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_CONVERSION_NNTOCUDA_NNTOCUDA_H
#define BIGMAC_CONVERSION_NNTOCUDA_NNTOCUDA_H

#include "dialects/NN/IR/NN.h"
#include "lib/Conversion/NNToLinalg/Emitter.h"
#include "mlir/IR/PatternMatch.h"

namespace bigmac::lowering {

/// By cuDNN where it has such an attention, else by two products and what is between them.
void lowerAttention(nn::AttentionOp op, mlir::IRRewriter &rewriter, bool useLibrary);
void lowerAttentionBackward(nn::AttentionBackwardOp op, mlir::IRRewriter &rewriter,
                            bool useLibrary);

/// By the product before it, where that is cuBLASLt's to do; else left alone.
void lowerGelu(nn::GeluOp op, mlir::IRRewriter &rewriter);
void lowerGeluBackward(nn::GeluBackwardOp op, mlir::IRRewriter &rewriter);
/// A bias's gradient by the product that makes its weight's.
void lowerBiasGradient(nn::ReduceSumOp op, mlir::IRRewriter &rewriter);

void lowerEmbedding(nn::EmbeddingOp op, mlir::IRRewriter &rewriter);
void lowerEmbeddingBackward(nn::EmbeddingBackwardOp op, mlir::IRRewriter &rewriter);
void lowerGatherElements(nn::GatherElementsOp op, mlir::IRRewriter &rewriter);
void lowerGatherElementsBackward(nn::GatherElementsBackwardOp op, mlir::IRRewriter &rewriter);

void lowerCrossEntropy(nn::CrossEntropyOp op, mlir::IRRewriter &rewriter);
void lowerCrossEntropyBackward(nn::CrossEntropyBackwardOp op, mlir::IRRewriter &rewriter);

/// Whether it is one; it may be null.
bool isReshape(mlir::Operation *op);
/// `value`, or what it is a reshape of.
mlir::Value beforeReshapes(mlir::Value value);
/// Whether all of `type` is bf16 in rows of multiples of 16 bytes: what cuBLASLt has epilogues for,
/// and its best kernels.
bool hasAlignedRows(mlir::RankedTensorType type);
/// Removes what is left of `value` where nothing needs it: a product that is not computed no longer
/// uses what others look at.
void eraseUnused(mlir::IRRewriter &rewriter, mlir::Value value);

/// A float scalar of a body in another type.
mlir::Value convert(Emitter &e, mlir::Value scalar, mlir::Type element);
/// Scalars of a body: an index into `size` entries, counted from the end where it is negative and
/// `wrap`; some entry where it is outside, which `checkIndices` has reported.
mlir::Value safeIndex(Emitter &e, mlir::Value index, int64_t size, bool wrap);
/// Ends the run where an index is outside.
void checkIndices(Emitter &e, mlir::Value indices, int64_t size, bool wrap,
                  std::optional<int64_t> ignored = std::nullopt);

} // namespace bigmac::lowering

#endif // BIGMAC_CONVERSION_NNTOCUDA_NNTOCUDA_H
