//===- NNDialect.td - The nn dialect ---------------------------------------===//

#ifndef BIGMAC_DIALECTS_NN_NNDIALECT
#define BIGMAC_DIALECTS_NN_NNDIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::bigmac::nn";
  let summary = "Neural-network ops on static tensors";
  let description = [{
    Ops that carry training semantics, a library call, or a fusion that must not be lost, and the
    few shape ops for which upstream has no destination-free form. Elementwise arithmetic, slices,
    reshapes and concatenation are upstream `arith`, `math` and `tensor` ops.

    A model is one public `func.func` whose arguments are the graph's inputs (one microbatch, the
    leading dimension is the sample) and whose results are the graph's outputs; arguments and
    results carry their names in the attribute `nn.name`; the result that is the loss has the unit
    attribute `nn.loss`. Parameters are `nn.parameter` symbols.
    The rationale is in docs/Dialects/NN.md.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 0;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
}

class NN_Attr<string name, string attrMnemonic> : AttrDef<NN_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def NN_ExternalAttr : NN_Attr<"External", "external"> {
  let summary = "Bytes of a file that hold a tensor";
  let description = [{
    `size` bytes from `offset` of `file`, little-endian, row-major. The bytes are mapped when they
    are needed, never copied into the IR, so a printed module stays small and depends on the file.
  }];
  let parameters = (ins StringRefParameter<"path">:$file, "uint64_t":$offset, "uint64_t":$size);
  let assemblyFormat = "`<` $file `,` $offset `,` $size `>`";
}

def NN_PartAttr : NN_Attr<"Part", "part"> {
  let summary = "Some rows of a packed parameter, which are a parameter of the model";
  let description = [{
    Its name, under which checkpoints keep it, the number of its rows, and its initial value. The
    other dimensions are the packed parameter's.
  }];
  let parameters = (ins StringRefParameter<"name">:$name, "int64_t":$rows, "::mlir::Attribute":$init);
  let assemblyFormat = "`<` $name `,` $rows `,` $init `>`";
}

#endif // BIGMAC_DIALECTS_NN_NNDIALECT
