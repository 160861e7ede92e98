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

def Pipeline_PlacementAttr : AttrDef<Pipeline_Dialect, "Placement"> {
  let mnemonic = "placement";
  let summary = "Which ranks hold which component";
  let description = [{
    `<encoder 0 to 1, llm 2 to 5, generator 6 to 6>`: of each component its first and last rank. A
    component that the program does not have is left out. The LLM's stages go around its L ranks:
    stage s is chunk s / L on the (s mod L)-th of them. The ranks of encoder and of generator hold a
    replica each and take the microbatches in turn.
  }];
  let parameters = (ins "uint32_t":$llmFirst, "uint32_t":$llmCount, "uint32_t":$encoderFirst,
                        "uint32_t":$encoderCount, "uint32_t":$generatorFirst,
                        "uint32_t":$generatorCount);
  let builders = [AttrBuilder<(ins "const ::bigmac::planning::RankPlacement &":$placement), [{
    return $_get($_ctxt, placement.llm.first, placement.llm.count, placement.encoder.first,
                 placement.encoder.count, placement.generator.first, placement.generator.count);
  }]>];
  let extraClassDeclaration = [{
    ::bigmac::planning::RankPlacement toPlanning() const {
      return {{getLlmFirst(), getLlmCount()}, {getEncoderFirst(), getEncoderCount()},
              {getGeneratorFirst(), getGeneratorCount()}};
    }
  }];
  let hasCustomAssemblyFormat = 1;
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
