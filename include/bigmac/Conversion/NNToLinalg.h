//===- NNToLinalg.h - Lowering nn to linalg on tensors ----------*- C++ -*-===//
//
// One set of patterns a family of ops, so that a target can take some and replace others.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_CONVERSION_NNTOLINALG_H
#define BIGMAC_CONVERSION_NNTOLINALG_H

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace bigmac {

/// transpose, broadcast.
void populateNNShapeToLinalgPatterns(mlir::RewritePatternSet &patterns);
/// reduce_sum, reduce_max, argmax.
void populateNNReduceToLinalgPatterns(mlir::RewritePatternSet &patterns);
/// matmul, conv.
void populateNNMatmulToLinalgPatterns(mlir::RewritePatternSet &patterns);
/// softmax, log_softmax, sigmoid, silu, gelu and its backward.
void populateNNActivationToLinalgPatterns(mlir::RewritePatternSet &patterns);
/// layer_norm, rms_norm and their backwards.
void populateNNNormToLinalgPatterns(mlir::RewritePatternSet &patterns);
/// attention, attention_backward.
void populateNNAttentionToLinalgPatterns(mlir::RewritePatternSet &patterns);
/// embedding, gather_elements and their backwards.
void populateNNLookupToLinalgPatterns(mlir::RewritePatternSet &patterns);
/// cross_entropy, cross_entropy_backward.
void populateNNLossToLinalgPatterns(mlir::RewritePatternSet &patterns);

} // namespace bigmac

#endif // BIGMAC_CONVERSION_NNTOLINALG_H
