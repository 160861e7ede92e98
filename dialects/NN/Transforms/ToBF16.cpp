//===- ToBF16.cpp - The nn-to-bf16 pass ------------------------------------===//

#include "dialects/NN/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/DenseSet.h"

namespace bigmac::nn {
#define GEN_PASS_DEF_NNTOBF16
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

using namespace mlir;
using namespace bigmac::nn;

namespace {

bool isF32(Type type) { return getElementTypeOrSelf(type).isF32(); }
bool isF32(Value value) { return isF32(value.getType()); }
bool isFloat(Value value) { return isa<FloatType>(getElementTypeOrSelf(value.getType())); }

bool hasOneElement(Type type) {
  auto shaped = dyn_cast<ShapedType>(type);
  return !shaped || shaped.getNumElements() == 1;
}

Type withElement(Type type, Type element) {
  auto shaped = dyn_cast<ShapedType>(type);
  return shaped ? shaped.clone(element) : element;
}

/// One result element from the operands' elements at its place.
bool isElementwise(Operation *op) {
  return op->hasTrait<OpTrait::Elementwise>() || isa<SigmoidOp, SiluOp, GeluOp>(op);
}

/// Moves elements, computes nothing.
bool movesElements(Operation *op) {
  return isa<BroadcastOp, TransposeOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp,
             tensor::ExtractSliceOp>(op);
}

bool isReduction(Operation *op) { return isa<ReduceSumOp, ReduceMaxOp>(op); }

/// Whether bf16 holds every element of a constant.
bool isExact(DenseElementsAttr constant) {
  auto holds = [](APFloat value) {
    bool loses = false;
    value.convert(APFloat::BFloat(), APFloat::rmNearestTiesToEven, &loses);
    return !loses;
  };
  return constant.isSplat() ? holds(constant.getSplatValue<APFloat>())
                            : llvm::all_of(constant.getValues<APFloat>(), holds);
}

class Narrower {
public:
  Narrower(func::FuncOp function)
      : body(function.getBody().front()), builder(function.getContext()),
        bf16(builder.getBF16Type()) {}

  void run();

private:
  void findTrunk();
  void findTails();
  /// Whether the op's f32 results stay f32.
  bool staysWide(Operation *op) const;
  bool hasInexactConstant(Operation *op) const;
  void rewrite(Operation *op);
  /// Clones an op with f32 operands as they are or rounded; its results are of `element`.
  Operation *cloneAs(Operation *op, bool isNarrow);

  /// The f32 `value` as the new ops have it, rounded to bf16 or widened again.
  Value narrow(Value value);
  Value wide(Value value);
  /// Ops that convert a value are where it is made, for all users.
  void setAfter(Value value) {
    if (Operation *op = value.getDefiningOp())
      builder.setInsertionPointAfter(op);
    else
      builder.setInsertionPointToStart(&body);
  }

