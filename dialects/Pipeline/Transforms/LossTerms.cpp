//===- LossTerms.cpp - Scalar outputs as sums of terms ---------------------===//

#include "LossTerms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

#include <optional>

using namespace mlir;
using namespace bigmac::pipeline;

/// The number that a constant of one element (or a splat) holds.
static std::optional<double> constantOf(Value value) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat() ||
      !isa<FloatType>(elements.getElementType()))
    return std::nullopt;
  return elements.getSplatValue<APFloat>().convertToDouble();
}

static void collect(Value value, double coefficient, SmallVectorImpl<Term> &terms,
                    double &constant) {
  if (std::optional<double> number = constantOf(value)) {
    constant += coefficient * *number;
    return;
  }
  if (Operation *op = value.getDefiningOp()) {
    if (isa<arith::AddFOp, arith::SubFOp>(op)) {
      collect(op->getOperand(0), coefficient, terms, constant);
      collect(op->getOperand(1), isa<arith::SubFOp>(op) ? -coefficient : coefficient, terms,
              constant);
      return;
    }
    if (isa<arith::NegFOp>(op))
      return collect(op->getOperand(0), -coefficient, terms, constant);
    if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      return collect(op->getOperand(0), coefficient, terms, constant);
    if (isa<arith::MulFOp>(op))
      for (unsigned i = 0; i < 2; ++i)
        if (std::optional<double> factor = constantOf(op->getOperand(i)))
          return collect(op->getOperand(1 - i), coefficient * *factor, terms, constant);
    if (isa<arith::DivFOp>(op))
      if (std::optional<double> divisor = constantOf(op->getOperand(1)))
        return collect(op->getOperand(0), coefficient / *divisor, terms, constant);
  }
  auto *known = llvm::find_if(terms, [&](const Term &term) { return term.value == value; });
  if (known != terms.end())
    known->coefficient += coefficient;
  else
    terms.push_back({value, coefficient});
}

SmallVector<Term> bigmac::pipeline::linearTerms(Value value) {
  SmallVector<Term> terms;
  double constant = 0;
  collect(value, 1.0, terms, constant);
  if (constant != 0 || terms.empty())
    return {{value, 1.0}};
  return terms;
}
