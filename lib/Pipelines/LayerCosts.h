//===- LayerCosts.h - What each layer of a model costs ----------*- C++ -*-===//

#ifndef BIGMAC_LIB_PIPELINES_LAYERCOSTS_H
#define BIGMAC_LIB_PIPELINES_LAYERCOSTS_H

#include "bigmac/Pipelines/Compile.h"

namespace bigmac {

/// Cuts a copy of `module`, which is before the pipeline level, into as many stages as its LLM has
/// layers, differentiates it, and reads off what each piece costs: the problem's layers, encoder,
/// generator and device. `samples` receives those of a microbatch.
mlir::FailureOr<planning::AutoProblem> layerCosts(mlir::ModuleOp module,
                                                  const CompileOptions &options, int64_t &samples);

} // namespace bigmac

#endif // BIGMAC_LIB_PIPELINES_LAYERCOSTS_H