  Block &body;
  OpBuilder builder;
  Type bf16;
  /// What depends on a parameter.
  DenseSet<Operation *> trunk;
  /// Values that lead to scalars alone.
  DenseSet<Value> tails;
  /// By f32 value of the trunk: its new form, bf16 or f32.
  DenseMap<Value, Value> renewed;
  DenseMap<Value, Value> narrowed, widened;
  /// Of values of the trunk that are not f32.
  IRMapping others;
};

} // namespace

void Narrower::findTrunk() {
  for (Operation &op : body)
    if (isa<GetParameterOp>(op) || llvm::any_of(op.getOperands(), [&](Value operand) {
          return trunk.contains(operand.getDefiningOp());
        }))
      trunk.insert(&op);
}

void Narrower::findTails() {
  auto canBeTail = [](Operation *op) {
    return isElementwise(op) || movesElements(op) || isReduction(op) ||
           isa<LogSoftmaxOp, GatherElementsOp>(op);
  };
  for (Operation &op : llvm::reverse(body)) {
    if (!canBeTail(&op) || !trunk.contains(&op))
      continue;
    for (Value result : op.getResults()) {
      bool isTail = isF32(result) && llvm::any_of(result.getUsers(), [&](Operation *user) {
                      return llvm::any_of(user->getResults(), isFloat);
                    });
      for (Operation *user : result.getUsers()) {
        bool leads =
            canBeTail(user) && llvm::all_of(user->getResults(), [&](Value next) {
              return !isFloat(next) || hasOneElement(next.getType()) || tails.contains(next);
            });
        isTail = isTail && leads;
      }
      if (isTail)
        tails.insert(result);
    }
  }
}

bool Narrower::staysWide(Operation *op) const {
  // An op on other float types is the model's own choice, or this pass's before.
  auto isOther = [](Value value) { return isFloat(value) && !isF32(value); };
  if (llvm::any_of(op->getOperands(), isOther) || llvm::any_of(op->getResults(), isOther))
    return true;
  if (isa<LayerNormOp, RMSNormOp>(op))
    return true;
  if (isElementwise(op) || movesElements(op) || isReduction(op) ||
      isa<LogSoftmaxOp, GatherElementsOp>(op))
    return llvm::all_of(op->getResults(), [&](Value result) {
      if (isFloat(result))
        return hasOneElement(result.getType()) || tails.contains(result);
      // Comparisons: as what they read.
      return llvm::any_of(op->getOperands(), [&](Value operand) {
        Value source = renewed.lookup(operand);
        return source && isF32(source);
      });
    });
  return false;
}

bool Narrower::hasInexactConstant(Operation *op) const {
  return isElementwise(op) && llvm::any_of(op->getOperands(), [](Value operand) {
           while (auto broadcast = operand.getDefiningOp<BroadcastOp>())
             operand = broadcast.getInput();
           DenseElementsAttr constant;
           return isF32(operand) && matchPattern(operand, m_Constant(&constant)) &&
                  !isExact(constant);
         });
}

Value Narrower::narrow(Value value) {
  Value source = renewed.lookup(value);
  if (!source)
    source = value;
  if (!isF32(source))
    return source;
  Value &result = narrowed[value];
  if (result)
    return result;
  OpBuilder::InsertionGuard guard(builder);
  setAfter(source);
  Type type = withElement(source.getType(), bf16);
  Operation *op = source.getDefiningOp();
  DenseElementsAttr constant;
  if (matchPattern(source, m_Constant(&constant))) {
    auto rounded = cast<DenseElementsAttr>(constant).mapValues(bf16, [](const APFloat &element) {
      APFloat narrow = element;
      bool loses;
      narrow.convert(APFloat::BFloat(), APFloat::rmNearestTiesToEven, &loses);
      return narrow.bitcastToAPInt();
    });
    return result = arith::ConstantOp::create(builder, source.getLoc(), rounded);
  }
  // Rounded before it is repeated: once for each element.
  if (op && movesElements(op) && !trunk.contains(op)) {
    Value input = narrow(op->getOperand(0));
    IRMapping mapping;
    mapping.map(op->getOperand(0), input);
    Operation *clone = builder.clone(*op, mapping);
    clone->getResult(0).setType(cast<RankedTensorType>(type));
    return narrowed[value] = clone->getResult(0);
  }
  return result = arith::TruncFOp::create(builder, source.getLoc(), type, source);
}

Value Narrower::wide(Value value) {
  Value source = renewed.lookup(value);
  if (!source)
    source = value;
  if (isF32(source))
    return source;
  Value &result = widened[value];
  if (result)
    return result;
  OpBuilder::InsertionGuard guard(builder);
  setAfter(source);
  return result = arith::ExtFOp::create(builder, source.getLoc(), value.getType(), source);
}

Operation *Narrower::cloneAs(Operation *op, bool isNarrow) {
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    if (!isF32(operand)) {
      mapping.map(operand, others.lookupOrDefault(operand));
      continue;
    }
    // A mask keeps its type: rounding could make a finite number infinite.
    auto attention = dyn_cast<AttentionOp>(op);
    bool isMask = attention && operand == attention.getMask();
    mapping.map(operand, isNarrow && !isMask ? narrow(operand) : wide(operand));
  }
  Operation *clone = builder.clone(*op, mapping);
  for (auto [old, result] : llvm::zip(op->getResults(), clone->getResults())) {
    if (!isF32(old)) {
      others.map(old, result);
      continue;
    }
    bool isStatistic = result.getResultNumber() > 0 || isa<CrossEntropyOp>(op);
    if (isNarrow && !isStatistic)
      result.setType(withElement(old.getType(), bf16));
    renewed[old] = result;
  }
  return clone;
}

