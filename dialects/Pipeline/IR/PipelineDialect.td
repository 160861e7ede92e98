//===- PipelineDialect.td - The pipeline dialect ---------------------------===//

#ifndef BIGMAC_DIALECTS_PIPELINE_PIPELINEDIALECT
#define BIGMAC_DIALECTS_PIPELINE_PIPELINEDIALECT

include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Pipeline_Dialect : Dialect {
  let name = "pipeline";
  let cppNamespace = "::bigmac::pipeline";
  let summary = "Pipelined training steps: tasks, their values, and the schedule";
  let description = [{
    A program holds the tasks of one microbatch and the values that flow between them; which rank
    runs a task follows from its component and stage. An unscheduled program becomes a scheduled
    one, a different op, when every rank has its order of actions. The rationale is in
    docs/Dialects/Pipeline.md.
  }];
}

def Pipeline_ComponentAttr : I32EnumAttr<"Component", "component of a multimodal model", [
    I32EnumAttrCase<"llm", 0>, I32EnumAttrCase<"encoder", 1>, I32EnumAttrCase<"generator", 2>]> {
  let cppNamespace = "::bigmac::pipeline";
}

def Pipeline_PhaseAttr : I32EnumAttr<"Phase", "phase of a task", [
    I32EnumAttrCase<"forward", 0>, I32EnumAttrCase<"backward", 1>,
    I32EnumAttrCase<"weight_gradient", 2>, I32EnumAttrCase<"forward_backward", 3>]> {
  let cppNamespace = "::bigmac::pipeline";
}

#endif // BIGMAC_DIALECTS_PIPELINE_PIPELINEDIALECT
