//===- Components.h - Which component an op belongs to ----------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_COMPONENTS_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_COMPONENTS_H

#include "dialects/Pipeline/IR/Pipeline.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <string>

namespace bigmac::pipeline {

/// The trunk of a model: ops that depend on a parameter and on a graph input, in order.
llvm::SetVector<mlir::Operation *> trunkOf(mlir::func::FuncOp model);

/// Gives every op of the trunk its component.
///
/// `patterns` are ROLE=GLOB over parameter names and module scopes: an op that reads a matching
/// parameter, or comes from a matching scope, has that role. Without any pattern the LLM is found
/// by dataflow: it is what the cross-entropy depends on and what itself depends on token
/// embeddings; the encoder is what the cross-entropy depends on otherwise; the generator is what
/// only other loss terms depend on. A model without a cross-entropy or without token embeddings is
/// all LLM.
///
/// Then no op may come before its operands in the order encoder, LLM, generator: an op without a
/// pattern of its own moves after them, one with a pattern is an error that names both.
mlir::FailureOr<llvm::DenseMap<mlir::Operation *, Component>>
assignComponents(mlir::func::FuncOp model, const llvm::SetVector<mlir::Operation *> &trunk,
                 mlir::Value loss, llvm::ArrayRef<std::string> patterns);

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_COMPONENTS_H
