//===- PipelineOps.td - Ops of the pipeline dialect ------------------------===//

#ifndef BIGMAC_DIALECTS_PIPELINE_PIPELINEOPS
#define BIGMAC_DIALECTS_PIPELINE_PIPELINEOPS

include "dialects/Pipeline/IR/PipelineDialect.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Pipeline_Op<string mnemonic, list<Trait> traits = []> : Op<Pipeline_Dialect, mnemonic, traits>;

def Pipeline_Tensor : Type<And<[AnyRankedTensor.predicate, HasStaticShapePred]>,
                           "statically shaped tensor", "::mlir::RankedTensorType">;

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

def Pipeline_UnscheduledOp : Pipeline_Op<"unscheduled", [Symbol, IsolatedFromAbove, NoTerminator,
                                                         SingleBlock]> {
  let summary = "The tasks of one microbatch, before they are scheduled";
  let description = [{
    Without a `placement` there are `ranks` x `chunks` stages of the LLM; stage s is chunk s / ranks
    on rank s mod ranks, and every rank has the whole encoder and the whole generator and runs them
    for its own microbatches. `placement` says which ranks hold which component instead.
    `samples` is the number of samples of a microbatch.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$ranks, I64Attr:$chunks,
                       I64Attr:$samples, OptionalAttr<Pipeline_PlacementAttr>:$placement);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = [{
    $sym_name `ranks` $ranks `chunks` $chunks `samples` $samples (`placement` $placement^)?
    attr-dict-with-keyword $bodyRegion
  }];
  let hasRegionVerifier = 1;
}

def Pipeline_ScheduledOp : Pipeline_Op<"scheduled", [Symbol, IsolatedFromAbove, NoTerminator,
                                                     SingleBlock]> {
  let summary = "A program whose ranks have their orders of actions";
  let description = [{
    The body of the unscheduled program, and one `pipeline.order` a rank. Verified: every order
    has exactly the actions that the tasks give its rank, each once, and the orders can be executed
    under the program's dependencies without deadlock.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$ranks, I64Attr:$chunks,
                       I64Attr:$samples, OptionalAttr<Pipeline_PlacementAttr>:$placement,
                       StrAttr:$schedule, I64Attr:$microbatches, I64Attr:$window,
                       I64Attr:$warmup_extra);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = [{
    $sym_name `ranks` $ranks `chunks` $chunks `samples` $samples (`placement` $placement^)?
    `schedule` $schedule `microbatches` $microbatches `window` $window
    `warmup_extra` $warmup_extra attr-dict-with-keyword $bodyRegion
  }];
  let hasRegionVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Contents of a program
//===----------------------------------------------------------------------===//

def Pipeline_InputOp : Pipeline_Op<"input", [Pure]> {
  let summary = "A graph input of the microbatch; every rank can read it";
  let arguments = (ins StrAttr:$name);
  let results = (outs Pipeline_Tensor:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
}

def Pipeline_TaskOp : Pipeline_Op<"task", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "One function, run by one rank for each of its microbatches";
  let description = [{
    Calls `callee` with the operands, then the values of `parameters`, then the gradient
    accumulators of `gradients`, which are memrefs that the callee adds to. Operands and results
    flow between tasks of one microbatch: to the same rank in memory, to another by a transfer.

    `workspace` is the scratch memory in bytes that the compiled callee takes; the target sets it.

    ```mlir
    %h, %r = pipeline.task @llm.0.forward llm forward stage 0 (%ids) parameters [@embed] gradients []
      : (tensor<2x8xi64>) -> (tensor<2x8x16xf32>, tensor<2x8xf32>)
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Pipeline_ComponentAttr:$component,
                       Pipeline_PhaseAttr:$phase, DefaultValuedAttr<I64Attr, "0">:$stage,
                       DefaultValuedAttr<I64Attr, "0">:$workspace,
                       Variadic<Pipeline_Tensor>:$inputs,
                       FlatSymbolRefArrayAttr:$parameters,
                       FlatSymbolRefArrayAttr:$gradients);
  let results = (outs Variadic<Pipeline_Tensor>:$outputs);
  let assemblyFormat = [{
    $callee $component $phase `stage` $stage (`workspace` $workspace^)? ` ` `(` $inputs `)` `parameters` $parameters
    `gradients` $gradients attr-dict `:` functional-type($inputs, $outputs)
  }];
  let hasVerifier = 1;
}

def Pipeline_OutputOp : Pipeline_Op<"output"> {
  let summary = "A term of a scalar output of the graph";
  let description = [{
    The output `name` of a microbatch is the sum of its terms, which different tasks may compute.
    The step's loss is the mean over microbatches of the output marked `loss`, weighted by the one
    marked `weight` where there is one.
  }];
  let arguments = (ins StrAttr:$name, Pipeline_Tensor:$value, UnitAttr:$loss, UnitAttr:$weight);
  let assemblyFormat = [{
    (`loss` $loss^)? (`weight` $weight^)? $name $value attr-dict `:` type($value)
  }];
  let hasVerifier = 1;
}

def Pipeline_ObjectiveOp : Pipeline_Op<"objective"> {
  let summary = "A term of what is differentiated";
  let description = [{
    Gradients are of the sum of all objectives, each with cotangent one: the terms of the loss, times
    the microbatch's weight where the loss is weighted.
  }];
  let arguments = (ins Pipeline_Tensor:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Pipeline_OffloadOp : Pipeline_Op<"offload", [HasParent<"ScheduledOp">]> {
  let summary = "A value that waits for its next use in the host's memory";
  let description = [{
    On each rank that makes or receives the value, every microbatch's instance is copied to the
    host's memory for the longest time between two actions that use it, and back. Only the device's
    memory is a rank's arena. An instance whose time is too short for both copies stays.
  }];
  let arguments = (ins Pipeline_Tensor:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Pipeline_OrderOp : Pipeline_Op<"order", [HasParent<"ScheduledOp">]> {
  let summary = "What a rank runs in a step, first to last";
  let description = [{
    One word an action: F, B, W, EF, EB, GF, GB or G, for the LLM followed by its chunk, then the
    microbatch: `F0.3` is the forward of chunk 0 for microbatch 3, `EF5` the encoder's forward of
    microbatch 5. Stored as triples (component and phase, chunk, microbatch).
  }];
  let arguments = (ins I64Attr:$rank, DenseI32ArrayAttr:$actions);
  let assemblyFormat = "`rank` $rank custom<Actions>($actions) attr-dict";
  let hasVerifier = 1;
}

#endif // BIGMAC_DIALECTS_PIPELINE_PIPELINEOPS
