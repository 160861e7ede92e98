//===- OpCost.h - Analytic cost of tensor ops -------------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_OPCOST_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_OPCOST_H

#include "mlir/IR/Operation.h"

namespace bigmac::pipeline {

/// Floating-point operations of one execution; 0 for ops that only move data.
double flopsOf(mlir::Operation *op);
/// Bytes read and written.
double bytesOf(mlir::Operation *op);
/// Seconds on a nominal core (32 GFLOP/s, 8 GB/s): only the ratios between ops matter, for the
/// balance of stages and the order of actions.
double secondsOf(mlir::Operation *op);
/// Of all ops in a block.
double secondsOf(mlir::Block &block);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_OPCOST_H
