//===- CUDAOps.td - Ops of the cuda dialect --------------------------------===//

#ifndef BIGMAC_DIALECTS_CUDA_CUDAOPS
#define BIGMAC_DIALECTS_CUDA_CUDAOPS

include "dialects/CUDA/IR/CUDADialect.td"
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

def CUDA_MatmulOp : CUDA_Op<"matmul", [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "C[i] = op(A[i]) * op(B[i]) + beta * C[i] (+ bias) by cuBLASLt";
  let description = [{
    In the terms of bm_cuda_matmul (runtime/include/bigmac-rt/cuda.h): op(A) is m x k, op(B) is
    k x n, all row-major; `sizes` is [m, n, k, batch], `leading` are the leading dimensions and
    `strides` the steps from one batch element to the next of A, B and C; `offsets` is where the
    first elements are in the buffers. All but sizes count elements. `bias` has n elements.
  }];
  let arguments = (ins CUDA_Buffer:$a, CUDA_Buffer:$b, CUDA_Buffer:$c, Optional<CUDA_Buffer>:$bias,
                       UnitAttr:$transpose_a, UnitAttr:$transpose_b, UnitAttr:$accumulate,
                       DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$leading,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$offsets);
  let assemblyFormat = [{
    $a (`transposed` $transpose_a^)? `,` $b (`transposed` $transpose_b^)?
    (`accumulate` $accumulate^)? `into` $c (`bias` $bias^ `:` type($bias))? `sizes` $sizes
    `leading` $leading `strides` $strides `offsets` $offsets attr-dict `:` type($a) `,` type($b)
    `,` type($c)
  }];
  let hasVerifier = 1;
}

#endif // BIGMAC_DIALECTS_CUDA_CUDAOPS
