//===- NNDialect.cpp - Dialect registration and helpers --------------------===//

#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac::nn;

#include "dialects/NN/IR/NNDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/NN/IR/NNAttrs.cpp.inc"

void NNDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/NN/IR/NNAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/NN/IR/NNOps.cpp.inc"
      >();
}

static LogicalResult verifyNameAttr(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() != kNameAttr)
    return op->emitOpError("has unknown nn attribute '") << attribute.getName().getValue() << "'";
  if (!isa<StringAttr>(attribute.getValue()))
    return op->emitOpError("expects a string as '") << kNameAttr << "'";
  return success();
}

LogicalResult NNDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned,
                                                  NamedAttribute attribute) {
  return verifyNameAttr(op, attribute);
}

LogicalResult NNDialect::verifyRegionResultAttribute(Operation *op, unsigned, unsigned index,
                                                     NamedAttribute attribute) {
  if (attribute.getName() != kLossAttr)
    return verifyNameAttr(op, attribute);
  if (!isa<UnitAttr>(attribute.getValue()))
    return op->emitOpError("expects a unit attribute as '") << kLossAttr << "'";
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function)
    return op->emitOpError("is no function, which alone can have '") << kLossAttr << "'";
  auto type = dyn_cast<RankedTensorType>(function.getResultTypes()[index]);
  if (!type || type.getRank() != 0 || !isa<FloatType>(type.getElementType()))
    return op->emitOpError("expects a floating-point tensor of rank 0 as its loss, found ")
           << function.getResultTypes()[index];
  for (unsigned other = 0; other < index; ++other)
    if (function.getResultAttr(other, kLossAttr))
      return op->emitOpError("has two losses, results ") << other << " and " << index;
  return success();
}

Type bigmac::nn::computeType(Type element) {
  return element.getIntOrFloatBitWidth() < 32 ? Float32Type::get(element.getContext()) : element;
}

Value bigmac::nn::createReshape(OpBuilder &builder, Location loc, Value value,
                                ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == shape)
    return value;
  auto target = RankedTensorType::get(shape, type.getElementType());
  assert(target.getNumElements() == type.getNumElements() && "reshape changes the element count");
  auto collapseTo = [&](Value v, RankedTensorType to,
                        ArrayRef<ReassociationIndices> groups) -> Value {
    return tensor::CollapseShapeOp::create(builder, loc, to, v, groups);
  };
  if (auto groups = getReassociationIndicesForReshape(type, target)) {
    if (type.getRank() > target.getRank())
      return collapseTo(value, target, *groups);
    if (type.getRank() < target.getRank())
      return tensor::ExpandShapeOp::create(builder, loc, target, value, *groups);
  }
  auto flat = RankedTensorType::get({type.getNumElements()}, type.getElementType());
  ReassociationIndices all;
  if (type.getRank() != 1) {
    SmallVector<ReassociationIndices> groups;
    if (type.getRank() > 0)
      groups.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, type.getRank())));
    value = type.getRank() == 0
                ? Value(tensor::ExpandShapeOp::create(builder, loc, flat, value, groups))
                : collapseTo(value, flat, groups);
  }
  if (target.getRank() == 1)
    return value;
  SmallVector<ReassociationIndices> groups;
  if (target.getRank() == 0)
    return collapseTo(value, target, groups);
  groups.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, target.getRank())));
  return tensor::ExpandShapeOp::create(builder, loc, target, value, groups);
}

Value bigmac::nn::createBroadcast(OpBuilder &builder, Location loc, Value value,
                                  ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == shape)
    return value;
  return BroadcastOp::create(builder, loc, RankedTensorType::get(shape, type.getElementType()),
                             value);
}

Value bigmac::nn::createSumTo(OpBuilder &builder, Location loc, Value value,
                              ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == shape)
    return value;
  int64_t lead = type.getRank() - static_cast<int64_t>(shape.size());
  SmallVector<int64_t> dims;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (i < lead || (shape[i - lead] == 1 && type.getDimSize(i) != 1))
      dims.push_back(i);
  if (!dims.empty())
    value = ReduceSumOp::create(builder, loc, value, dims);
  return createReshape(builder, loc, value, shape);
}

Value bigmac::nn::createSplat(OpBuilder &builder, Location loc, Type like, double value) {
  auto type = cast<RankedTensorType>(like);
  auto attr = DenseElementsAttr::get(type, builder.getFloatAttr(type.getElementType(), value));
  return arith::ConstantOp::create(builder, loc, attr);
}
