//===- CUDAOps.td - Ops of the cuda dialect --------------------------------===//

#ifndef BIGMAC_DIALECTS_CUDA_CUDAOPS
#define BIGMAC_DIALECTS_CUDA_CUDAOPS

include "dialects/CUDA/IR/CUDADialect.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def CUDA_Shaped : Type<And<[Or<[AnyRankedTensor.predicate, AnyStridedMemRef.predicate]>,
                            HasStaticShapePred]>, "statically shaped tensor or buffer",
                       "::mlir::ShapedType">;
def CUDA_Buffer : Type<And<[AnyStridedMemRef.predicate, HasStaticShapePred]>,
                       "statically shaped buffer", "::mlir::MemRefType">;

class CUDA_Op<string mnemonic, list<Trait> traits = []> : Op<CUDA_Dialect, mnemonic, traits>;

/// An op on tensors that gives new values of its last operands, or on buffers that writes them.
class CUDA_DestinationOp<string mnemonic, list<Trait> traits = []>
    : CUDA_Op<mnemonic, !listconcat(
          [DestinationStyleOpInterface, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>],
          traits)> {
  let hasVerifier = 1;
}

def CUDA_AttentionOp : CUDA_DestinationOp<"attention"> {
  let summary = "Scaled dot-product attention by cuDNN, as nn.attention";
  let description = [{
    `rows_first` says for query, key, value and output which have the layout [batch, rows, heads,
    depth]; the others have [batch, heads, rows, depth].
  }];
  let arguments = (ins CUDA_Shaped:$query, CUDA_Shaped:$key, CUDA_Shaped:$value,
                       CUDA_Shaped:$output, CUDA_Shaped:$logsumexp, Optional<CUDA_Shaped>:$mask,
                       F64Attr:$scale, UnitAttr:$causal, DenseBoolArrayAttr:$rows_first);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    (`causal` $causal^)? operands `scale` $scale `rows_first` $rows_first attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(*this, 3, 2);
    }
  }];
}

def CUDA_AttentionBackwardOp : CUDA_DestinationOp<"attention_backward"> {
  let summary = "Its backward by cuDNN, as nn.attention_backward";
  let description = [{
    `rows_first` says for query, key, value, output, grad and the three gradients which have the
    layout [batch, rows, heads, depth].
  }];
  let arguments = (ins CUDA_Shaped:$query, CUDA_Shaped:$key, CUDA_Shaped:$value,
                       CUDA_Shaped:$output, CUDA_Shaped:$logsumexp, CUDA_Shaped:$grad,
                       CUDA_Shaped:$query_grad, CUDA_Shaped:$key_grad, CUDA_Shaped:$value_grad,
                       Optional<CUDA_Shaped>:$mask, F64Attr:$scale, UnitAttr:$causal,
                       DenseBoolArrayAttr:$rows_first);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    (`causal` $causal^)? operands `scale` $scale `rows_first` $rows_first attr-dict `:`
    functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(*this, 6, 3);
    }
  }];
}

def CUDA_ScatterRowsOp : CUDA_DestinationOp<"scatter_rows"> {
  let summary = "table[ids[i]] += rows[i] in the order of i, the same bits in every run";
  let description = [{ A negative id counts from the end. }];
  let arguments = (ins CUDA_Shaped:$ids, CUDA_Shaped:$rows, CUDA_Shaped:$table);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getTableMutable(); }
  }];
}

def CUDA_CheckIndicesOp : CUDA_Op<"check_indices"> {
  let summary = "Ends the run if an index is not in [lowest, size) and is not `ignored`";
  let description = [{
    The step that has it is still executed: code that uses indices keeps inside its table by itself.
  }];
  let arguments = (ins CUDA_Shaped:$indices, I64Attr:$lowest, I64Attr:$size,
                       OptionalAttr<I64Attr>:$ignored);
  let assemblyFormat = [{
    $indices `in` $lowest `to` $size (`ignored` $ignored^)? attr-dict `:` type($indices)
  }];
}

def CUDA_MatmulGeluOp : CUDA_DestinationOp<"matmul_gelu", [AttrSizedOperandSegments]> {
  let summary = "gelu(lhs * rhs + bias), the tanh form, and what gelu is of, by one product";
  let description = [{
    `lhs` and `rhs` are as nn.matmul's. `preactivation` is lhs * rhs + bias, where something else
    needs it. All are bf16; `output` is rounded from what is not.
  }];
  let arguments = (ins CUDA_Shaped:$lhs, CUDA_Shaped:$rhs, Optional<CUDA_Shaped>:$bias,
                       CUDA_Shaped:$output, Optional<CUDA_Shaped>:$preactivation,
                       UnitAttr:$transpose_lhs, UnitAttr:$transpose_rhs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $lhs (`transposed` $transpose_lhs^)? `,` $rhs (`transposed` $transpose_rhs^)?
    (`bias` $bias^ `:` type($bias))? `into` $output
    (`saving` $preactivation^ `:` type($preactivation))? attr-dict `:` type($lhs) `,` type($rhs)
    `,` type($output) (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      unsigned count = getPreactivation() ? 2 : 1;
      return ::mlir::MutableOperandRange(*this, getNumOperands() - count, count);
    }
  }];
}

