//===- TaskCosts.h - What planning must know of a program -------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_TASKCOSTS_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_TASKCOSTS_H

#include "bigmac/Planning/Costs.h"
#include "dialects/Pipeline/IR/Program.h"
#include "dialects/Pipeline/Transforms/CostModel.h"
#include "mlir/IR/BuiltinOps.h"

namespace bigmac::pipeline {

/// Seconds of each action: analytic (OpCost.h), or measured where the model has a profile.
/// `transfer` is the mean over the values that cross ranks. Bytes that each forward holds for its
/// backward: the task values that both use.
///
/// Fails, with an error at the program, where the profile is of another model. A profile of another
/// partition scales the analytic seconds; `scaled` receives the factors, or becomes empty.
mlir::FailureOr<planning::Costs> taskCosts(const Program &program, mlir::ModuleOp module,
                                           const CostModel &model, std::string *scaled = nullptr);

/// Analytic costs on the nominal core.
planning::Costs taskCosts(const Program &program, mlir::ModuleOp module);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_TASKCOSTS_H
