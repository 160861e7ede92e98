//===- NNOps.td - Ops of the nn dialect ------------------------------------===//

#ifndef BIGMAC_DIALECTS_NN_NNOPS
#define BIGMAC_DIALECTS_NN_NNOPS

include "bigmac/Interfaces/VJPInterface.td"
include "dialects/NN/IR/NNDialect.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def NN_Tensor : Type<And<[AnyRankedTensor.predicate, HasStaticShapePred]>, "statically shaped tensor",
                     "::mlir::RankedTensorType">;
def NN_FloatTensor : Type<And<[RankedTensorOf<[AnyFloat]>.predicate, HasStaticShapePred]>,
                          "statically shaped floating-point tensor", "::mlir::RankedTensorType">;
def NN_IntTensor : Type<And<[RankedTensorOf<[AnySignlessInteger]>.predicate, HasStaticShapePred]>,
                        "statically shaped integer tensor", "::mlir::RankedTensorType">;

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits>;

/// A pure op whose result types follow from operands and attributes.
class NN_PureOp<string mnemonic, list<Trait> traits = []>
    : NN_Op<mnemonic, !listconcat([Pure, InferTypeOpAdaptor], traits)>;

/// A pure op with a derivative rule.
class NN_DiffOp<string mnemonic, list<Trait> traits = []>
    : NN_PureOp<mnemonic, !listconcat([DeclareOpInterfaceMethods<VJPOpInterface>], traits)>;

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

