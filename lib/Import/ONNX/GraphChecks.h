//===- GraphChecks.h - Checks of a graph's border and ops -------*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_GRAPHCHECKS_H
#define BIGMAC_LIB_IMPORT_ONNX_GRAPHCHECKS_H

#include "NodeContext.h"

#include "bigmac/Import/ONNX.h"

namespace bigmac::onnx {

// All of these emit a diagnostic where they fail.

/// The IR version and the opset of the graph are ones that are known.
mlir::LogicalResult checkVersions(mlir::Location loc, const Model &model);

/// Every op of the graph can be imported; lists all that cannot. Random ops are told apart.
mlir::LogicalResult checkOps(mlir::Location loc, const Graph &graph);

/// Static types of the graph's inputs, with symbolic dimensions taken from the options.
mlir::LogicalResult resolveInputs(mlir::Location loc, llvm::ArrayRef<const ValueInfo *> inputs,
                                  const ONNXImportOptions &options,
                                  llvm::SmallVectorImpl<mlir::RankedTensorType> &types);

/// What the graph declares of an output agrees with what was computed.
mlir::LogicalResult checkOutput(mlir::Location loc, const ValueInfo &output,
                                mlir::RankedTensorType type, const ONNXImportOptions &options);

/// The number of the output that is the loss; none where there is none and none is needed.
mlir::FailureOr<std::optional<unsigned>> chooseLoss(mlir::Location loc,
                                                    llvm::ArrayRef<ValueInfo> outputs,
                                                    llvm::ArrayRef<mlir::Value> values,
                                                    const ONNXImportOptions &options);

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_GRAPHCHECKS_H
