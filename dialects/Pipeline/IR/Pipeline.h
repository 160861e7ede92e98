//===- Pipeline.h - The pipeline dialect ------------------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_IR_PIPELINE_H
#define BIGMAC_DIALECTS_PIPELINE_IR_PIPELINE_H

#include "bigmac/Planning/Schedule.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Pipeline/IR/PipelineDialect.h.inc"
#include "dialects/Pipeline/IR/PipelineEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Pipeline/IR/PipelineAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/Pipeline/IR/PipelineOps.h.inc"

namespace bigmac::pipeline {

/// The planning library's spelling of a task's component and phase.
planning::Component toPlanning(Component component);
planning::Phase toPlanning(Phase phase);

/// `pipeline.order`'s storage of a rank's actions, and back.
llvm::SmallVector<int32_t> packActions(llvm::ArrayRef<planning::Action> actions);
std::vector<planning::Action> unpackActions(llvm::ArrayRef<int32_t> packed,
                                            const planning::RankPlacement &placement);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_IR_PIPELINE_H
