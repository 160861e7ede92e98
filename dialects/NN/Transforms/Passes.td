//===- Passes.td - Passes on the nn dialect --------------------------------===//

#ifndef BIGMAC_DIALECTS_NN_TRANSFORMS_PASSES
#define BIGMAC_DIALECTS_NN_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def NNFoldConstants : Pass<"nn-fold-constants"> {
  let summary = "Replace ops on constants by constants";
  let description = [{
    An op whose operands are all constant is evaluated, by its own folder or by the reference
    interpreter, unless its result is larger than `max-bytes` and no splat. Parameters are not
    constants. Fails where an op has no value, such as a lookup of a constant index outside of its
    table.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let options = [
    Option<"maxBytes", "max-bytes", "int64_t", /*default=*/"16777216",
           "Results of more bytes are left to the run">
  ];
}

def NNDecomposeConv : Pass<"nn-decompose-conv"> {
  let summary = "Patch convolutions become matrix products";
  let description = [{
    A convolution whose windows do not overlap (strides equal to the kernel, no padding, one group),
    the patch embedding of vision transformers, is reshape, transpose and `nn.matmul`. Only a view
    of the filter is reshaped: the parameter keeps its shape. A bias is added before the result is
    transposed back, so that the transpose and reshape that usually follow cancel. Other
    convolutions stay.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def NNFoldMatmulTransposes : Pass<"nn-fold-matmul-transposes"> {
  let summary = "Transposes of a product's operands become its flags";
  let description = [{
    `nn.matmul` of an `nn.transpose` that exchanges the last two dimensions only.
  }];
}

def NNRaiseActivations : Pass<"nn-raise-activations"> {
  let summary = "Raise GELU, SiLU and sigmoid";
  let description = [{
    `x * sigmoid(x)` and `x / (1 + exp(-x))` become `nn.silu`, `1 / (1 + exp(-x))` becomes
    `nn.sigmoid`, `0.5 * x * (1 + erf(x / sqrt(2)))` and its approximation by tanh become
    `nn.gelu`, multiplied in any order. Constants must be those of the formula up to one unit in the
    last place of the element type.
  }];
}

def NNRaiseAttention : Pass<"nn-raise-attention"> {
  let summary = "Raise scaled dot-product attention";
  let description = [{
    `softmax(scale * query . key^T + mask) . value` becomes `nn.attention`. The scale may be a
    factor of the scores, of query and key, or of both; keys may be transposed in any way. Keys and
    values that repeat heads become grouped-query attention. A constant mask that is lower
    triangular becomes `causal` where its masked entries take all weight (-inf, or at most -1e30),
    one of zeros goes, and one that is equal along a dimension shrinks.

    A query that sees nothing gives zeros in `nn.attention` and NaN in a bare softmax. So the
    softmax must have a guard that replaces NaN by 0, or it must be certain that no row of the mask
    is -inf as a whole. (The two differ where a score itself is NaN: the op passes it on.) Scores
    that a selection replaces by -inf, or by another number of no weight, count as masked where
    every query is certain to see a key.

    Not raised: a mask that a trained parameter contributes to (the op has no gradient for it), and
    probabilities that something else uses.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def NNRaiseLoss : Pass<"nn-raise-loss"> {
  let summary = "Raise cross-entropy";
  let description = [{
    The negated mean, or sum, of `nn.log_softmax` looked up at labels becomes `nn.cross_entropy`.
    Rows with an ignored label must be left out of the sum and of the count, and be looked up at
    another label. Weighted means are not raised.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def NNRaiseNorms : Pass<"nn-raise-norms"> {
  let summary = "Raise RMSNorm and LayerNorm over the last dimension";
  let description = [{
    `x / sqrt(mean(x * x) + epsilon)` becomes `nn.rms_norm`, with `x - mean(x)` in place of x it is
    `nn.layer_norm`; the root may be a reciprocal. The mean divides by the size of the dimension:
    an unbiased variance is not raised. A vector that the result is multiplied by becomes the scale,
    one added to the result of `nn.layer_norm` the bias.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def NNPackProjections : Pass<"nn-pack-projections", "::mlir::ModuleOp"> {
  let summary = "Projections of one value become one product";
  let description = [{
    Products of the same value with weights `[n, k]` of the same module of the model, such as a
    gate's and an up projection's, become one product with a packed parameter, of which each takes
    its columns. One large product is faster than several, and so are its derivatives.

    Left alone are projections that the loss does not depend on, weights that something else reads,
    products with a bias (their last step adds it), and weights whose bytes are no multiple of 64.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def NNToBF16 : Pass<"nn-to-bf16", "::mlir::ModuleOp"> {
  let summary = "Parameters and activations become bf16";
  let description = [{
    Of f32 values, those that depend on a parameter become bf16. f32 stay
      - what depends on graph inputs and constants alone, such as rotary tables: it is rounded where
        it meets a bf16 value;
      - norms, losses and their statistics, values of one element, and the elementwise ops and
        reductions that lead to these alone. What they read is widened, what they give is rounded
        where a bf16 value is wanted.
    An elementwise op with a constant that bf16 cannot hold is computed in f32 and rounded. Integers
    and other float types stay as they are, and so do the types of the model's function.

    Initial values keep their own type. With `master`, trained parameters get a master copy.
    What is bf16 already stays so: the pass changes nothing when it is run again.
  }];
  let options = [
    Option<"master", "master", "bool", /*default=*/"true",
           "Trained parameters that become bf16 have f32 master copies">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

#endif // BIGMAC_DIALECTS_NN_TRANSFORMS_PASSES