def CUDA_MatmulGeluBackwardOp : CUDA_DestinationOp<"matmul_gelu_backward"> {
  let summary = "lhs * rhs times the derivative of gelu, the tanh form, at preactivation";
  let description = [{
    The cotangent of what gelu is of, from the cotangent of what the product after gelu gives. As
    cuda.matmul_gelu otherwise.
  }];
  let arguments = (ins CUDA_Shaped:$lhs, CUDA_Shaped:$rhs, CUDA_Shaped:$preactivation,
                       CUDA_Shaped:$output, UnitAttr:$transpose_lhs, UnitAttr:$transpose_rhs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $lhs (`transposed` $transpose_lhs^)? `,` $rhs (`transposed` $transpose_rhs^)? `at`
    $preactivation `into` $output attr-dict `:` type($lhs) `,` type($rhs) `,`
    type($preactivation) `,` type($output) (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutputMutable(); }
  }];
}

def CUDA_OperandAttr : I32EnumAttr<"Operand", "an operand of a product", [
    I32EnumAttrCase<"a", 0>, I32EnumAttrCase<"b", 1>]> {
  let cppNamespace = "::bigmac::cuda";
}

def CUDA_MatmulSumsOp : CUDA_DestinationOp<"matmul_sums"> {
  let summary = "output + lhs * rhs, and the sums of an operand over what the product sums over";
  let description = [{
    The gradients of a weight and of the bias beside it, which read the same cotangent. `lhs` and
    `rhs` are as nn.matmul's, of two dimensions. `sums` has one for each row of lhs (`a`) or column
    of rhs (`b`), as they are after transposition. All are bf16.
  }];
  let arguments = (ins CUDA_Shaped:$lhs, CUDA_Shaped:$rhs, CUDA_Shaped:$output, CUDA_Shaped:$sums,
                       CUDA_OperandAttr:$summed, UnitAttr:$transpose_lhs, UnitAttr:$transpose_rhs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $lhs (`transposed` $transpose_lhs^)? `,` $rhs (`transposed` $transpose_rhs^)? `into` $output
    `summing` $summed `into` $sums attr-dict `:` type($lhs) `,` type($rhs) `,` type($output) `,`
    type($sums) (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(*this, 2, 2);
    }
  }];
}

def CUDA_ActivationAttr : I32EnumAttr<"Activation", "what becomes of a product's elements", [
    I32EnumAttrCase<"gelu", 0>, I32EnumAttrCase<"gelu_backward", 1>]> {
  let cppNamespace = "::bigmac::cuda";
}

def CUDA_MatmulOp : CUDA_Op<"matmul", [AttrSizedOperandSegments,
                                       DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "C[i] = op(A[i]) * op(B[i]) + beta * C[i] (+ bias) by cuBLASLt";
  let description = [{
    In the terms of bm_cuda_matmul (runtime/include/bigmac-rt/cuda.h): op(A) is m x k, op(B) is
    k x n, all row-major; `sizes` is [m, n, k, batch], `leading` are the leading dimensions and
    `strides` the steps from one batch element to the next of A, B and C; `offsets` is where the
    first elements are in the buffers. All but sizes count elements. `bias` has n elements.

    `sums` are those of op(A)'s rows or of op(B)'s columns.

    An `activation` is applied at the end: gelu, which may save what it is of to `aux`, or the
    product with gelu's derivative at `aux`. `leading`, `strides` and `offsets` have a fourth entry
    for `aux` then.
  }];
  let arguments = (ins CUDA_Buffer:$a, CUDA_Buffer:$b, CUDA_Buffer:$c, Optional<CUDA_Buffer>:$bias,
                       Optional<CUDA_Buffer>:$aux, Optional<CUDA_Buffer>:$sums,
                       UnitAttr:$transpose_a, UnitAttr:$transpose_b, UnitAttr:$accumulate,
                       OptionalAttr<CUDA_ActivationAttr>:$activation,
                       OptionalAttr<CUDA_OperandAttr>:$summed,
                       DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$leading,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$offsets);
  let assemblyFormat = [{
    $a (`transposed` $transpose_a^)? `,` $b (`transposed` $transpose_b^)?
    (`accumulate` $accumulate^)? `into` $c (`bias` $bias^ `:` type($bias))?
    (`then` $activation^)? (`aux` $aux^ `:` type($aux))?
    (`summing` $summed^ `into` $sums `:` type($sums))? `sizes` $sizes `leading` $leading `strides` $strides
    `offsets` $offsets attr-dict `:` type($a) `,` type($b) `,` type($c)
  }];
  let hasVerifier = 1;
}

#endif // BIGMAC_DIALECTS_CUDA_CUDAOPS
