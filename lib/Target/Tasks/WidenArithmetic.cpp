//===- WidenArithmetic.cpp - The task-widen-arithmetic pass ---------------===//

#include "bigmac/Target/TaskPasses.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace bigmac {
#define GEN_PASS_DEF_TASKWIDENARITHMETIC
#include "bigmac/Target/TaskPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

bool isNarrow(Type type) { return isa<FloatType>(type) && nn::computeType(type) != type; }

/// Whether an op on narrow scalars computes, rather than moves or converts them.
bool computesNarrow(Operation *op) {
  if (!isa_and_nonnull<arith::ArithDialect, math::MathDialect>(op->getDialect()) ||
      isa<arith::ConstantOp, arith::ExtFOp, arith::TruncFOp, arith::BitcastOp>(op))
    return false;
  // Choosing is exact in any type; in f32 only where it saves roundings.
  if (isa<arith::SelectOp>(op) && llvm::none_of(op->getOperands(), [](Value operand) {
        return operand.getDefiningOp<arith::TruncFOp>();
      }))
    return false;
  return llvm::any_of(op->getOperandTypes(), isNarrow) ||
         llvm::any_of(op->getResultTypes(), isNarrow);
}

void widen(Operation *op) {
  OpBuilder builder(op);
  Location loc = op->getLoc();
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = operand.get();
    if (!isNarrow(value.getType()))
      continue;
    auto round = value.getDefiningOp<arith::TruncFOp>();
    Type type = nn::computeType(value.getType());
    operand.set(round && round.getIn().getType() == type
                    ? round.getIn()
                    : arith::ExtFOp::create(builder, loc, type, value).getResult());
  }
  builder.setInsertionPointAfter(op);
  for (Value result : op->getResults()) {
    Type type = result.getType();
    if (!isNarrow(type))
      continue;
    result.setType(nn::computeType(type));
    auto round = arith::TruncFOp::create(builder, loc, type, result);
    result.replaceAllUsesExcept(round, round);
  }
}

struct TaskWidenArithmetic : bigmac::impl::TaskWidenArithmeticBase<TaskWidenArithmetic> {
  void runOnOperation() override {
    // In program order: operands are rounded results of what was widened before.
    SmallVector<arith::ExtFOp> extensions;
    SmallVector<Operation *> ops;
    getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) { ops.push_back(op); });
    for (Operation *op : ops) {
      if (computesNarrow(op))
        widen(op);
      else if (auto extend = dyn_cast<arith::ExtFOp>(op))
        extensions.push_back(extend);
    }
    for (arith::ExtFOp extend : extensions)
      if (auto round = extend.getIn().getDefiningOp<arith::TruncFOp>();
          round && round.getIn().getType() == extend.getType()) {
        extend.replaceAllUsesWith(round.getIn());
        extend.erase();
      }
  }
};

} // namespace
