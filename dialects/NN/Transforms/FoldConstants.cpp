//===- FoldConstants.cpp - nn-fold-constants -------------------------------===//

#include "dialects/NN/Transforms/FoldConstants.h"

#include "bigmac/Interpreter/Interpreter.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace bigmac::nn {
#define GEN_PASS_DEF_NNFOLDCONSTANTS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

static bool isSmall(Type type, int64_t maxBytes) {
  auto shaped = dyn_cast<RankedTensorType>(type);
  if (!shaped)
    return type.isIntOrIndexOrFloat();
  if (!shaped.hasStaticShape() || !shaped.getElementType().isIntOrIndexOrFloat())
    return false;
  int64_t width = shaped.getElementType().isIndex() ? 8 : (shaped.getElementTypeBitWidth() + 7) / 8;
  return shaped.getNumElements() <= maxBytes / width;
}

/// The attributes that the op's own folder gives for all results; empty where it does not.
static SmallVector<Attribute> foldByItself(Operation *op, ArrayRef<Attribute> operands) {
  // A folder may change the op in place, which only loses work: it stays an op of equal meaning.
  SmallVector<OpFoldResult> folded;
  if (failed(op->fold(operands, folded)) || folded.size() != op->getNumResults())
    return {};
  SmallVector<Attribute> attributes;
  for (auto [result, type] : llvm::zip_equal(folded, op->getResultTypes())) {
    Attribute attribute = dyn_cast<Attribute>(result);
    if (auto value = dyn_cast<Value>(result))
      matchPattern(value, m_Constant(&attribute));
    auto typed = dyn_cast_or_null<TypedAttr>(attribute);
    if (!typed || typed.getType() != type)
      return {};
    attributes.push_back(attribute);
  }
  return attributes;
}

static bool isConstantOrBroadcast(Value value) {
  if (auto broadcast = value.getDefiningOp<bigmac::nn::BroadcastOp>())
    value = broadcast.getInput();
  return matchPattern(value, m_Constant());
}

Attribute bigmac::nn::constantValueOf(Value value, int64_t maxBytes) {
  Attribute attribute;
  if (matchPattern(value, m_Constant(&attribute)))
    return attribute;
  auto broadcast = value.getDefiningOp<BroadcastOp>();
  if (!broadcast || !isSmall(value.getType(), maxBytes) ||
      !matchPattern(broadcast.getInput(), m_Constant(&attribute)) ||
      !interpreter::hasRule(broadcast))
    return {};
  FailureOr<SmallVector<Attribute>> values = interpreter::evaluateOp(broadcast, {attribute});
  return succeeded(values) ? values->front() : Attribute();
}

LogicalResult bigmac::nn::foldToConstants(Operation *op, OpBuilder &builder,
                                          SmallVectorImpl<Value> &results, int64_t maxBytes) {
  results.clear();
  if (op->getNumOperands() == 0 || op->getNumResults() == 0 || op->getNumRegions() != 0 ||
      !isMemoryEffectFree(op))
    return success();
  // Broadcasts are written out only where all other operands are constant too.
  if (!llvm::all_of(op->getOperands(), isConstantOrBroadcast))
    return success();
  SmallVector<Attribute> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(constantValueOf(operand, maxBytes));
    if (!operands.back())
      return success();
  }
  if (isa<BroadcastOp>(op) && !isa<SplatElementsAttr>(operands.front()))
    return success();
  SmallVector<Attribute> values;
  bool small =
      llvm::all_of(op->getResultTypes(), [&](Type type) { return isSmall(type, maxBytes); });
  bool splats = llvm::all_of(operands, [](Attribute attribute) {
    return !isa<ElementsAttr>(attribute) || isa<SplatElementsAttr>(attribute);
  });
  if (small || splats)
    values = foldByItself(op, operands);
  if (values.empty()) {
    bool readable = llvm::all_of(op->getOperandTypes(),
                                 [&](Type type) { return isSmall(type, 16 * maxBytes); });
    if (!small || !readable || !interpreter::hasRule(op))
      return success();
    FailureOr<SmallVector<Attribute>> evaluated = interpreter::evaluateOp(op, operands);
    if (failed(evaluated))
      return failure();
    values = std::move(*evaluated);
  }
  for (auto [value, type] : llvm::zip_equal(values, op->getResultTypes()))
    results.push_back(
        arith::ConstantOp::create(builder, op->getLoc(), type, cast<TypedAttr>(value)));
  return success();
}

namespace {

struct FoldConstants : bigmac::nn::impl::NNFoldConstantsBase<FoldConstants> {
  using NNFoldConstantsBase::NNFoldConstantsBase;

  void runOnOperation() override {
    // Definitions come before uses, so one walk reaches everything.
    WalkResult walked = getOperation()->walk([&](Operation *op) {
      OpBuilder builder(op);
      SmallVector<Value> results;
      if (failed(bigmac::nn::foldToConstants(op, builder, results, maxBytes)))
        return WalkResult::interrupt();
      if (results.empty())
        return WalkResult::advance();
      op->replaceAllUsesWith(results);
      op->erase();
      return WalkResult::skip();
    });
    if (walked.wasInterrupted())
      return signalPassFailure();
  }
};

} // namespace
