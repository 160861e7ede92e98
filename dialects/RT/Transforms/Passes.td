//===- Passes.td - Passes of the rt dialect --------------------------------===//

#ifndef BIGMAC_DIALECTS_RT_TRANSFORMS_PASSES
#define BIGMAC_DIALECTS_RT_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def RTCheckProgram : Pass<"rt-check-program", "::mlir::ModuleOp"> {
  let summary = "Proves that an rt program does what its tasks ask for, without deadlock";
  let description = [{
    Works on the instructions alone, wherever they come from; changes nothing.

    On each rank, instruction by instruction: every task reads exactly the graph inputs, values and
    parameters that it declares, of its own microbatch, at the offsets that it is given; nothing
    writes bytes while a message goes out of them or comes into them; what is fetched from the host's
    memory is the value that was offloaded to there before, and neither end of a copy is touched
    until it is waited for; gradients are cleared before
    they are added to; every slot is waited for once. Over all ranks: every task runs once for each
    microbatch and every term of a scalar is recorded once; messages of a channel are sent and
    received in one order; and all ranks come to their ends even where each send blocks its wait
    until its receive is posted.

    Fails at the instruction, naming the actions concerned; for a deadlock, the cycle.
  }];
}

#endif // BIGMAC_DIALECTS_RT_TRANSFORMS_PASSES
