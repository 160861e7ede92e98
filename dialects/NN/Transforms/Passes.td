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
  let summary = "Write convolutions without overlap as matmuls";
  let description = [{
    A convolution with strides equal to its kernel, one group, no padding and no dilation (a vision
    transformer's patch embedding) becomes a transposed view of the input times a view of the
    filter. Other convolutions stay.
  }];
  let dependentDialects = ["::bigmac::nn::NNDialect", "::mlir::tensor::TensorDialect"];
}

#endif // BIGMAC_DIALECTS_NN_TRANSFORMS_PASSES
