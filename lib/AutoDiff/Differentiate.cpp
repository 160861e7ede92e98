//===- Differentiate.cpp - Reverse-mode differentiation --------------------===//

#include "bigmac/AutoDiff/Differentiate.h"

#include "bigmac/Interfaces/VJPInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using llvm::BitVector;

static bool isFloat(Value value) { return isa<FloatType>(getElementTypeOrSelf(value.getType())); }

/// Values of `block` that depend on a value of `sources`, these included; only floating-point
/// values carry a derivative.
static DenseSet<Value> dependents(Block &block, ArrayRef<Value> sources) {
  DenseSet<Value> reached(sources.begin(), sources.end());
  for (Operation &op : block)
    if (llvm::any_of(op.getOperands(), [&](Value v) { return reached.contains(v); }))
      for (Value result : op.getResults())
        if (isFloat(result))
          reached.insert(result);
  return reached;
}

FailureOr<SmallVector<Value>> bigmac::differentiate(OpBuilder &builder, Block &block,
                                                    ArrayRef<Seed> seeds, ArrayRef<Value> wanted) {
  DenseSet<Value> active = dependents(block, wanted);
  SmallVector<Operation *> forward;
  Operation *end =
      builder.getInsertionPoint() == block.end() ? nullptr : &*builder.getInsertionPoint();
  for (Operation &op : block) {
    if (&op == end)
      break;
    forward.push_back(&op);
  }

  DenseMap<Value, Value> cotangents;
  auto accumulate = [&](Value value, Value cotangent) {
    Value &sum = cotangents[value];
    sum = sum ? Value(arith::AddFOp::create(builder, value.getLoc(), sum, cotangent)) : cotangent;
  };
  for (const Seed &seed : seeds) {
    assert(seed.value.getType() == seed.cotangent.getType() && "cotangent of another type");
    if (active.contains(seed.value))
      accumulate(seed.value, seed.cotangent);
  }

  for (Operation *op : llvm::reverse(forward)) {
    SmallVector<Value> results;
    for (Value result : op->getResults())
      results.push_back(active.contains(result) ? cotangents.lookup(result) : Value());
    if (llvm::none_of(results, [](Value v) { return static_cast<bool>(v); }))
      continue;
    BitVector mask(op->getNumOperands());
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      mask[i] = isFloat(operand) && active.contains(operand);
    if (mask.none())
      continue;
    auto rule = dyn_cast<VJPOpInterface>(op);
    if (!rule)
      return op->emitError("'") << op->getName() << "' has no derivative rule, and a trained "
                                << "parameter depends on it; freeze what it feeds with --freeze";
    SmallVector<Value> grads;
    if (failed(rule.buildVJP(builder, results, mask, grads)))
      return failure();
    assert(grads.size() == op->getNumOperands() && "one cotangent an operand");
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      if (mask[i] && grads[i])
        accumulate(operand, grads[i]);
  }

  SmallVector<Value> result;
  for (Value value : wanted)
    result.push_back(cotangents.lookup(value));
  return result;
}
