//===- SearchPlacement.h - Ranks of their own for components ----*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_SEARCHPLACEMENT_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_SEARCHPLACEMENT_H

#include "bigmac/Planning/Schedule.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>

namespace bigmac::pipeline {

/// What is known of the components before they are differentiated.
struct ComponentWork {
  struct Part {
    /// Of one forward of a microbatch.
    double seconds = 0;
    bool trained = false;
  };
  Part llm;
  std::optional<Part> encoder, generator;
};

/// The split of `ranks` that schedule separate-stages runs fastest (planning::searchSplit), where
/// the gradient of values costs as much as a forward, and that of weights as much again. The LLM's
/// cost is spread evenly. Errors are at `model`.
mlir::FailureOr<planning::RankPlacement> searchPlacement(mlir::func::FuncOp model,
                                                         const ComponentWork &work, int64_t ranks,
                                                         int64_t chunks, int64_t microbatches,
                                                         int64_t effort);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_SEARCHPLACEMENT_H
