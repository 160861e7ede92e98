//===- RowValues.cpp - What kernels of rows load and compute ---------------===//

#include "RowValues.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

SmallVector<Value> RowValues::offsetsOf(ArrayRef<OpFoldResult> offsets) {
  return llvm::map_to_vector(offsets, [&](OpFoldResult offset) -> Value {
    if (std::optional<int64_t> constant = getConstantIntValue(offset))
      return b.index(*constant);
    return indexValue(cast<Value>(offset));
  });
}

Value RowValues::indexValue(Value value) {
  if (Value mapped = b.outer.lookupOrNull(value))
    return mapped;
  auto apply = cast<affine::AffineApplyOp>(value.getDefiningOp());
  SmallVector<Value> operands =
      llvm::map_to_vector(apply.getMapOperands(), [&](Value v) { return indexValue(v); });
  return affine::AffineApplyOp::create(b, b.loc, apply.getAffineMap(), operands);
}

Value RowValues::load(Value tensor, Piece *piece) {
  SmallVector<Value> position;
  Value base = tensor;
  std::optional<unsigned> columnDim;
  bool startsAligned = true;
  auto slice = buffers.contains(tensor) ? tensor::ExtractSliceOp()
                                        : tensor.getDefiningOp<tensor::ExtractSliceOp>();
  if (slice) {
    base = slice.getSource();
    position = offsetsOf(slice.getMixedOffsets());
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    for (unsigned i = 0; i < position.size(); ++i)
      if (!dropped[i]) {
        columnDim = i;
        std::optional<int64_t> offset = getConstantIntValue(slice.getMixedOffsets()[i]);
        startsAligned = offset && *offset % vectorSize == 0;
      }
  } else {
    unsigned rank = cast<RankedTensorType>(tensor.getType()).getRank();
    position.assign(rank, Value());
    if (rank == 1)
      columnDim = 0;
  }
  Value buffer = buffers.lookup(base);
  if (!piece)
    return memref::LoadOp::create(b, b.loc, buffer, position);
  Value &column = position[*columnDim];
  column = column ? b.add(column, piece->column) : piece->column;
  auto type = VectorType::get({vectorSize}, getElementTypeOrSelf(base.getType()));
  auto read = [&]() -> Value {
    return loadVector(type, buffer, position, *columnDim, startsAligned);
  };
  if (!piece->inside)
    return read();
  auto branch = scf::IfOp::create(b, b.loc, type, piece->inside, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, b.loc, read());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, b.loc, Value(arith::ConstantOp::create(b, b.loc, b.getZeroAttr(type))));
  return branch.getResult(0);
}

Value RowValues::loadVector(VectorType type, Value buffer, SmallVector<Value> position,
                            unsigned columnDim, bool startsAligned) {
  auto bufferType = cast<MemRefType>(buffer.getType());
  bool isContiguous = llvm::all_of(bufferType.getShape().drop_front(columnDim + 1),
                                   [](int64_t size) { return size == 1; });
  if (isContiguous) {
    bool isAligned =
        startsAligned && (columnDim == 0 || bufferType.getDimSize(columnDim) % vectorSize == 0);
    int64_t alignment = isAligned
                            ? std::min<int64_t>(16, vectorSize * bytesOf(type.getElementType()))
                            : bytesOf(type.getElementType());
    if (columnDim + 1 == bufferType.getRank())
      return vector::LoadOp::create(b, b.loc, type, buffer, position, /*nontemporal=*/false,
                                    llvm::MaybeAlign(alignment));
  }
  Value result = arith::ConstantOp::create(b, b.loc, b.getZeroAttr(type));
  Value column = position[columnDim];
  for (int64_t i = 0; i < vectorSize; ++i) {
    position[columnDim] = b.add(column, b.index(i));
    Value element = memref::LoadOp::create(b, b.loc, buffer, position);
    result = vector::InsertOp::create(b, b.loc, element, result, i);
  }
  return result;
}

void RowValues::storeVector(Value value, Value buffer, ValueRange position) {
  const int64_t bytes = bytesOf(cast<VectorType>(value.getType()).getElementType());
  vector::StoreOp::create(b, b.loc, value, buffer, position, /*nontemporal=*/false,
                          llvm::MaybeAlign(startsAligned(cast<MemRefType>(buffer.getType()))
                                               ? std::min<int64_t>(16, vectorSize * bytes)
                                               : bytes));
}

