//===- TensorVJPModels.cpp - Derivative rules of tensor ops ----------------===//

#include "bigmac/AutoDiff/VJPModels.h"

#include "bigmac/Interfaces/VJPInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using bigmac::VJPOpInterface;
using llvm::BitVector;

namespace {

Value zero(OpBuilder &b, Location loc, Type type) {
  return arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
}

struct Collapse : VJPOpInterface::ExternalModel<Collapse, tensor::CollapseShapeOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    auto collapse = cast<tensor::CollapseShapeOp>(op);
    grads.push_back(tensor::ExpandShapeOp::create(
        b, op->getLoc(), collapse.getSrcType(), cotangents[0], collapse.getReassociationIndices()));
    return success();
  }
};

struct Expand : VJPOpInterface::ExternalModel<Expand, tensor::ExpandShapeOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    auto expand = cast<tensor::ExpandShapeOp>(op);
    grads.assign(op->getNumOperands(), Value());
    grads[0] = tensor::CollapseShapeOp::create(b, op->getLoc(), expand.getSrcType(), cotangents[0],
                                               expand.getReassociationIndices());
    return success();
  }
};

struct ExtractSlice : VJPOpInterface::ExternalModel<ExtractSlice, tensor::ExtractSliceOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents, const BitVector &,
                         SmallVectorImpl<Value> &grads) const {
    auto slice = cast<tensor::ExtractSliceOp>(op);
    Value none = zero(b, op->getLoc(), slice.getSourceType());
    grads.assign(op->getNumOperands(), Value());
    grads[0] =
        tensor::InsertSliceOp::create(b, op->getLoc(), cotangents[0], none, slice.getMixedOffsets(),
                                      slice.getMixedSizes(), slice.getMixedStrides());
    return success();
  }
};

struct InsertSlice : VJPOpInterface::ExternalModel<InsertSlice, tensor::InsertSliceOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents,
                         const BitVector &wanted, SmallVectorImpl<Value> &grads) const {
    auto insert = cast<tensor::InsertSliceOp>(op);
    grads.assign(op->getNumOperands(), Value());
    if (wanted[0])
      grads[0] = tensor::ExtractSliceOp::create(b, op->getLoc(), insert.getSourceType(),
                                                cotangents[0], insert.getMixedOffsets(),
                                                insert.getMixedSizes(), insert.getMixedStrides());
    if (wanted[1]) {
      Value none = zero(b, op->getLoc(), insert.getSourceType());
      grads[1] = tensor::InsertSliceOp::create(b, op->getLoc(), none, cotangents[0],
                                               insert.getMixedOffsets(), insert.getMixedSizes(),
                                               insert.getMixedStrides());
    }
    return success();
  }
};

struct Concat : VJPOpInterface::ExternalModel<Concat, tensor::ConcatOp> {
  LogicalResult buildVJP(Operation *op, OpBuilder &b, ValueRange cotangents,
                         const BitVector &wanted, SmallVectorImpl<Value> &grads) const {
    auto concat = cast<tensor::ConcatOp>(op);
    int64_t offset = 0, rank = concat.getResultType().getRank();
    for (auto [i, input] : llvm::enumerate(concat.getInputs())) {
      auto type = cast<RankedTensorType>(input.getType());
      Value grad;
      if (wanted[i]) {
        SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0)),
            strides(rank, b.getIndexAttr(1)), sizes;
        offsets[concat.getDim()] = b.getIndexAttr(offset);
        for (int64_t size : type.getShape())
          sizes.push_back(b.getIndexAttr(size));
        grad = tensor::ExtractSliceOp::create(b, op->getLoc(), type, cotangents[0], offsets, sizes,
                                              strides);
      }
      grads.push_back(grad);
      offset += type.getDimSize(concat.getDim());
    }
    return success();
  }
};

} // namespace

void bigmac::registerTensorVJPModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, tensor::TensorDialect *) {
    tensor::CollapseShapeOp::attachInterface<Collapse>(*context);
    tensor::ExpandShapeOp::attachInterface<Expand>(*context);
    tensor::ExtractSliceOp::attachInterface<ExtractSlice>(*context);
    tensor::InsertSliceOp::attachInterface<InsertSlice>(*context);
    tensor::ConcatOp::attachInterface<Concat>(*context);
  });
}

void bigmac::registerVJPModels(DialectRegistry &registry) {
  registerArithVJPModels(registry);
  registerMathVJPModels(registry);
  registerTensorVJPModels(registry);
}