void Narrower::rewrite(Operation *op) {
  builder.setInsertionPoint(op);
  if (auto get = dyn_cast<GetParameterOp>(op)) {
    renewed[get] = GetParameterOp::create(builder, op->getLoc(),
                                          cast<RankedTensorType>(withElement(get.getType(), bf16)),
                                          get.getParameterAttr());
    return;
  }
  bool readsF32 = llvm::any_of(op->getOperands(), [](Value v) { return isF32(v); });
  if (!readsF32 || staysWide(op)) {
    Operation *clone = cloneAs(op, /*isNarrow=*/false);
    // What a norm gives is stored in bf16.
    if (isa<LayerNormOp, RMSNormOp>(op)) {
      Value result = clone->getResult(0);
      renewed[op->getResult(0)] = arith::TruncFOp::create(
          builder, op->getLoc(), withElement(result.getType(), bf16), result);
    }
    return;
  }
  if (!hasInexactConstant(op)) {
    cloneAs(op, /*isNarrow=*/true);
    return;
  }
  cloneAs(op, /*isNarrow=*/false);
  for (Value result : op->getResults())
    if (isF32(result))
      renewed[result] = narrow(result);
}

/// What is widened right after it was rounded, and used nowhere else, is not rounded.
static void foldRoundings(Block &body) {
  for (Operation &op : llvm::make_early_inc_range(body)) {
    auto extend = dyn_cast<arith::ExtFOp>(op);
    auto round = extend ? extend.getIn().getDefiningOp<arith::TruncFOp>() : arith::TruncFOp();
    if (!round || !round->hasOneUse() || round.getIn().getType() != extend.getType())
      continue;
    extend.replaceAllUsesWith(round.getIn());
    extend.erase();
    round.erase();
  }
}

void Narrower::run() {
  findTrunk();
  findTails();
  SmallVector<Operation *> old;
  for (Operation &op : body)
    if (trunk.contains(&op) && !op.hasTrait<OpTrait::IsTerminator>() &&
        (!isa<GetParameterOp>(op) || isF32(op.getResult(0))))
      old.push_back(&op);
  for (Operation *op : old)
    rewrite(op);
  // Integer results of the trunk, and the model's own, which keep their types.
  Operation *terminator = body.getTerminator();
  for (OpOperand &operand : terminator->getOpOperands())
    operand.set(isF32(operand.get()) ? wide(operand.get()) : others.lookupOrDefault(operand.get()));
  for (Operation *op : llvm::reverse(old)) {
    assert(op->use_empty() && "a value of the trunk was not renewed");
    op->erase();
  }
  foldRoundings(body);
}

namespace {
struct ToBF16 : bigmac::nn::impl::NNToBF16Base<ToBF16> {
  using Base::Base;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto function : module.getOps<func::FuncOp>()) {
      if (!llvm::hasSingleElement(function.getBody())) {
        function.emitOpError("must have a body of one block");
        return signalPassFailure();
      }
    }
    Type bf16 = BFloat16Type::get(&getContext());
    for (auto parameter : module.getOps<ParameterOp>()) {
      if (isF32(parameter.getType()))
        parameter.setType(cast<RankedTensorType>(withElement(parameter.getType(), bf16)));
      if (getElementTypeOrSelf(parameter.getType()) == bf16)
        parameter.setMaster(master && parameter.getTrained());
    }
    for (auto function : module.getOps<func::FuncOp>())
      Narrower(function).run();
  }
};
} // namespace
