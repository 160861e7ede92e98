//===- PipelineOrder.h - Format of pipeline.order ---------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_IR_PIPELINEORDER_H
#define BIGMAC_DIALECTS_PIPELINE_IR_PIPELINEORDER_H

#include "dialects/Pipeline/IR/Pipeline.h"

namespace bigmac::pipeline {

/// `custom<Actions>`: `["F0.3", "EF5"]`.
mlir::ParseResult parseActions(mlir::OpAsmParser &parser, mlir::DenseI32ArrayAttr &actions);
void printActions(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                  mlir::DenseI32ArrayAttr actions);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_IR_PIPELINEORDER_H
