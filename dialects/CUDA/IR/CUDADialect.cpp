//===- CUDADialect.cpp - Registration, effects and verifiers ---------------===//

#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

#include "dialects/CUDA/IR/CUDADialect.cpp.inc"
#include "dialects/CUDA/IR/CUDAEnums.cpp.inc"

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
void MatmulGeluOp::getEffects(Effects &effects) { effectsOf(*this, effects); }
void MatmulGeluBackwardOp::getEffects(Effects &effects) { effectsOf(*this, effects); }
void MatmulSumsOp::getEffects(Effects &effects) { effectsOf(*this, effects); }
void ScatterRowsOp::getEffects(Effects &effects) { effectsOf(*this, effects); }

void MatmulOp::getEffects(Effects &effects) {
  for (OpOperand &operand : getOperation()->getOpOperands())
    effects.emplace_back(MemoryEffects::Read::get(), &operand, SideEffects::DefaultResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), &getCMutable(),
                       SideEffects::DefaultResource::get());
  if (getAux() && getActivation() == Activation::gelu)
    effects.emplace_back(MemoryEffects::Write::get(), &*getAuxMutable().begin(),
                         SideEffects::DefaultResource::get());
  if (getSums())
    effects.emplace_back(MemoryEffects::Write::get(), &*getSumsMutable().begin(),
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

/// lhs and rhs are an nn.matmul's, and what is as large as the result has its shape; all are bf16.
static LogicalResult verifyProduct(Operation *op, Value lhs, bool transposeLhs, Value rhs,
                                   bool transposeRhs, ArrayRef<Value> results) {
  for (Value operand : op->getOperands())
    if (!getElementTypeOrSelf(operand.getType()).isBF16())
      return op->emitOpError("expects bf16 operands, found ") << operand.getType();
  auto shapeOf = [](Value value) { return cast<ShapedType>(value.getType()).getShape(); };
  ArrayRef<int64_t> left = shapeOf(lhs), right = shapeOf(rhs);
  if (left.size() < 2 || (right.size() != 2 && right.size() != left.size()))
    return op->emitOpError("expects lhs [batch..., m, k] and rhs [k, n] or [batch..., k, n]");
  auto [m, k] = std::make_pair(left[left.size() - 2], left.back());
  auto [otherK, n] = std::make_pair(right[right.size() - 2], right.back());
  if (transposeLhs)
    std::swap(m, k);
  if (transposeRhs)
    std::swap(otherK, n);
  bool sameBatch = right.size() == 2 || left.drop_back(2) == right.drop_back(2);
  if (k != otherK || !sameBatch)
    return op->emitOpError("cannot multiply ") << lhs.getType() << " and " << rhs.getType();
  for (int64_t row : {left.back(), right.back(), n})
    if (row % kRowElements != 0)
      return op->emitOpError("expects rows of multiples of ")
             << kRowElements << " elements, found " << row;
  SmallVector<int64_t> expected(left.drop_back(2));
  expected.append({m, n});
  for (Value result : results)
    if (result && shapeOf(result) != ArrayRef<int64_t>(expected))
      return op->emitOpError("expects ")
             << result.getType() << " to have the product's shape, [" << expected << "]";
  return success();
}

LogicalResult MatmulGeluOp::verify() {
  if (failed(verifyDestinations(*this)) ||
      failed(verifyProduct(*this, getLhs(), getTransposeLhs(), getRhs(), getTransposeRhs(),
                           {getOutput(), getPreactivation()})))
    return failure();
  if (Value bias = getBias(); bias && cast<ShapedType>(bias.getType()).getShape() !=
                                          getOutput().getType().getShape().take_back(1))
    return emitOpError("expects a bias for each column, found ") << bias.getType();
  return success();
}

LogicalResult MatmulGeluBackwardOp::verify() {
  if (failed(verifyDestinations(*this)))
    return failure();
  return verifyProduct(*this, getLhs(), getTransposeLhs(), getRhs(), getTransposeRhs(),
                       {getOutput(), getPreactivation()});
}

LogicalResult MatmulSumsOp::verify() {
  if (failed(verifyDestinations(*this)) ||
      failed(verifyProduct(*this, getLhs(), getTransposeLhs(), getRhs(), getTransposeRhs(),
                           {getOutput()})))
    return failure();
  if (!getTransposeLhs() || getTransposeRhs())
    return emitOpError("expects a product of lhs transposed and rhs not: cuBLASLt sums no others");
  ArrayRef<int64_t> shape = getOutput().getType().getShape();
  if (shape.size() != 2 ||
      getSums().getType().getShape() != shape.slice(getSummed() == Operand::a ? 0 : 1, 1))
    return emitOpError("expects two dimensions, and a sum for each ")
           << (getSummed() == Operand::a ? "row" : "column") << ", found " << getSums().getType();
  return success();
}

LogicalResult MatmulOp::verify() {
  size_t count = getAux() ? 4 : 3;
  if (getSizes().size() != 4 || getLeading().size() != count || getStrides().size() != count ||
      getOffsets().size() != count)
    return emitOpError("expects 4 sizes and ")
           << count << " leading dimensions, strides and offsets";
  if (static_cast<bool>(getSums()) != getSummed().has_value())
    return emitOpError("expects sums and which operand is summed, or neither");
  if (getSums() && (!getTransposeA() || getTransposeB()))
    return emitOpError("expects a product of a transposed and b not: cuBLASLt sums no others");
  if (getSums() && (getBias() || getActivation() || getSizes()[3] != 1))
    return emitOpError("expects sums without bias and activation, of one product");
  bool isBackward = getActivation() == Activation::gelu_backward;
  if (isBackward        ? !getAux() || getBias() || getAccumulate()
      : getActivation() ? getAccumulate()
                        : static_cast<bool>(getAux()))
    return emitOpError("expects gelu, which saves to aux or not, or gelu_backward with aux and "
                       "without bias, neither accumulating; or no activation and no aux");
  return success();
}
