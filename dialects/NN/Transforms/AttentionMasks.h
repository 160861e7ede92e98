//===- AttentionMasks.h - What is known of an additive mask -----*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_NN_TRANSFORMS_ATTENTIONMASKS_H
#define BIGMAC_DIALECTS_NN_TRANSFORMS_ATTENTIONMASKS_H

#include "dialects/NN/IR/NN.h"
#include "mlir/IR/PatternMatch.h"

namespace bigmac::nn {

/// Whether a gradient would flow through `value` to a trained parameter. `nn.attention`'s mask has
/// none, so such a bias must stay outside of it.
bool dependsOnTrained(mlir::Value value);

/// Whether no row (last dimension) of an additive mask can be -inf as a whole.
bool hasNoBlindRow(mlir::Value mask);

/// Whether every row of a constant tensor of booleans has an element that is `value`.
bool everyRowHas(mlir::Value booleans, bool value);

/// Numbers up to this one take all weight from a score of the element type of `like`.
double lowestScore(mlir::Value like);

/// Patterns on `nn.attention`: a constant mask that is causal becomes `causal`, one of zeros goes,
/// and one that repeats itself shrinks; keys and values that repeat heads become grouped-query
/// attention.
void populateSimplifyAttentionPatterns(mlir::RewritePatternSet &patterns);

} // namespace bigmac::nn

#endif // BIGMAC_DIALECTS_NN_TRANSFORMS_ATTENTIONMASKS_H
