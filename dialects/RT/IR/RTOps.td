//===- RTOps.td - Ops of the rt dialect ------------------------------------===//

#ifndef BIGMAC_DIALECTS_RT_RTOPS
#define BIGMAC_DIALECTS_RT_RTOPS

include "dialects/Pipeline/IR/PipelineDialect.td"
include "dialects/RT/IR/RTDialect.td"
include "mlir/IR/SymbolInterfaces.td"

class RT_Op<string mnemonic, list<Trait> traits = []> : Op<RT_Dialect, mnemonic, traits>;

class RT_ProgramItem<string mnemonic, list<Trait> traits = []>
    : RT_Op<mnemonic, !listconcat([HasParent<"ProgramOp">], traits)>;

class RT_Instruction<string mnemonic, list<Trait> traits = []>
    : RT_Op<mnemonic, !listconcat([HasParent<"RankOp">], traits)>;

def RT_ReadsAttr
    : TypedArrayAttrBase<AnyAttrOf<[StrAttr, I64Attr]>, "graph inputs by name, values by number">;

def RT_ProgramOp : RT_Op<"program", [Symbol, IsolatedFromAbove, NoTerminator, SingleBlock]> {
  let summary = "A training step of ranks x replicas processes";
  let description = [{
    `placement` says which ranks hold which component; without it all ranks hold all of them. What
    ranks do follows from their instructions: here it only names actions in messages and traces.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$ranks, I64Attr:$chunks,
                       I64Attr:$replicas, I64Attr:$microbatches, I64Attr:$samples,
                       OptionalAttr<Pipeline_PlacementAttr>:$placement);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = [{
    $sym_name `ranks` $ranks `chunks` $chunks `replicas` $replicas `microbatches` $microbatches
    `samples` $samples (`placement` $placement^)? attr-dict-with-keyword $bodyRegion
  }];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The action by which `task` runs for a microbatch.
    ::bigmac::planning::Action actionOf(TaskOp task, int64_t microbatch);
  }];
}

def RT_InputOp : RT_ProgramItem<"input"> {
  let summary = "A graph input: name and the type of one microbatch";
  let arguments = (ins StrAttr:$name, TypeAttr:$type);
  let assemblyFormat = "$name `:` $type attr-dict";
}

def RT_ScalarOp : RT_ProgramItem<"scalar"> {
  let summary = "A scalar output of the graph: the sum of the values `terms`";
  let arguments = (ins StrAttr:$name, UnitAttr:$loss, UnitAttr:$weight, DenseI64ArrayAttr:$terms);
  let assemblyFormat = "(`loss` $loss^)? (`weight` $weight^)? $name `terms` $terms attr-dict";
}

