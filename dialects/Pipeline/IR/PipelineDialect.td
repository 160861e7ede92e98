//===- PipelineDialect.td - The pipeline dialect ---------------------------===//

#ifndef BIGMAC_DIALECTS_PIPELINE_PIPELINEDIALECT
#define BIGMAC_DIALECTS_PIPELINE_PIPELINEDIALECT

include "mlir/IR/AttrTypeBase.td"
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
  let useDefaultAttributePrinterParser = 1;
}

def Pipeline_Component : I32Enum<"Component", "component of a multimodal model", [
    I32EnumCase<"llm", 0>, I32EnumCase<"encoder", 1>, I32EnumCase<"generator", 2>]> {
  let cppNamespace = "::bigmac::pipeline";
}
def Pipeline_ComponentAttr : EnumAttr<Pipeline_Dialect, Pipeline_Component, "component">;

def Pipeline_Phase : I32Enum<"Phase", "phase of a task", [
    I32EnumCase<"forward", 0>, I32EnumCase<"backward", 1>, I32EnumCase<"weight_gradient", 2>,
    I32EnumCase<"forward_backward", 3>]> {
  let cppNamespace = "::bigmac::pipeline";
}
def Pipeline_PhaseAttr : EnumAttr<Pipeline_Dialect, Pipeline_Phase, "phase">;

#endif // BIGMAC_DIALECTS_PIPELINE_PIPELINEDIALECT
