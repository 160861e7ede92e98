//===- Destinations.cpp - The task-destinations pass ----------------------===//

#include "bigmac/Target/TaskPasses.h"

#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace bigmac {
#define GEN_PASS_DEF_TASKDESTINATIONS
#include "bigmac/Target/TaskPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// The dense buffer of a tensor.
MemRefType bufferOf(RankedTensorType type) {
  return MemRefType::get(type.getShape(), type.getElementType());
}

bool hasElements(ShapedType type) { return type.hasStaticShape() && type.getNumElements() > 0; }

LogicalResult checkBufferArgument(func::FuncOp task, unsigned index) {
  BlockArgument argument = task.getArgument(index);
  auto type = cast<MemRefType>(argument.getType());
  if (!hasElements(type) || !type.getLayout().isIdentity())
    return task.emitOpError("has buffer argument ")
           << index << " of type " << type
           << "; expected a static shape without a layout, with at least one element";
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

/// The addition of `value`'s sum that has `read` as an operand, or null.
Operation *additionTo(Value read, Value value) {
  auto add = value.getDefiningOp<arith::AddFOp>();
  if (!add || !value.hasOneUse())
    return nullptr;
  if (add.getLhs() == read || add.getRhs() == read)
    return add;
  Operation *left = additionTo(read, add.getLhs());
  return left ? left : additionTo(read, add.getRhs());
}

/// Leaves the value read from a buffer to the addition that updates it: all other users, which
/// might come after the update, get a copy.
void keepForUpdate(bufferization::ToTensorOp read, Value updated) {
  Operation *update = additionTo(read, updated);
  auto isOther = [&](OpOperand &use) {
    auto write = dyn_cast<bufferization::MaterializeInDestinationOp>(use.getOwner());
    return use.getOwner() != update && !(write && write.getDest() == use.get());
  };
  if (llvm::none_of(read->getUses(), isOther))
    return;
  OpBuilder builder(read->getContext());
  builder.setInsertionPointAfter(read);
  auto copy = bufferization::AllocTensorOp::create(builder, read.getLoc(),
                                                   cast<RankedTensorType>(read.getType()),
                                                   ValueRange(), read.getResult());
  read.getResult().replaceUsesWithIf(
      copy.getResult(), [&](OpOperand &use) { return use.getOwner() != copy && isOther(use); });
}

/// A value that updates a buffer is written over the value that was read from it, if any: so the
/// analysis that bufferizes knows that the two share bytes.
void linkUpdateToRead(BlockArgument buffer) {
  bufferization::ToTensorOp read;
  bufferization::MaterializeInDestinationOp write;
  for (Operation *user : buffer.getUsers()) {
    if (auto op = dyn_cast<bufferization::ToTensorOp>(user))
      read = op;
    else
      write = cast<bufferization::MaterializeInDestinationOp>(user);
  }
  if (!read || !write)
    return;
  keepForUpdate(read, write.getSource());
  OpBuilder builder(write);
  read->moveBefore(&read->getBlock()->front());
  Value updated = bufferization::MaterializeInDestinationOp::create(
                      builder, write.getLoc(), read.getType(), write.getSource(), read.getResult())
                      .getResult();
  write.getSourceMutable().assign(updated);
}

/// Fails at the first op that a task may not have.
LogicalResult checkOps(func::FuncOp task) {
  WalkResult result = task.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op == task ||
        isa<func::ReturnOp, bufferization::ToTensorOp, bufferization::MaterializeInDestinationOp>(
            op))
      return WalkResult::advance();
    if (isa<CallOpInterface>(op)) {
      op->emitOpError("is in task '") << task.getName() << "', but a task calls no function";
      return WalkResult::interrupt();
    }
    if (isa_and_nonnull<arith::ArithDialect, math::MathDialect, nn::NNDialect,
                        tensor::TensorDialect>(op->getDialect()))
      return WalkResult::advance();
    op->emitOpError("is in task '")
        << task.getName() << "'; the CPU target compiles ops of nn, arith, math and tensor";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult convertTask(func::FuncOp task) {
  if (!llvm::hasSingleElement(task.getBody()))
    return task.emitOpError("must have a body of one block");
  if (failed(checkOps(task)))
    return failure();
  OpBuilder builder = OpBuilder::atBlockBegin(&task.front());
  for (unsigned i = 0; i < task.getNumArguments(); ++i) {
    BlockArgument argument = task.getArgument(i);
    if (isa<MemRefType>(argument.getType())) {
      if (failed(checkBufferArgument(task, i)))
        return failure();
      linkUpdateToRead(argument);
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || !hasElements(type))
      return task.emitOpError("has argument ")
             << i << " of type " << argument.getType()
             << "; expected a static tensor or memref with at least one element";
    argument.setType(bufferOf(type));
    if (argument.use_empty())
      continue;
    auto tensor = bufferization::ToTensorOp::create(builder, argument.getLoc(), type, argument,
                                                    /*restrict=*/true, /*writable=*/false);
    argument.replaceAllUsesExcept(tensor, tensor);
  }
  auto updates = llvm::to_vector(task.front().getOps<bufferization::MaterializeInDestinationOp>());
  llvm::erase_if(updates, [](bufferization::MaterializeInDestinationOp op) {
    return op->getNumResults() != 0;
  });
  auto terminator = cast<func::ReturnOp>(task.front().getTerminator());
  builder.setInsertionPoint(terminator);
  for (auto [i, value] : llvm::enumerate(terminator.getOperands())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || !hasElements(type))
      return task.emitOpError("has result ")
             << i << " of type " << value.getType()
             << "; expected a static tensor with at least one element";
    Location loc = value.getLoc();
    BlockArgument out = task.front().addArgument(bufferOf(type), loc);
    bufferization::MaterializeInDestinationOp::create(builder, loc, Type(), value, out,
                                                      /*restrict=*/true, /*writable=*/true);
  }
  // Updates of buffers come last: a result may be what a buffer held before.
  for (bufferization::MaterializeInDestinationOp update : updates)
    for (Operation *op : {update.getSource().getDefiningOp(), update.getOperation()})
      if (isa_and_nonnull<bufferization::MaterializeInDestinationOp>(op))
        op->moveBefore(terminator);
  terminator->setOperands({});
  task.setType(builder.getFunctionType(task.front().getArgumentTypes(), {}));
  task.setArgAttrsAttr(nullptr);
  task.setResAttrsAttr(nullptr);
  return success();
}

struct TaskDestinations : bigmac::impl::TaskDestinationsBase<TaskDestinations> {
  void runOnOperation() override {
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!function.isPublic())
        function.erase();
      else if (failed(convertTask(function)))
        return signalPassFailure();
    }
  }
};

} // namespace
