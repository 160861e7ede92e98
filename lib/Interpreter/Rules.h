//===- Rules.h - How interpreter rules are written and found ---------------===//
//
// A rule computes an op's results from its operands. One file a family registers its rules by op
// class; the interpreter checks and rounds what they give.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_INTERPRETER_RULES_H
#define BIGMAC_LIB_INTERPRETER_RULES_H

#include "bigmac/Interpreter/Tensor.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/StringMap.h"

namespace bigmac::interpreter {

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Type type) {
  auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
  return tensor ? tensor.getShape() : llvm::ArrayRef<int64_t>();
}

struct RuleContext {
  mlir::Operation *op;
  llvm::ArrayRef<Tensor> operands;
  llvm::SmallVector<Tensor> results = {};

  /// The tensor of one of the op's operands.
  const Tensor &operator[](mlir::Value operand) const {
    for (auto [value, tensor] : llvm::zip_equal(op->getOperands(), operands))
      if (value == operand)
        return tensor;
    llvm_unreachable("a rule asks for a value that is no operand of its op");
  }

  llvm::ArrayRef<int64_t> resultShape(unsigned i = 0) const {
    return shapeOf(op->getResult(i).getType());
  }
  mlir::Type resultElementType(unsigned i = 0) const {
    return mlir::getElementTypeOrSelf(op->getResult(i).getType());
  }
  /// Zeros of the i-th result's type, written out.
  Tensor newResult(unsigned i = 0) const {
    return Tensor(resultShape(i), resultElementType(i)).expanded();
  }
};

using Rule = llvm::LogicalResult (*)(RuleContext &);

class RuleRegistry {
public:
  template <typename OpTy> void add(Rule rule) {
    bool isNew = rules.try_emplace(OpTy::getOperationName(), rule).second;
    (void)isNew;
    assert(isNew && "two rules for one op");
  }
  /// Null for an op without a rule.
  Rule find(llvm::StringRef name) const { return rules.lookup(name); }

private:
  llvm::StringMap<Rule> rules;
};

void addArithRules(RuleRegistry &registry);
void addMathRules(RuleRegistry &registry);
void addTensorRules(RuleRegistry &registry);
void addNNShapeRules(RuleRegistry &registry);
void addNNComputeRules(RuleRegistry &registry);
void addNNLossRules(RuleRegistry &registry);
void addNNAttentionRules(RuleRegistry &registry);
void addNNNormRules(RuleRegistry &registry);

/// All rules.
const RuleRegistry &getRules();

//===----------------------------------------------------------------------===//
// Elementwise rules
//===----------------------------------------------------------------------===//

/// Calls `compute(i)` for each element that the result must hold: one where all operands are
/// splats.
template <typename Element, typename Compute>
Tensor mapElements(RuleContext &context, Compute compute) {
  llvm::ArrayRef<int64_t> shape = context.resultShape();
  mlir::Type type = context.resultElementType();
  Tensor probe(shape, type);
  bool splat = probe.size() > 0 && llvm::all_of(context.operands, [](const Tensor &operand) {
                 return operand.isSplat();
               });
  std::vector<Element> values(splat ? 1 : probe.size());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = compute(static_cast<int64_t>(i));
  if constexpr (std::is_same_v<Element, double>)
    return splat ? Tensor::splat(shape, type, values[0])
                 : Tensor::fromFloats(shape, type, std::move(values));
  else
    return splat ? Tensor::splatInt(shape, type, values[0])
                 : Tensor::fromInts(shape, type, std::move(values));
}

/// Rules from a function of the elements: float to float.
template <auto Fn> llvm::LogicalResult floatUnary(RuleContext &context) {
  const Tensor &x = context.operands[0];
  context.results.push_back(
      mapElements<double>(context, [&](int64_t i) -> double { return Fn(x.at(i)); }));
  return llvm::success();
}

template <auto Fn> llvm::LogicalResult floatBinary(RuleContext &context) {
  const Tensor &a = context.operands[0], &b = context.operands[1];
  context.results.push_back(
      mapElements<double>(context, [&](int64_t i) -> double { return Fn(a.at(i), b.at(i)); }));
  return llvm::success();
}

template <auto Fn> llvm::LogicalResult floatTernary(RuleContext &context) {
  const Tensor &a = context.operands[0], &b = context.operands[1], &c = context.operands[2];
  context.results.push_back(mapElements<double>(
      context, [&](int64_t i) -> double { return Fn(a.at(i), b.at(i), c.at(i)); }));
  return llvm::success();
}

/// Float to i1.
template <auto Fn> llvm::LogicalResult floatTest(RuleContext &context) {
  const Tensor &x = context.operands[0];
  context.results.push_back(
      mapElements<int64_t>(context, [&](int64_t i) -> int64_t { return Fn(x.at(i)); }));
  return llvm::success();
}

/// Integer elements as signed and as unsigned numbers of the operand's width.
inline int64_t signedValue(int64_t element, unsigned width) {
  return width == 1 ? -element : element;
}
inline uint64_t unsignedValue(int64_t element, unsigned width) {
  uint64_t bits = static_cast<uint64_t>(element);
  return width == 64 ? bits : bits & ((uint64_t(1) << width) - 1);
}

} // namespace bigmac::interpreter

#endif // BIGMAC_LIB_INTERPRETER_RULES_H
