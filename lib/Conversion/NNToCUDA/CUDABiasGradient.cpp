//===- CUDABiasGradient.cpp - Biases' gradients by weights' products -------===//
//
// The gradients of a weight and of its bias read the same cotangent. Where a kernel of ours makes
// that, the kernel begins the bias's sum for nothing. Where a library does, the product of the
// weight's gradient, which reads it anyway, can sum it. cuBLASLt gives the sum in the product's
// type: so only where the gradients are bf16.
//
//===----------------------------------------------------------------------===//

#include "NNToCUDA.h"

#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

/// Whether libraries have made all of `value`.
bool isFromLibrary(Value value) {
  Operation *op = beforeReshapes(value).getDefiningOp();
  if (isa_and_nonnull<nn::TransposeOp, linalg::TransposeOp>(op))
    return isFromLibrary(op->getOperand(0));
  if (auto concat = dyn_cast_or_null<tensor::ConcatOp>(op))
    return llvm::all_of(concat.getInputs(), isFromLibrary);
  return isa_and_nonnull<nn::MatmulOp, cuda::MatmulGeluOp, cuda::MatmulGeluBackwardOp,
                         cuda::AttentionOp, cuda::AttentionBackwardOp>(op);
}

/// Over all dimensions but the last.
bool sumsRows(nn::ReduceSumOp op) {
  int64_t rank = typeOf(op.getInput()).getRank();
  return rank > 1 && llvm::equal(op.getDims(), llvm::seq<int64_t>(0, rank - 1));
}

/// The product of a weight's gradient, which is added to its accumulator.
struct WeightGradient {
  nn::MatmulOp product;
  arith::AddFOp update;
  bufferization::ToTensorOp accumulator;
  cuda::Operand summed; // the operand that is the cotangent
};

/// Whether nothing but `update` reads it, which then may write it.
bool isOnlyUpdated(bufferization::ToTensorOp accumulator, Operation *update) {
  return accumulator.getWritable() && llvm::all_of(accumulator->getUses(), [&](OpOperand &use) {
           auto write = dyn_cast<bufferization::MaterializeInDestinationOp>(use.getOwner());
           return use.getOwner() == update || (write && write.getDest() == use.get());
         });
}

std::optional<WeightGradient> asWeightGradient(nn::MatmulOp product, Value cotangent,
                                               int64_t columns) {
  for (Value value : {product.getLhs(), product.getRhs(), product.getResult()})
    if (typeOf(value).getRank() != 2 || !hasAlignedRows(typeOf(value)))
      return std::nullopt;
  auto isCotangent = [&](Value operand) {
    return beforeReshapes(operand) == cotangent && typeOf(operand).getDimSize(1) == columns;
  };
  if (!product.getTransposeLhs() || product.getTransposeRhs() || !product->hasOneUse())
    return std::nullopt;
  WeightGradient result{product, {}, {}, cuda::Operand::a};
  if (isCotangent(product.getRhs()))
    result.summed = cuda::Operand::b;
  else if (!isCotangent(product.getLhs()))
    return std::nullopt;
  result.update = dyn_cast<arith::AddFOp>(*product->user_begin());
  if (!result.update)
    return std::nullopt;
  Value other = result.update.getLhs() == product ? result.update.getRhs() : result.update.getLhs();
  result.accumulator = other.getDefiningOp<bufferization::ToTensorOp>();
  if (!result.accumulator || !isOnlyUpdated(result.accumulator, result.update))
    return std::nullopt;
  return result;
}

/// Among the users of `value` and of its reshapes.
std::optional<WeightGradient> findWeightGradient(Value value, Value cotangent, int64_t columns) {
  for (Operation *user : value.getUsers()) {
    std::optional<WeightGradient> found;
    if (auto product = dyn_cast<nn::MatmulOp>(user))
      found = asWeightGradient(product, cotangent, columns);
    else if (isReshape(user))
      found = findWeightGradient(user->getResult(0), cotangent, columns);
    if (found)
      return found;
  }
  return std::nullopt;
}

} // namespace

void lowering::lowerBiasGradient(nn::ReduceSumOp op, IRRewriter &rewriter) {
  RankedTensorType type = typeOf(op.getResult());
  if (!type.getElementType().isBF16() || !sumsRows(op) || !isFromLibrary(op.getInput()))
    return;
  Value cotangent = beforeReshapes(op.getInput());
  std::optional<WeightGradient> weight =
      findWeightGradient(cotangent, cotangent, type.getDimSize(0));
  if (!weight || weight->product->getBlock() != op->getBlock())
    return;
  // As early as the product's operands are there: what uses the sum comes after that, or it stays.
  Operation *last = nullptr;
  for (Value operand : weight->product->getOperands())
    if (Operation *producer = operand.getDefiningOp();
        producer && (!last || last->isBeforeInBlock(producer)))
      last = producer;
  auto isTooEarly = [&](Operation *user) {
    return user->getBlock() != op->getBlock() || !last->isBeforeInBlock(user);
  };
  if (!last || llvm::any_of(op->getUsers(), isTooEarly))
    return;
  if (last->isBeforeInBlock(weight->accumulator)) {
    rewriter.moveOpAfter(weight->accumulator, last);
    last = weight->accumulator;
  }
  rewriter.setInsertionPointAfter(last);
  Emitter e(rewriter, op.getLoc());
  nn::MatmulOp product = weight->product;
  auto call = cuda::MatmulSumsOp::create(
      rewriter, e.loc, TypeRange{product.getType(), type}, product.getLhs(), product.getRhs(),
      weight->accumulator, e.empty(type.getShape(), type.getElementType()), weight->summed,
      product.getTransposeLhs(), product.getTransposeRhs());
  rewriter.replaceOp(weight->update, call.getResult(0));
  rewriter.replaceOp(op, call.getResult(1));
  eraseUnused(rewriter, product);
}
