//===- Auto.h - Chooses what the command line left open ---------*- C++ -*-===//

#ifndef BIGMAC_PIPELINES_AUTO_H
#define BIGMAC_PIPELINES_AUTO_H

#include "bigmac/Pipelines/Compile.h"

namespace bigmac {

struct AutoOptions {
  /// Devices in all.
  int64_t world = 1;
  /// Samples of a step in all; 0: `microbatches` microbatches.
  int64_t globalBatch = 0;
  /// Microbatches of a step in all, over all replicas.
  int64_t microbatches = 1;
  /// What is not open.
  std::optional<int64_t> ranks, chunks, replicas;
  std::optional<std::string> schedule;
};

/// Sets ranks, chunks, replicas, microbatches and schedule of `options` to the best arrangement of
/// the model, and `options.ranking` to what it was chosen from. The model is cut into its layers
/// and differentiated to know what each costs on the options' device, or by their profile;
/// planning::autoSearch does the rest. With a memory limit, what is chosen is proved to fit by its
/// memory plan: where it does not, the next best is.
///
/// `module`, before the pipeline level, stays as it is. Errors are diagnostics.
mlir::LogicalResult chooseArrangement(mlir::ModuleOp module, CompileOptions &options,
                                      const AutoOptions &open);

} // namespace bigmac

#endif // BIGMAC_PIPELINES_AUTO_H