bool RowValues::startsAligned(MemRefType buffer) {
  SmallVector<int64_t> strides;
  int64_t offset;
  return succeeded(buffer.getStridesAndOffset(strides, offset)) && offset % vectorSize == 0 &&
         llvm::all_of(ArrayRef<int64_t>(strides).drop_back(),
                      [&](int64_t stride) { return stride % vectorSize == 0; });
}

Value RowValues::fillOf(Value tensor) {
  while (auto slice = tensor.getDefiningOp<tensor::ExtractSliceOp>()) {
    if (buffers.contains(tensor))
      return {};
    tensor = slice.getSource();
  }
  if (tensor.getDefiningOp<tensor::EmptyOp>())
    return arith::ConstantOp::create(b, b.loc, b.getZeroAttr(getElementTypeOrSelf(tensor)));
  auto fill = tensor.getDefiningOp<linalg::FillOp>();
  return fill ? b.clone(*fill.value().getDefiningOp())->getResult(0) : Value();
}

linalg::GenericOp RowValues::makerOf(Value tensor) {
  return buffers.contains(tensor) ? linalg::GenericOp() : tensor.getDefiningOp<linalg::GenericOp>();
}

Value RowValues::wide(Value tensor, Piece &piece) {
  if (!isWide(tensor))
    return b.splat(scalar(tensor), vectorSize);
  if (Value known = piece.values.lookup(tensor))
    return known;
  Value value;
  if (Value constant = fillOf(tensor)) {
    value = b.splat(constant, vectorSize);
  } else if (auto generic = makerOf(tensor)) {
    SmallVector<Value> wanted(generic.getBody()->getTerminator()->getOperands());
    SmallVector<Value> results =
        b.emitBody(generic, bodyOperands(generic, &piece), vectorSize, piece.column, wanted);
    for (auto [result, made] : llvm::zip_equal(generic.getResults(), results))
      piece.values[result] = made;
    return piece.values[tensor];
  } else {
    value = load(tensor, &piece);
  }
  return piece.values[tensor] = value;
}

Value RowValues::scalar(Value tensor) {
  if (Value known = scalars.lookup(tensor))
    return known;
  Value value = fillOf(tensor);
  if (!value) {
    if (auto generic = makerOf(tensor)) {
      SmallVector<Value> wanted(generic.getBody()->getTerminator()->getOperands());
      SmallVector<Value> results =
          b.emitBody(generic, bodyOperands(generic, nullptr), 0, nullptr, wanted);
      for (auto [result, made] : llvm::zip_equal(generic.getResults(), results))
        scalars[result] = made;
      return scalars[tensor];
    }
    value = load(tensor, nullptr);
  }
  return scalars[tensor] = value;
}

SmallVector<Value> RowValues::bodyOperands(linalg::GenericOp op, Piece *piece) {
  SmallVector<Value> operands;
  for (auto [operand, argument] :
       llvm::zip_equal(op->getOperands(), op.getBody()->getArguments())) {
    bool isTensor = isa<RankedTensorType>(operand.getType());
    if (argument.use_empty() || isReductionInit(op, argument))
      operands.push_back(anyOf(argument.getType(), piece));
    else if (!isTensor)
      operands.push_back(b.clone(*operand.getDefiningOp())->getResult(0));
    else
      operands.push_back(piece && isWide(operand) ? wide(operand, *piece) : scalar(operand));
  }
  return operands;
}

bool RowValues::isReductionInit(linalg::GenericOp op, BlockArgument argument) {
  bool isReduction = program.isAccumulator(op) ||
                     llvm::is_contained(op.getIteratorTypesArray(), utils::IteratorType::reduction);
  return isReduction && argument.getArgNumber() >= op.getNumDpsInputs();
}

Value RowValues::anyOf(Type type, Piece *piece) {
  Type full = piece ? Type(VectorType::get({vectorSize}, type)) : type;
  return arith::ConstantOp::create(b, b.loc, b.getZeroAttr(full));
}
