//===- TaskCosts.h - What planning must know of a program -------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_TASKCOSTS_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_TASKCOSTS_H

#include "bigmac/Planning/Costs.h"
#include "dialects/Pipeline/IR/Program.h"
#include "mlir/IR/BuiltinOps.h"

namespace bigmac::pipeline {

/// Analytic seconds of each action (OpCost.h), and the bytes that each forward holds for its
/// backward: the task values that both use.
planning::Costs taskCosts(const Program &program, mlir::ModuleOp module);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_TASKCOSTS_H
