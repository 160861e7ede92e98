//===- CUDADialect.cpp - Registration, effects and verifiers ---------------===//

#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

#include "dialects/CUDA/IR/CUDADialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/CUDA/IR/CUDAOps.cpp.inc"

void CUDADialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/CUDA/IR/CUDAOps.cpp.inc"
      >();
}

using Effects = SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static void effectsOf(DestinationStyleOpInterface op, Effects &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    effects.emplace_back(MemoryEffects::Read::get(), &operand, SideEffects::DefaultResource::get());
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand,
                           SideEffects::DefaultResource::get());
  }
}

void AttentionOp::getEffects(Effects &effects) { effectsOf(*this, effects); }
void AttentionBackwardOp::getEffects(Effects &effects) { effectsOf(*this, effects); }
void ScatterRowsOp::getEffects(Effects &effects) { effectsOf(*this, effects); }

void MatmulOp::getEffects(Effects &effects) {
  for (OpOperand &operand : getOperation()->getOpOperands())
    effects.emplace_back(MemoryEffects::Read::get(), &operand, SideEffects::DefaultResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), &getCMutable(),
                       SideEffects::DefaultResource::get());
}

/// All operands are tensors, and a result has the type of its destination; or all are buffers.
static LogicalResult verifyDestinations(DestinationStyleOpInterface op) {
  bool onTensors = isa<RankedTensorType>(op->getOperand(0).getType());
  for (Type type : op->getOperandTypes())
    if (isa<RankedTensorType>(type) != onTensors)
      return op->emitOpError("mixes tensors and buffers");
  SmallVector<Type> expected;
  if (onTensors)
    for (OpOperand &init : op.getDpsInitsMutable())
      expected.push_back(init.get().getType());
  if (op->getResultTypes() != TypeRange(expected))
    return op->emitOpError("expects a result of the type of each destination, and none on buffers");
  return success();
}

static LogicalResult verifyRanks(Operation *op, ArrayRef<std::pair<Value, int64_t>> ranks,
                                 ArrayRef<bool> rowsFirst, size_t layouts) {
  for (auto [value, rank] : ranks)
    if (value && cast<ShapedType>(value.getType()).getRank() != rank)
      return op->emitOpError("expects an operand of rank ")
             << rank << ", found " << value.getType();
  if (rowsFirst.size() != layouts)
    return op->emitOpError("expects the layouts of ") << layouts << " operands in rows_first";
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyDestinations(*this)))
    return failure();
  return verifyRanks(*this,
                     {{getQuery(), 4},
                      {getKey(), 4},
                      {getValue(), 4},
                      {getOutput(), 4},
                      {getLogsumexp(), 3},
                      {getMask(), 4}},
                     getRowsFirst(), 4);
}

LogicalResult AttentionBackwardOp::verify() {
  if (failed(verifyDestinations(*this)))
    return failure();
  return verifyRanks(*this,
                     {{getQuery(), 4},
                      {getKey(), 4},
                      {getValue(), 4},
                      {getOutput(), 4},
                      {getLogsumexp(), 3},
                      {getGrad(), 4},
                      {getQueryGrad(), 4},
                      {getKeyGrad(), 4},
                      {getValueGrad(), 4},
                      {getMask(), 4}},
                     getRowsFirst(), 8);
}

LogicalResult ScatterRowsOp::verify() {
  if (failed(verifyDestinations(*this)))
    return failure();
  auto ids = cast<ShapedType>(getIds().getType()), rows = cast<ShapedType>(getRows().getType()),
       table = cast<ShapedType>(getTable().getType());
  if (ids.getRank() != 1 || rows.getRank() != 2 || table.getRank() != 2 ||
      ids.getDimSize(0) != rows.getDimSize(0) || rows.getDimSize(1) != table.getDimSize(1))
    return emitOpError("expects ids [n], rows [n, width] and a table [size, width]");
  return success();
}

LogicalResult MatmulOp::verify() {
  if (getSizes().size() != 4 || getLeading().size() != 3 || getStrides().size() != 3 ||
      getOffsets().size() != 3)
    return emitOpError("expects 4 sizes and 3 leading dimensions, strides and offsets");
  return success();
}
