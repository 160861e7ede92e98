//===- RTDialect.td - The rt dialect ---------------------------------------===//

#ifndef BIGMAC_DIALECTS_RT_RTDIALECT
#define BIGMAC_DIALECTS_RT_RTDIALECT

include "mlir/IR/OpBase.td"

def RT_Dialect : Dialect {
  let name = "rt";
  let cppNamespace = "::bigmac::rt";
  let summary = "What each rank's runtime executes, with every byte placed";
  let description = [{
    A program after scheduling and memory planning: each rank has one static arena and one list of
    instructions whose operands are byte offsets in it. The runtime executes the list literally.
    The ops mirror the plan image of the runtime (runtime/include/bigmac-rt/plan.h), which is
    written from them. The rationale is in docs/Dialects/RT.md.
  }];
  let dependentDialects = ["::bigmac::pipeline::PipelineDialect"];
}

#endif // BIGMAC_DIALECTS_RT_RTDIALECT
