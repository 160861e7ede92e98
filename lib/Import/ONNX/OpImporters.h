//===- OpImporters.h - Importers too long for the op table ------*- C++ -*-===//
//
// Each is the importer of the ONNX op of its name, or a family's common part.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_OPIMPORTERS_H
#define BIGMAC_LIB_IMPORT_ONNX_OPIMPORTERS_H

#include "NodeContext.h"

namespace bigmac::onnx {

// Attention.cpp
mlir::LogicalResult importAttention(NodeContext &n);
mlir::LogicalResult importRotaryEmbedding(NodeContext &n);

// Constants.cpp
/// The elements of a tensor whose bytes are at `bytes`, as many as its dims say. Equal elements
/// give a splat.
mlir::DenseElementsAttr makeElements(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);
mlir::LogicalResult importConstant(NodeContext &n);
mlir::LogicalResult importConstantOfShape(NodeContext &n);
mlir::LogicalResult importRange(NodeContext &n);
mlir::LogicalResult importOneHot(NodeContext &n);
mlir::LogicalResult importEyeLike(NodeContext &n);

// Einsum.cpp
mlir::LogicalResult importEinsum(NodeContext &n);

// Elementwise.cpp
using Binary = llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>;
mlir::LogicalResult importBinary(NodeContext &n, Binary build);
mlir::LogicalResult importVariadic(NodeContext &n, Binary build);
mlir::LogicalResult importFloatUnary(NodeContext &n,
                                     llvm::function_ref<mlir::Value(mlir::Value)> build);
mlir::LogicalResult importCompare(NodeContext &n, NodeContext::Compare how);
mlir::LogicalResult importLogic(NodeContext &n, Binary build, bool onBits);
mlir::LogicalResult importExtremum(NodeContext &n, bool maximum);
mlir::LogicalResult importClip(NodeContext &n);
mlir::LogicalResult importMod(NodeContext &n);
mlir::LogicalResult importPow(NodeContext &n);
mlir::LogicalResult importCast(NodeContext &n, DataType to);
mlir::Value softplus(NodeContext &n, mlir::Value x);

// OpsDToG.cpp
mlir::LogicalResult importSpaceToDepth(NodeContext &n);
/// slope * x for positive x, else outer * (exp(inner * x) - 1).
mlir::Value expLinear(NodeContext &n, mlir::Value x, double inner, double outer, double slope);

// Gather.cpp
mlir::LogicalResult importGather(NodeContext &n);
mlir::LogicalResult importGatherElements(NodeContext &n);
mlir::LogicalResult importGatherND(NodeContext &n);
mlir::LogicalResult importScatterElements(NodeContext &n);
mlir::LogicalResult importScatterND(NodeContext &n);
/// result[..., i, ...] = input[..., indices[i], ...] along `dim`, cheaply where the indices are a
/// range.
mlir::Value gatherConstant(NodeContext &n, mlir::Value input, int64_t dim,
                           llvm::ArrayRef<int64_t> indices);

// Linear.cpp
mlir::LogicalResult importConv(NodeContext &n);
mlir::LogicalResult importGemm(NodeContext &n);
mlir::LogicalResult importMatMul(NodeContext &n);

// Losses.cpp
mlir::LogicalResult importSoftmaxCrossEntropyLoss(NodeContext &n);
mlir::LogicalResult importNegativeLogLikelihoodLoss(NodeContext &n);

// MaskedScatter.cpp
mlir::LogicalResult importMaskedScatter(NodeContext &n);

// Movement.cpp
mlir::LogicalResult importReshape(NodeContext &n);
mlir::LogicalResult importSqueeze(NodeContext &n);
mlir::LogicalResult importUnsqueeze(NodeContext &n);
mlir::LogicalResult importExpand(NodeContext &n);
mlir::LogicalResult importConcat(NodeContext &n);
mlir::LogicalResult importSplit(NodeContext &n);
mlir::LogicalResult importSplitToSequence(NodeContext &n);
mlir::LogicalResult importSequenceAt(NodeContext &n);
mlir::LogicalResult importSlice(NodeContext &n);
mlir::LogicalResult importPad(NodeContext &n);
mlir::LogicalResult importTile(NodeContext &n);

// Normalizations.cpp
mlir::LogicalResult importLayerNormalization(NodeContext &n);
mlir::LogicalResult importRMSNormalization(NodeContext &n);
mlir::LogicalResult importGroupNormalization(NodeContext &n);
mlir::LogicalResult importInstanceNormalization(NodeContext &n);
mlir::LogicalResult importBatchNormalization(NodeContext &n);
mlir::LogicalResult importSoftmax(NodeContext &n, bool logarithm);

// Reductions.cpp
enum class Reduction { Sum, Mean, Max, Min, SumSquare, L1, L2, LogSum, LogSumExp };
/// `axesSinceOpset`: from which opset on the axes are an input, not an attribute.
mlir::LogicalResult importReduction(NodeContext &n, Reduction reduction, int64_t axesSinceOpset);
mlir::LogicalResult importAveragePool(NodeContext &n);
mlir::LogicalResult importGlobalAveragePool(NodeContext &n);
mlir::LogicalResult importArgExtremum(NodeContext &n, bool maximum);

// Triangles.cpp
mlir::LogicalResult importTrilu(NodeContext &n);
mlir::LogicalResult importCumSum(NodeContext &n);
/// Sums of the entries up to each one along the last dimension; `reverse`: from each one on.
mlir::Value runningSum(NodeContext &n, mlir::Value input, bool exclusive, bool reverse);

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_OPIMPORTERS_H
