//===- Passes.h - Passes of the pipeline dialect ----------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_PASSES_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_PASSES_H

#include "dialects/NN/IR/NN.h"
#include "dialects/Pipeline/IR/Pipeline.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace bigmac::pipeline {
#define GEN_PASS_DECL
#include "dialects/Pipeline/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "dialects/Pipeline/Transforms/Passes.h.inc"
} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_PASSES_H
