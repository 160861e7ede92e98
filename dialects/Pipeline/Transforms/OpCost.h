//===- OpCost.h - Analytic cost of tensor ops -------------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_OPCOST_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_OPCOST_H

#include "bigmac/Planning/DeviceModel.h"
#include "mlir/IR/Operation.h"

namespace bigmac::pipeline {

/// FLOPs of a transcendental function: exp, log, tanh, erf, sin, cos, powers. About what the
/// polynomials of vector math libraries take.
inline constexpr double kTranscendentalFlops = 10;

/// What one execution of a tensor op takes. A multiplication and an addition count one FLOP each;
/// of attention, its matrix products over the pairs of positions that a causal mask leaves.
///
/// Bytes are those of operands and results once, but for rows that a lookup does not read,
/// constants of one repeated value, and values that are fused away: made by an elementwise op or a
/// broadcast for one user that is such an op, or a reduction.
planning::Work workOf(mlir::Operation *op);

/// The device that costs are for where none is named: "cpu".
const planning::DeviceModel &defaultDevice();

/// Whether `device` computes an elementwise op sooner than it writes its result and reads it again.
bool isCheap(mlir::Operation *op, const planning::DeviceModel &device);

/// Seconds on `device`.
double secondsOf(mlir::Operation *op, const planning::DeviceModel &device = defaultDevice());
/// Of all ops in a block.
double secondsOf(mlir::Block &block, const planning::DeviceModel &device = defaultDevice());

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_OPCOST_H