def RT_ClassOp : RT_ProgramItem<"class"> {
  let summary = "Parameters that the same ranks hold and the same tasks train, contiguous on each of them";
  let description = [{
    `bytes` of parameters (a trained class is padded so that it cuts evenly into shards); member i is
    rank `members[i]` with the region at `params[i]`, its gradients at `grads[i]`, its optimizer
    shard's moments at `first[i]` and `second[i]` and, where it has any, its shard of the f32 master
    copies at `masters[i]`. Parameters, gradients and moments of a trained class are f32 unless it
    says of what types they are.
  }];
  let arguments = (ins I64Attr:$id, UnitAttr:$trained, I64Attr:$bytes,
                       OptionalAttr<TypeAttr>:$element, OptionalAttr<TypeAttr>:$gradient,
                       OptionalAttr<TypeAttr>:$moment, DenseI64ArrayAttr:$members,
                       DenseI64ArrayAttr:$params, DenseI64ArrayAttr:$grads,
                       DenseI64ArrayAttr:$first, DenseI64ArrayAttr:$second,
                       OptionalAttr<DenseI64ArrayAttr>:$masters);
  let assemblyFormat = [{
    $id (`trained` $trained^)? `bytes` $bytes (`of` $element^)? (`gradients` $gradient^)?
    (`moments` $moment^)? `members` $members `params` $params `grads` $grads `first` $first
    `second` $second (`masters` $masters^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Bytes of an element of a trained class's regions.
    uint64_t elementBytes();
    uint64_t gradientElementBytes();
    uint64_t momentElementBytes();
    /// Of the gradients on each member.
    uint64_t gradientBytes() { return getBytes() / elementBytes() * gradientElementBytes(); }
    /// Elements of one of `shards` shards.
    uint64_t shardElements(uint64_t shards) { return getBytes() / elementBytes() / shards; }
  }];
}

def RT_ParameterOp : RT_ProgramItem<"parameter"> {
  let summary = "A parameter's class and byte position in it";
  let arguments = (ins FlatSymbolRefAttr:$parameter, I64Attr:$class_id, I64Attr:$position);
  let assemblyFormat = "$parameter `class` $class_id `position` $position attr-dict";
}

def RT_TaskOp : RT_ProgramItem<"task"> {
  let summary = "A compiled function and what each of its buffers is";
  let description = [{
    The callee's buffers, in order: what it reads (graph inputs by name, values by number),
    `parameters`, the accumulators `gradients`, the values that it makes, and its workspace.
    `bytes` has the size of each. Every value that flows between tasks has a number from 1, which is
    also the channel on which it is sent.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Pipeline_ComponentAttr:$component,
                       Pipeline_PhaseAttr:$phase, I64Attr:$stage, RT_ReadsAttr:$reads,
                       FlatSymbolRefArrayAttr:$parameters, FlatSymbolRefArrayAttr:$gradients,
                       DenseI64ArrayAttr:$makes, DenseI64ArrayAttr:$bytes);
  let assemblyFormat = [{
    $callee $component $phase `stage` $stage `reads` $reads `parameters` $parameters
    `gradients` $gradients `makes` $makes `bytes` $bytes attr-dict
  }];
  let hasVerifier = 1;
}

def RT_RankOp : RT_ProgramItem<"rank", [NoTerminator, SingleBlock]> {
  let summary = "One rank's arena and instructions";
  let description = [{
    `memory` is the peak bytes of each memory class, in the order of the plan image's bm_memory.
    `live` is the most bytes of activations, transfers, inputs and workspace that are alive at once:
    what the scratch region is over that is lost to fragmentation.
    The scratch region is free after the last instruction. `host_arena` is the bytes of the host's
    memory that `rt.offload` and `rt.fetch` use; none where it is absent.
  }];
  let arguments = (ins I64Attr:$rank, I64Attr:$arena,
                       DefaultValuedAttr<I64Attr, "0">:$host_arena, I64Attr:$scratch_offset,
                       I64Attr:$scratch_bytes, DenseI64ArrayAttr:$memory,
                       OptionalAttr<I64Attr>:$live);
  let regions = (region SizedRegion<1>:$bodyRegion);
  let assemblyFormat = [{
    $rank `arena` $arena (`host_arena` $host_arena^)? `scratch` $scratch_offset `,` $scratch_bytes `memory` $memory
    (`live` $live^)? attr-dict-with-keyword $bodyRegion
  }];
}

def RT_LoadOp : RT_Instruction<"load"> {
  let summary = "Copies a microbatch of a graph input into the arena";
  let arguments = (ins StrAttr:$name, I64Attr:$microbatch, I64Attr:$offset);
  let assemblyFormat = "$name `microbatch` $microbatch `at` $offset attr-dict";
}
def RT_RunOp : RT_Instruction<"run"> {
  let summary = "Calls a task with buffers at the given offsets";
  let arguments = (ins FlatSymbolRefAttr:$callee, I64Attr:$microbatch,
                       DenseI64ArrayAttr:$offsets);
  let assemblyFormat = "$callee `microbatch` $microbatch `at` $offsets attr-dict";
}
def RT_SendOp : RT_Instruction<"send"> {
  let summary = "Starts sending bytes to a rank; done at the wait on the slot";
  let arguments = (ins I64Attr:$peer, I64Attr:$channel, I64Attr:$microbatch, I64Attr:$offset,
                       I64Attr:$bytes, I64Attr:$slot);
  let assemblyFormat = [{
    `to` $peer `channel` $channel `microbatch` $microbatch `at` $offset `bytes` $bytes
    `slot` $slot attr-dict
  }];
}
def RT_RecvOp : RT_Instruction<"recv"> {
  let summary = "Starts receiving bytes from a rank; done at the wait on the slot";
  let arguments = (ins I64Attr:$peer, I64Attr:$channel, I64Attr:$microbatch, I64Attr:$offset,
                       I64Attr:$bytes, I64Attr:$slot);
  let assemblyFormat = [{
    `from` $peer `channel` $channel `microbatch` $microbatch `at` $offset `bytes` $bytes
    `slot` $slot attr-dict
  }];
}
def RT_OffloadOp : RT_Instruction<"offload"> {
  let summary = "Starts copying a value to the host's memory; done at the wait on the slot";
  let description = [{
    From `offset` of the arena to `host` of the host arena. Until the wait neither may be written.
  }];
  let arguments = (ins I64Attr:$value, I64Attr:$microbatch, I64Attr:$offset, I64Attr:$host,
                       I64Attr:$bytes, I64Attr:$slot);
  let assemblyFormat = [{
    `value` $value `microbatch` $microbatch `at` $offset `to` $host `bytes` $bytes `slot` $slot
    attr-dict
  }];
}
def RT_FetchOp : RT_Instruction<"fetch"> {
  let summary = "Starts copying a value back from the host's memory; done at the wait on the slot";
  let description = [{
    From `host` of the host arena to `offset` of the arena. Until the wait the former may not be
    written and the latter not be touched.
  }];
  let arguments = (ins I64Attr:$value, I64Attr:$microbatch, I64Attr:$host, I64Attr:$offset,
                       I64Attr:$bytes, I64Attr:$slot);
  let assemblyFormat = [{
    `value` $value `microbatch` $microbatch `from` $host `at` $offset `bytes` $bytes `slot` $slot
    attr-dict
  }];
}
def RT_WaitOp : RT_Instruction<"wait"> {
  let summary = "Waits for a slot's transfer or copy, on behalf of a task's action";
  let arguments = (ins I64Attr:$slot, FlatSymbolRefAttr:$callee, I64Attr:$microbatch);
  let assemblyFormat = "$slot `for` $callee `microbatch` $microbatch attr-dict";
}
def RT_ZeroOp : RT_Instruction<"zero"> {
  let summary = "Sets bytes to zero";
  let arguments = (ins I64Attr:$offset, I64Attr:$bytes);
  let assemblyFormat = "`at` $offset `bytes` $bytes attr-dict";
}
def RT_RecordOp : RT_Instruction<"record"> {
  let summary = "Adds the fp32 at an offset to a scalar output of a microbatch";
  let arguments = (ins StrAttr:$name, I64Attr:$microbatch, I64Attr:$offset);
  let assemblyFormat = "$name `microbatch` $microbatch `at` $offset attr-dict";
}

#endif // BIGMAC_DIALECTS_RT_RTOPS
