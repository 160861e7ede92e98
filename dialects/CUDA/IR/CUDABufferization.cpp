//===- CUDABufferization.cpp - The ops on buffers --------------------------===//

#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace bigmac::cuda;

namespace {

template <typename OpTy>
struct DestinationModel : DstBufferizableOpInterfaceExternalModel<DestinationModel<OpTy>, OpTy> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand, const AnalysisState &) const {
    // What attention and products write is not read; a scatter adds, and so does a product of a
    // gradient.
    auto product = dyn_cast<MatmulSumsOp>(op);
    bool adds = isa<ScatterRowsOp>(op) || (product && &product.getOutputMutable() == &operand);
    return adds || !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options, BufferizationState &state) const {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    auto destination = cast<DestinationStyleOpInterface>(op);
    SmallVector<Value> buffers, results;
    for (OpOperand &operand : op->getOpOperands()) {
      FailureOr<Value> buffer = getBuffer(rewriter, operand.get(), options, state);
      if (failed(buffer))
        return failure();
      buffers.push_back(*buffer);
      if (destination.isDpsInit(&operand))
        results.push_back(*buffer);
    }
    OperationState created(op->getLoc(), op->getName(), buffers, TypeRange(), op->getAttrs());
    rewriter.create(created);
    replaceOpWithBufferizedValues(rewriter, op, results);
    return success();
  }
};

struct CheckIndicesModel
    : BufferizableOpInterface::ExternalModel<CheckIndicesModel, CheckIndicesOp> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &, const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &, const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &, const AnalysisState &) const {
    return {};
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options, BufferizationState &state) const {
    FailureOr<Value> buffer = getBuffer(rewriter, op->getOperand(0), options, state);
    if (failed(buffer))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op->setOperand(0, *buffer); });
    return success();
  }
};

} // namespace

void bigmac::cuda::registerCUDABufferization(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, CUDADialect *) {
    AttentionOp::attachInterface<DestinationModel<AttentionOp>>(*context);
    AttentionBackwardOp::attachInterface<DestinationModel<AttentionBackwardOp>>(*context);
    MatmulGeluOp::attachInterface<DestinationModel<MatmulGeluOp>>(*context);
    MatmulGeluBackwardOp::attachInterface<DestinationModel<MatmulGeluBackwardOp>>(*context);
    MatmulSumsOp::attachInterface<DestinationModel<MatmulSumsOp>>(*context);
    ScatterRowsOp::attachInterface<DestinationModel<ScatterRowsOp>>(*context);
    CheckIndicesOp::attachInterface<CheckIndicesModel>(*context);
  });
}