def NN_ParameterOp : NN_Op<"parameter", [Symbol]> {
  let summary = "A parameter of the model";
  let description = [{
    A named tensor that lives across steps. `trained` parameters get gradients and optimizer
    state; others are frozen and cost neither. The symbol name is the name under which checkpoints
    keep it. `init` is its value before the first step: `#nn.external` or dense elements. They may be
    f32 where the parameter is narrower; the value is rounded then. `master`: the optimizer keeps
    the parameter in f32 as well, and rounds that to the parameter's type after each step.

    A packed parameter is several of the model, one below the other: an array of `#nn.part` in
    place of `init`. Outside of the program these have their own names.

    ```mlir
    nn.parameter trained @"model.embed_tokens.weight" : tensor<32x64xf32>
      = #nn.external<"model.onnx", 128, 8192>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<NN_Tensor>:$type, UnitAttr:$trained,
                       AnyAttr:$init, UnitAttr:$master);
  let assemblyFormat = [{
    (`trained` $trained^)? (`master` $master^)? $sym_name `:` $type `=` $init attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The parameters of the model that it holds, in order: itself, if it is not packed.
    ::llvm::SmallVector<::bigmac::nn::ParameterPart> getParts();
    /// Of the initial values: the parameter's, or f32.
    ::mlir::Type getInitElementType();
  }];
}

def NN_GetParameterOp : NN_Op<"get_parameter", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a parameter in this step";
  let arguments = (ins FlatSymbolRefAttr:$parameter);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$parameter attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Shape
//===----------------------------------------------------------------------===//

def NN_TransposeOp : NN_DiffOp<"transpose"> {
  let summary = "Permutes dimensions: result dimension i is input dimension permutation[i]";
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` type($input)";
  let hasFolder = 1;
}

def NN_BroadcastOp : NN_Op<"broadcast", [Pure, DeclareOpInterfaceMethods<VJPOpInterface>]> {
  let summary = "Repeats a tensor to a larger shape";
  let description = [{
    NumPy's rule: shapes are aligned at their last dimension, and a missing or unit dimension of
    the input is repeated.
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

class NN_ReduceOp<string mnemonic, list<Trait> traits = []> : NN_DiffOp<mnemonic, traits> {
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$dims);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input $dims attr-dict `:` type($input)";
}
def NN_ReduceSumOp : NN_ReduceOp<"reduce_sum"> {
  let summary = "Sum over `dims` (strictly ascending), which the result does not have";
  let description = [{ Types narrower than f32 are summed in f32, and the sum is rounded once. }];
}
def NN_ReduceMaxOp : NN_ReduceOp<"reduce_max"> {
  let summary = "Maximum over `dims` (strictly ascending), which the result does not have";
  let description = [{ The cotangent is shared evenly among equal maxima, as in PyTorch's amax. }];
}
def NN_ArgMaxOp : NN_PureOp<"argmax"> {
  let summary = "Index (i64) of the first maximum along the last dimension";
  let description = [{ No derivative rule: the result is an integer, its gradient is zero. }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_IntTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

//===----------------------------------------------------------------------===//
// Linear algebra
//===----------------------------------------------------------------------===//

def NN_MatmulOp : NN_DiffOp<"matmul"> {
  let summary = "Matrix product, batched over leading dimensions";
  let description = [{
    `lhs` is [batch..., m, k] ([batch..., k, m] with `transpose_lhs`), `rhs` is [batch..., k, n] or,
    shared by all batches, [k, n] ([n, k] with `transpose_rhs`). Batch dimensions are equal: an
    `nn.broadcast` makes others so. fp32 accumulation for narrower types; the result is rounded once,
    or with `wide` is the f32 sum itself.
  }];
  let arguments = (ins NN_FloatTensor:$lhs, NN_FloatTensor:$rhs, UnitAttr:$transpose_lhs,
                       UnitAttr:$transpose_rhs, UnitAttr:$wide);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $lhs (`transposed` $transpose_lhs^)? `,` $rhs (`transposed` $transpose_rhs^)? (`wide` $wide^)?
    attr-dict `:` type($lhs) `,` type($rhs)
  }];
}

def NN_ConvOp : NN_DiffOp<"conv"> {
  let summary = "Convolution (cross-correlation) over the trailing dimensions";
  let description = [{
    `input` is [n, c, spatial...], `filter` is [o, c / groups, kernel...]. `pads` are begins then
    ends. The non-overlapping case (strides equal to the kernel, no padding, one group), the
    patch embedding of vision transformers, is decomposed to a matmul, see
    `nn-decompose-conv`.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$filter, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations, I64Attr:$groups);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter `strides` $strides `pads` $pads `dilations` $dilations `groups` $groups
    attr-dict `:` type($input) `,` type($filter)
  }];
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

def NN_SoftmaxOp : NN_DiffOp<"softmax"> {
  let summary = "Softmax along the last dimension";
  let description = [{ A row whose entries are all -inf gives NaN, as in PyTorch. }];
  let arguments = (ins NN_FloatTensor:$input);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}
def NN_LogSoftmaxOp : NN_DiffOp<"log_softmax"> {
  let summary = "Logarithm of the softmax along the last dimension";
  let arguments = (ins NN_FloatTensor:$input);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}
def NN_SigmoidOp : NN_DiffOp<"sigmoid"> {
  let summary = "1 / (1 + exp(-x))";
  let description = [{
    An op of its own because the derivative of the formula overflows for large negative x.
  }];
  let arguments = (ins NN_FloatTensor:$input);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}
def NN_SiluOp : NN_DiffOp<"silu"> {
  let summary = "x * sigmoid(x)";
  let arguments = (ins NN_FloatTensor:$input);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}
def NN_GeluOp : NN_DiffOp<"gelu"> {
  let summary = "Gaussian error linear unit, exact (erf) or with the tanh approximation";
  let arguments = (ins NN_FloatTensor:$input, UnitAttr:$tanh);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "(`tanh` $tanh^)? $input attr-dict `:` type($input)";
}
def NN_GeluBackwardOp : NN_PureOp<"gelu_backward"> {
  let summary = "Cotangent of gelu's input";
  let description = [{
    `grad` times the derivative of gelu at `input`. Types narrower than f32 are widened, and the
    result is rounded once.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$grad, UnitAttr:$tanh);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    (`tanh` $tanh^)? $input `,` $grad attr-dict `:` type($input) `,` type($grad)
  }];
}

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

def NN_LayerNormOp : NN_DiffOp<"layer_norm", [AttrSizedOperandSegments]> {
  let summary = "Layer normalization over the last dimension";
  let description = [{
    `(input - mean) * rstd * scale + bias`, with the biased variance. `mean` and `rstd` have the
    input's shape without its last dimension; they are residuals of the backward and not
    differentiable themselves.
  }];
  let arguments = (ins NN_FloatTensor:$input, Optional<NN_FloatTensor>:$scale,
                       Optional<NN_FloatTensor>:$bias, F64Attr:$epsilon);
  let results = (outs NN_FloatTensor:$result, NN_FloatTensor:$mean, NN_FloatTensor:$rstd);
  let assemblyFormat = [{
    $input (`scale` $scale^ `:` type($scale))? (`bias` $bias^ `:` type($bias))?
    `epsilon` $epsilon attr-dict `:` type($input)
  }];
}
def NN_LayerNormBackwardOp : NN_PureOp<"layer_norm_backward"> {
  let summary = "Cotangent of layer_norm's input";
  let description = [{
    With g = grad * scale and xhat = (input - mean) * rstd:
    rstd * (g - mean(g) - xhat * mean(g * xhat)), means over the last dimension.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$mean, NN_FloatTensor:$rstd,
                       NN_FloatTensor:$grad, Optional<NN_FloatTensor>:$scale);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $mean `,` $rstd `,` $grad (`scale` $scale^ `:` type($scale))? attr-dict
    `:` type($input) `,` type($mean) `,` type($rstd) `,` type($grad)
  }];
}
def NN_RMSNormOp : NN_DiffOp<"rms_norm"> {
  let summary = "Root-mean-square normalization over the last dimension";
  let description = [{ `input * rstd * scale`, rstd = 1 / sqrt(mean(input^2) + epsilon). }];
  let arguments = (ins NN_FloatTensor:$input, Optional<NN_FloatTensor>:$scale, F64Attr:$epsilon);
  let results = (outs NN_FloatTensor:$result, NN_FloatTensor:$rstd);
  let assemblyFormat = [{
    $input (`scale` $scale^ `:` type($scale))? `epsilon` $epsilon attr-dict `:` type($input)
  }];
}
def NN_RMSNormBackwardOp : NN_PureOp<"rms_norm_backward"> {
  let summary = "Cotangent of rms_norm's input";
  let description = [{
    With g = grad * scale: rstd * (g - input * rstd^2 * mean(g * input)).
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$rstd, NN_FloatTensor:$grad,
                       Optional<NN_FloatTensor>:$scale);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $rstd `,` $grad (`scale` $scale^ `:` type($scale))? attr-dict
    `:` type($input) `,` type($rstd) `,` type($grad)
  }];
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def NN_AttentionOp : NN_DiffOp<"attention"> {
  let summary = "Scaled dot-product attention";
  let description = [{
    `softmax(scale * query . key^T + mask) . value` a head. `query` is [batch, heads, queries, d],
    `key` [batch, kv_heads, keys, d], `value` [batch, kv_heads, keys, dv]; heads is a multiple of
    kv_heads (grouped-query attention: query head h reads kv head h / (heads / kv_heads)).
    `mask`, added, is float of rank 4, [batch or 1, heads or 1, queries or 1, keys]; it has no gradient. `causal` lets query i see keys
    up to i + keys - queries. A query whose scores are all -inf gives zeros (and no gradient), as in
    PyTorch's scaled_dot_product_attention and ONNX's Attention. `logsumexp` is [batch, heads, queries], the residual from which
    the backward recomputes probabilities, so that no queries x keys tensor lives between them; it
    is +inf for a query whose scores are all -inf. Types narrower than f32 are computed in f32, and
    their `logsumexp` is f32; the mask may be of another float type than the rest.
  }];
  let arguments = (ins NN_FloatTensor:$query, NN_FloatTensor:$key, NN_FloatTensor:$value,
                       Optional<NN_FloatTensor>:$mask, F64Attr:$scale, UnitAttr:$causal);
  let results = (outs NN_FloatTensor:$result, NN_FloatTensor:$logsumexp);
  let assemblyFormat = [{
    (`causal` $causal^)? $query `,` $key `,` $value (`mask` $mask^ `:` type($mask))?
    `scale` $scale attr-dict `:` type($query) `,` type($key) `,` type($value)
  }];
}
def NN_AttentionBackwardOp : NN_PureOp<"attention_backward"> {
  let summary = "Cotangents of attention's query, key and value";
  let arguments = (ins NN_FloatTensor:$query, NN_FloatTensor:$key, NN_FloatTensor:$value,
                       NN_FloatTensor:$output, NN_FloatTensor:$logsumexp, NN_FloatTensor:$grad,
                       Optional<NN_FloatTensor>:$mask, F64Attr:$scale, UnitAttr:$causal);
  let results = (outs NN_FloatTensor:$queryGrad, NN_FloatTensor:$keyGrad,
                      NN_FloatTensor:$valueGrad);
  let assemblyFormat = [{
    (`causal` $causal^)? $query `,` $key `,` $value `,` $output `,` $logsumexp `,` $grad
    (`mask` $mask^ `:` type($mask))? `scale` $scale attr-dict
    `:` type($query) `,` type($key) `,` type($value) `,` type($output) `,` type($logsumexp) `,`
    type($grad)
  }];
}

//===----------------------------------------------------------------------===//
// Lookup
//===----------------------------------------------------------------------===//

def NN_EmbeddingOp : NN_DiffOp<"embedding"> {
  let summary = "Rows of a table: result[i..., :] = table[ids[i...], :]";
  let description = [{
    A negative id counts from the end, as in ONNX Gather. An id outside the table is an error of the run, not undefined behaviour:
    the CPU runtime names the offending value.
  }];
  let arguments = (ins NN_Tensor:$table, NN_IntTensor:$ids);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$table `,` $ids attr-dict `:` type($table) `,` type($ids)";
}
def NN_EmbeddingBackwardOp : NN_Op<"embedding_backward", [Pure]> {
  let summary = "Cotangent of embedding's table: rows of grad added at their ids";
  let description = [{ The result may be f32 where `grad` is narrower: nothing is rounded then. }];
  let arguments = (ins NN_IntTensor:$ids, NN_FloatTensor:$grad);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$ids `,` $grad attr-dict `:` type($ids) `,` type($grad) `->` type($result)";
  let hasVerifier = 1;
}
def NN_GatherElementsOp : NN_DiffOp<"gather_elements"> {
  let summary = "result[i..., j] = input[i..., indices[i..., j]] along the last dimension";
  let arguments = (ins NN_Tensor:$input, NN_IntTensor:$indices);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input `,` $indices attr-dict `:` type($input) `,` type($indices)";
}
def NN_GatherElementsBackwardOp : NN_Op<"gather_elements_backward", [Pure]> {
  let summary = "Cotangent of gather_elements' input";
  let arguments = (ins NN_IntTensor:$indices, NN_FloatTensor:$grad);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$indices `,` $grad attr-dict `:` type($indices) `,` type($grad) `->` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

def NN_CrossEntropyOp : NN_DiffOp<"cross_entropy"> {
  let summary = "Cross-entropy of logits [n, classes] with integer labels [n]";
  let description = [{
    The mean (with `sum`: the sum) over rows whose label is not `ignore_index` of
    logsumexp(logits) - logits[label]. With no such row the mean is NaN, as in PyTorch.
    `logsumexp` [n] is the backward's residual. Both results are f32 where the logits are narrower.
  }];
  let arguments = (ins NN_FloatTensor:$logits, NN_IntTensor:$labels,
                       DefaultValuedAttr<I64Attr, "-100">:$ignore_index, UnitAttr:$sum);
  let results = (outs NN_FloatTensor:$loss, NN_FloatTensor:$logsumexp);
  let assemblyFormat = "(`sum` $sum^)? $logits `,` $labels attr-dict `:` type($logits) `,` type($labels)";
}
def NN_CrossEntropyBackwardOp : NN_PureOp<"cross_entropy_backward"> {
  let summary = "Cotangent of cross_entropy's logits; `grad` is the loss's cotangent";
  let arguments = (ins NN_FloatTensor:$logits, NN_IntTensor:$labels, NN_FloatTensor:$logsumexp,
                       NN_FloatTensor:$grad, DefaultValuedAttr<I64Attr, "-100">:$ignore_index,
                       UnitAttr:$sum);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    (`sum` $sum^)? $logits `,` $labels `,` $logsumexp `,` $grad attr-dict
    `:` type($logits) `,` type($labels) `,` type($logsumexp) `,` type($grad)
  }];
}

#endif // BIGMAC_DIALECTS_NN_NNOPS
