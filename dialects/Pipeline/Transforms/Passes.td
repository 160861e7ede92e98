//===- Passes.td - Passes of the pipeline dialect --------------------------===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_PASSES
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def PipelinePartition : Pass<"pipeline-partition", "::mlir::ModuleOp"> {
  let summary = "Cuts the model into encoder, LLM stages and generator";
  let description = [{
    Replaces the module's one public function, the model, by a `pipeline.unscheduled` program with
    one forward task for the encoder, for each of ranks x chunks LLM stages, and for the generator.

    Ops that depend on a parameter and on a graph input are the trunk; each belongs to one task.
    Everything else (masks, rotary tables, views of weights) is cloned into the tasks that use it.
    Components come from `component` patterns, or from dataflow; stages are balanced by cost at
    points where few bytes are live.

    With `separate-stages` encoder and generator get ranks of their own: lib/Planning searches the
    split of ranks with the least makespan for `microbatches`, from the components' costs (a
    backward as two forwards); the program's placement is the result, and the LLM is cut into
    as many stages as the ranks left x chunks.

    Fails where the model has no loss, where a trained parameter is not f32, where a pattern matches
    nothing, where the encoder would read from the LLM, and where there are more stages than LLM
    layers.
  }];
  let options = [
    Option<"ranks", "ranks", "int64_t", "1", "Pipeline ranks">,
    Option<"chunks", "chunks", "int64_t", "1",
           "LLM chunks a rank; 0: as many as the LLM has layers for">,
    ListOption<"components", "component", "std::string",
               "ROLE=PATTERN: role encoder, llm or generator; a glob over parameter names and "
               "module scopes">,
    Option<"lossWeight", "loss-weight", "std::string", "\"\"",
           "Name of the output that weights each microbatch's loss">,
    Option<"device", "device", "std::string", "\"cpu\"",
           "Device that stages are balanced for: a built-in name, or a description's file">,
    Option<"separateStages", "separate-stages", "bool", "false",
           "Give encoder and generator ranks of their own">,
    Option<"microbatches", "microbatches", "int64_t", "0",
           "Microbatches a step, for separate-stages; 0 for ranks">,
    Option<"effort", "effort", "int64_t", "1",
           "How far the search of separate-stages goes">
  ];
  let dependentDialects = ["::bigmac::pipeline::PipelineDialect", "::mlir::func::FuncDialect"];
}

def PipelineDifferentiate : Pass<"pipeline-differentiate", "::mlir::ModuleOp"> {
  let summary = "Adds backward tasks to an unscheduled program";
  let description = [{
    For each forward task on a path from a trained parameter to the loss, differentiates its
    function, splits the result into forward and backward, and adds the backward task; residuals
    become values between the two. The generator becomes one forward_backward task. With
    `split-weight-gradient` a stage's backward is cut again: what its inputs' gradients need, with
    the gradients that take no pass over memory of their own there (backward), and the rest (weight
    gradient).

    `recompute` says what a backward computes again instead of having it kept: `none` (only ops that
    cost about as much as a load), `full` (all that its stage's own inputs suffice for), or a number
    of bytes that a second of recomputation must save to be worth it. `TASK=LEVEL` sets one task,
    such as `llm.0` or `encoder`; without `TASK=` it is for all others.

    A trained parameter that the loss does not depend on becomes frozen, with a remark. Fails where
    an op on such a path has no derivative rule, and where nothing is trained.
  }];
  let options = [
    Option<"splitWeightGradient", "split-weight-gradient", "bool", "false",
           "Split LLM backwards into input and weight gradients">,
    Option<"narrowGradients", "narrow-gradients", "bool", "false",
           "Accumulate gradients of parameters narrower than f32 in their type, not in f32">,
    ListOption<"recompute", "recompute", "std::string",
               "LEVEL or TASK=LEVEL: none, full, or the bytes that a second must save">,
    Option<"device", "device", "std::string", "\"cpu\"",
           "Device that seconds are for: a built-in name, or a description's file">
  ];
  let dependentDialects = [
    "::bigmac::pipeline::PipelineDialect", "::bigmac::nn::NNDialect", "::mlir::func::FuncDialect",
    "::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect"
  ];
}

def PipelineSchedule : Pass<"pipeline-schedule", "::mlir::ModuleOp"> {
  let summary = "Orders the actions of every rank";
  let description = [{
    Turns the `pipeline.unscheduled` program into a `pipeline.scheduled` one: costs the tasks,
    builds the schedule with lib/Planning under the program's own dependencies, and adds one
    `pipeline.order` a rank. Fails where the schedule does not take the chunk count, or is not
    built in this version.
  }];
  let options = [
    Option<"schedule", "schedule", "std::string", "\"bigmac\"", "Name of the schedule">,
    Option<"microbatches", "microbatches", "int64_t", "0", "Microbatches a step; 0 for ranks">,
    Option<"effort", "effort", "int64_t", "1", "How far the search for a schedule goes">,
    Option<"robust", "robust", "bool", "false",
           "Among the plans within 1% of the fastest, take one that loses little when times vary">,
    Option<"device", "device", "std::string", "\"cpu\"",
           "Device that seconds are for: a built-in name, or a description's file">,
    Option<"profile", "profile", "std::string", "\"\"",
           "Trace of a training executable, whose times replace analytic ones">,
    Option<"activationLimit", "activation-limit", "uint64_t", "0",
           "Bytes of activations that a rank may hold, as costs count them; 0: no limit">
  ];
  let dependentDialects = ["::bigmac::pipeline::PipelineDialect"];
}

def PipelineOffload : Pass<"pipeline-offload", "::mlir::ModuleOp"> {
  let summary = "Says which values wait in the host's memory";
  let description = [{
    Adds a `pipeline.offload` to the `pipeline.scheduled` program for each of `values`, numbered from
    1 in the order in which tasks make them, or with `all` for every value that a rank uses in an
    action of one phase and again in one of a later phase. Fails where there is no such value, and
    where the program says already what is offloaded.
  }];
  let options = [
    ListOption<"values", "values", "int64_t", "Numbers of values">,
    Option<"all", "all", "bool", "false", "Offload all that is held between two phases">
  ];
  let dependentDialects = ["::bigmac::pipeline::PipelineDialect"];
}

def PipelineReportCosts : Pass<"pipeline-report-costs", "::mlir::ModuleOp"> {
  let summary = "Says what each op costs";
  let description = [{
    A remark at each op of each function that takes time: its FLOPs, the bytes that it moves, and its
    seconds on the device. Changes nothing.
  }];
  let options = [
    Option<"device", "device", "std::string", "\"cpu\"",
           "Device that seconds are for: a built-in name, or a description's file">
  ];
}

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_PASSES
