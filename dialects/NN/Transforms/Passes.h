//===- Passes.h - Passes on the nn dialect ----------------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_NN_TRANSFORMS_PASSES_H
#define BIGMAC_DIALECTS_NN_TRANSFORMS_PASSES_H

#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace bigmac::nn {

#define GEN_PASS_DECL
#include "dialects/NN/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/NN/Transforms/Passes.h.inc"

/// Raises what an importer leaves decomposed to the fused ops of the dialect. On a module.
void buildRaisePipeline(mlir::OpPassManager &pm);

/// Registers the pipeline above as `nn-raise`.
void registerNNPipelines();

} // namespace bigmac::nn

#endif // BIGMAC_DIALECTS_NN_TRANSFORMS_PASSES_H
