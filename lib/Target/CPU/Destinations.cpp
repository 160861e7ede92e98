//===- Destinations.cpp - The cpu-destinations pass ------------------------===//

#include "bigmac/Target/CPUPasses.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace bigmac {
#define GEN_PASS_DEF_CPUDESTINATIONS
#include "bigmac/Target/CPUPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// The dense buffer of a tensor.
MemRefType bufferOf(RankedTensorType type) {
  return MemRefType::get(type.getShape(), type.getElementType());
}

LogicalResult checkBufferArgument(func::FuncOp task, unsigned index) {
  BlockArgument argument = task.getArgument(index);
  auto type = cast<MemRefType>(argument.getType());
  if (!type.hasStaticShape() || !type.getLayout().isIdentity())
    return task.emitOpError("has buffer argument ")
           << index << " of type " << type << "; expected a static shape without a layout";
  unsigned reads = 0, writes = 0;
  for (OpOperand &use : argument.getUses()) {
    Operation *user = use.getOwner();
    if (auto read = dyn_cast<bufferization::ToTensorOp>(user);
        read && read.getRestrict() && read.getWritable()) {
      ++reads;
      continue;
    }
    if (auto write = dyn_cast<bufferization::MaterializeInDestinationOp>(user);
        write && write.getDest() == argument && write.getRestrict() && write.getWritable()) {
      ++writes;
      continue;
    }
    return user->emitOpError("uses buffer argument ")
           << index
           << "; expected only bufferization.to_tensor and "
              "bufferization.materialize_in_destination, both restrict and writable";
  }
  if (reads > 1 || writes > 1)
    return task.emitOpError("has buffer argument ")
           << index << " with " << reads << " to_tensor and " << writes
           << " materialize_in_destination; expected at most one of each";
  return success();
}

LogicalResult convertTask(func::FuncOp task) {
  if (!llvm::hasSingleElement(task.getBody()))
    return task.emitOpError("must have a body of one block");
  OpBuilder builder = OpBuilder::atBlockBegin(&task.front());
  for (unsigned i = 0; i < task.getNumArguments(); ++i) {
    BlockArgument argument = task.getArgument(i);
    if (isa<MemRefType>(argument.getType())) {
      if (failed(checkBufferArgument(task, i)))
        return failure();
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || !type.hasStaticShape())
      return task.emitOpError("has argument ") << i << " of type " << argument.getType()
                                               << "; expected a static tensor or memref";
    argument.setType(bufferOf(type));
    if (argument.use_empty())
      continue;
    auto tensor = bufferization::ToTensorOp::create(builder, argument.getLoc(), type, argument,
                                                    /*restrict=*/true, /*writable=*/false);
    argument.replaceAllUsesExcept(tensor, tensor);
  }
  auto terminator = cast<func::ReturnOp>(task.front().getTerminator());
  builder.setInsertionPoint(terminator);
  for (auto [i, value] : llvm::enumerate(terminator.getOperands())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || !type.hasStaticShape())
      return task.emitOpError("has result ") << i << " of type " << value.getType()
                                             << "; expected a static tensor";
    Location loc = value.getLoc();
    BlockArgument out = task.front().addArgument(bufferOf(type), loc);
    bufferization::MaterializeInDestinationOp::create(builder, loc, Type(), value, out,
                                                      /*restrict=*/true, /*writable=*/true);
  }
  terminator->setOperands({});
  task.setType(builder.getFunctionType(task.front().getArgumentTypes(), {}));
  task.setArgAttrsAttr(nullptr);
  task.setResAttrsAttr(nullptr);
  return success();
}

struct CPUDestinations : bigmac::impl::CPUDestinationsBase<CPUDestinations> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && failed(convertTask(function)))
        return signalPassFailure();
  }
};

} // namespace
