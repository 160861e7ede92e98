//===- Matching.cpp - What the raising passes look for ---------------------===//

#include "dialects/NN/Transforms/Matching.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace bigmac::nn;

std::optional<double> bigmac::nn::uniformValue(Value value) {
  DenseElementsAttr elements;
  if (!isa<FloatType>(getElementTypeOrSelf(value.getType())) ||
      !matchPattern(value, m_Constant(&elements)) || elements.empty())
    return std::nullopt;
  if (!elements.isSplat())
    return std::nullopt;
  APFloat number = elements.getSplatValue<APFloat>();
  bool losesInfo;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
  return number.convertToDouble();
}

bool bigmac::nn::isAbout(Value like, double value, double expected) {
  auto type = cast<FloatType>(getElementTypeOrSelf(like.getType()));
  // One unit in the last place of a number of `expected`'s size is at most this.
  double unit = std::ldexp(std::abs(expected), 1 - static_cast<int>(type.getFPMantissaWidth()));
  return std::abs(value - expected) <= unit;
}

bool bigmac::nn::isUniform(Value value, double expected) {
  std::optional<double> found = uniformValue(value);
  return found && isAbout(value, *found, expected);
}

Factors bigmac::nn::factorsOf(Value product) {
  Factors factors;
  SmallVector<Value> open = {product};
  // A product of more factors than this is none that is looked for.
  constexpr size_t kMaxFactors = 8;
  while (!open.empty()) {
    Value value = open.pop_back_val();
    if (std::optional<double> constant = uniformValue(value)) {
      factors.constant *= *constant;
    } else if (auto op = value.getDefiningOp<arith::MulFOp>();
               op && open.size() + factors.values.size() < kMaxFactors) {
      open.push_back(op.getLhs());
      open.push_back(op.getRhs());
    } else {
      factors.values.push_back(value);
    }
  }
  return factors;
}

Spread Spread::of(Value value) {
  Spread spread{value, {}};
  for (auto [i, size] : llvm::enumerate(tensorType(value).getShape()))
    spread.dims.push_back(size == 1 ? -1 : static_cast<int64_t>(i));
  return spread;
}

/// Takes `spread` from the result of a reshape to its input; false where they differ by more than
/// dimensions of size 1.
static bool peelReshape(Spread &spread, Value input) {
  SmallVector<int64_t> sizes, dims;
  for (auto [dim, size] : llvm::zip_equal(spread.dims, tensorType(spread.value).getShape()))
    if (size != 1) {
      sizes.push_back(size);
      dims.push_back(dim);
    }
  SmallVector<int64_t> inputDims;
  size_t next = 0;
  for (int64_t size : tensorType(input).getShape()) {
    if (size == 1) {
      inputDims.push_back(-1);
      continue;
    }
    if (next == sizes.size() || sizes[next] != size)
      return false;
    inputDims.push_back(dims[next++]);
  }
  if (next != sizes.size())
    return false;
  spread = {input, inputDims};
  return true;
}

void Spread::peel() {
  while (Operation *op = value.getDefiningOp()) {
    if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
      Value input = broadcast.getInput();
      ArrayRef<int64_t> shape = tensorType(input).getShape();
      SmallVector<int64_t> inputDims(dims.end() - shape.size(), dims.end());
      for (auto [dim, size] : llvm::zip_equal(inputDims, shape))
        if (size == 1)
          dim = -1;
      *this = {input, inputDims};
      continue;
    }
    if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op) &&
        peelReshape(*this, op->getOperand(0)))
      continue;
    return;
  }
}

Spread Spread::through(Value operand) const {
  Spread spread{operand, dims};
  spread.peel();
  return spread;
}

bool Spread::isPerColumn(int64_t rank, int64_t size) const {
  for (int64_t dim : dims)
    if (dim >= 0 && dim != rank - 1)
      return false;
  return tensorType(value).getNumElements() == size;
}

Value bigmac::nn::matchRowMean(const Spread &spread, int64_t rank) {
  Spread sum;
  double count;
  if (auto division = spread.value.getDefiningOp<arith::DivFOp>()) {
    std::optional<double> divisor = uniformValue(division.getRhs());
    if (!divisor)
      return {};
    sum = spread.through(division.getLhs());
    count = *divisor;
  } else if (auto product = matchWithConstant<arith::MulFOp>(spread.value)) {
    sum = spread.through(product->value);
    count = 1.0 / product->constant;
  } else {
    return {};
  }
  auto reduce = sum.value.getDefiningOp<ReduceSumOp>();
  if (!reduce || reduce.getDims() != ArrayRef<int64_t>{rank - 1})
    return {};
  RankedTensorType type = tensorType(reduce.getInput());
  double size = static_cast<double>(type.getShape().back());
  if (type.getRank() != rank || !isAbout(reduce.getInput(), count, size))
    return {};
  // Row i of the sum must be spread over row i of the larger tensor.
  for (auto [i, dim] : llvm::enumerate(sum.dims))
    if (dim != static_cast<int64_t>(i) && tensorType(sum.value).getDimSize(i) != 1)
      return {};
  return reduce.getInput();
}
