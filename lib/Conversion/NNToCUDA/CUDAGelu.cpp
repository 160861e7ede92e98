//===- CUDAGelu.cpp - Products whose last step is gelu ---------------------===//
//
// cuBLASLt applies gelu, and the product with its derivative, to what a product has in registers:
// then no kernel reads the product again to do so. It has the tanh form only. In fp32 a kernel of
// its own stays closer to what others compute.
//
//===----------------------------------------------------------------------===//

#include "NNToCUDA.h"

#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

/// Whether nothing but reshapes uses each value from `value` back to its source.
bool isOnlyReshaped(Value value) {
  while (value.hasOneUse() && isReshape(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value.hasOneUse();
}

/// The product that `value` is, or is a reshape of, if cuBLASLt can go on from it: all is bf16.
nn::MatmulOp asProduct(Value value) {
  auto product = beforeReshapes(value).getDefiningOp<nn::MatmulOp>();
  if (!product)
    return {};
  for (RankedTensorType type :
       {product.getType(), typeOf(product.getLhs()), typeOf(product.getRhs())})
    if (!hasAlignedRows(type))
      return {};
  return product;
}

/// The row that `value` repeats to all rows of a product with as many columns.
Value asBias(Value value, int64_t columns) {
  auto broadcast = value.getDefiningOp<nn::BroadcastOp>();
  if (!broadcast || broadcast.getType().getShape().back() != columns)
    return {};
  RankedTensorType row = typeOf(broadcast.getInput());
  return row.getNumElements() == columns && row.getRank() && row.getShape().back() == columns &&
                 row.getElementType().isBF16()
             ? broadcast.getInput()
             : Value();
}

/// What gelu is of: `value` = product + bias, or the product without a bias. Reshapes may be
/// between.
struct Preactivation {
  Value value; // before reshapes
  nn::MatmulOp product;
  Value bias;
};

std::optional<Preactivation> asPreactivation(Value input) {
  Value value = beforeReshapes(input);
  if (nn::MatmulOp product = asProduct(value))
    return Preactivation{value, product, {}};
  auto add = value.getDefiningOp<arith::AddFOp>();
  if (!add)
    return std::nullopt;
  for (auto [sum, row] :
       {std::make_pair(add.getLhs(), add.getRhs()), std::make_pair(add.getRhs(), add.getLhs())}) {
    nn::MatmulOp product = asProduct(sum);
    if (!product || !isOnlyReshaped(sum))
      continue;
    // Column j of the product is column j of its reshape: both have as many.
    if (Value bias = asBias(row, product.getType().getShape().back()))
      return Preactivation{value, product, bias};
  }
  return std::nullopt;
}

Value reshapedTo(Emitter &e, Value value, Value like) {
  return nn::createReshape(e.builder, e.loc, value, typeOf(like).getShape());
}

} // namespace

void lowering::lowerGelu(nn::GeluOp op, IRRewriter &rewriter) {
  std::optional<Preactivation> input = op.getTanh() ? asPreactivation(op.getInput()) : std::nullopt;
  if (!input)
    return;
  // Others that need it may come before gelu, but not before it is computed.
  rewriter.setInsertionPointAfter(input->value.getDefiningOp());
  Emitter e(rewriter, op.getLoc());
  RankedTensorType type = input->product.getType();
  bool isSaved = !isOnlyReshaped(op.getInput());
  Value output = e.empty(type.getShape(), type.getElementType()), bias, saved;
  if (isSaved)
    saved = e.empty(type.getShape(), type.getElementType());
  if (input->bias)
    bias = nn::createReshape(rewriter, e.loc, input->bias, type.getShape().take_back(1));
  SmallVector<Type> results(isSaved ? 2 : 1, type);
  auto call = cuda::MatmulGeluOp::create(
      rewriter, e.loc, results, input->product.getLhs(), input->product.getRhs(), bias, output,
      saved, input->product.getTransposeLhs(), input->product.getTransposeRhs());
  Value last = op.getInput();
  rewriter.replaceOp(op, reshapedTo(e, call.getResult(0), op));
  if (!isSaved)
    return eraseUnused(rewriter, last);
  Value unfused = input->value;
  rewriter.replaceAllUsesWith(unfused, reshapedTo(e, call.getResult(1), unfused));
  eraseUnused(rewriter, unfused);
}

void lowering::lowerGeluBackward(nn::GeluBackwardOp op, IRRewriter &rewriter) {
  nn::MatmulOp product = op.getTanh() ? asProduct(op.getGrad()) : nn::MatmulOp();
  if (!product || !isOnlyReshaped(op.getGrad()))
    return;
  Emitter e(rewriter, op.getLoc());
  RankedTensorType type = product.getType();
  auto call = cuda::MatmulGeluBackwardOp::create(
      rewriter, e.loc, TypeRange{type}, product.getLhs(), product.getRhs(),
      reshapedTo(e, op.getInput(), product), e.empty(type.getShape(), type.getElementType()),
      product.getTransposeLhs(), product.getTransposeRhs());
  Value grad = op.getGrad();
  rewriter.replaceOp(op, reshapedTo(e, call.getResult(0), op));
  eraseUnused(rewriter, grad);
}
