//===- NNVJP.cpp - Derivative rules of nn ops ------------------------------===//

#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace bigmac::nn;
using llvm::BitVector;

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Elementwise arithmetic on equal shapes, to let derivative rules read like formulas.
struct Emitter {
  OpBuilder &builder;
  Location loc;

  Value add(Value a, Value b) { return arith::AddFOp::create(builder, loc, a, b); }
  Value sub(Value a, Value b) { return arith::SubFOp::create(builder, loc, a, b); }
  Value mul(Value a, Value b) { return arith::MulFOp::create(builder, loc, a, b); }
  Value div(Value a, Value b) { return arith::DivFOp::create(builder, loc, a, b); }
  Value add(Value a, double b) { return add(a, splat(a, b)); }
  Value mul(Value a, double b) { return mul(a, splat(a, b)); }
  Value rsub(double a, Value b) { return sub(splat(b, a), b); }
  Value splat(Value like, double value) { return createSplat(builder, loc, like.getType(), value); }
  /// In the type that it is computed in, and back.
  Value wide(Value a) {
    Type element = typeOf(a).getElementType(), type = computeType(element);
    return element == type
               ? a
               : arith::ExtFOp::create(builder, loc, typeOf(a).clone(type), a).getResult();
  }
  Value as(Value like, Value a) {
    return a.getType() == like.getType()
               ? a
               : arith::TruncFOp::create(builder, loc, like.getType(), a).getResult();
  }
  Value sum(Value a, ArrayRef<int64_t> dims) {
    return dims.empty() ? a : Value(ReduceSumOp::create(builder, loc, a, dims));
  }
  /// A value without the dimensions `dims` of `shape`, repeated along them.
  Value expand(Value a, ArrayRef<int64_t> shape, ArrayRef<int64_t> dims) {
    SmallVector<int64_t> unit(shape);
    for (int64_t dim : dims)
      unit[dim] = 1;
    return createBroadcast(builder, loc, createReshape(builder, loc, a, unit), shape);
  }
  Value sigmoid(Value x) {
    Value negated = arith::NegFOp::create(builder, loc, x);
    return div(splat(x, 1.0), add(math::ExpOp::create(builder, loc, negated), 1.0));
  }
};

SmallVector<int64_t> leadingDims(Value value) {
  return llvm::to_vector(llvm::seq<int64_t>(0, typeOf(value).getRank() - 1));
}

/// Fails where a statistic (a result other than the first) has a cotangent.
LogicalResult checkOnlyFirst(Operation *op, ValueRange cotangents) {
  for (Value cotangent : cotangents.drop_front())
    if (cotangent)
      return op->emitOpError("has no derivative of its statistics, only of its first result");
  return success();
}

} // namespace

//===----------------------------------------------------------------------===//
// Shape and reductions
//===----------------------------------------------------------------------===//

LogicalResult TransposeOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                    SmallVectorImpl<Value> &grads) {
  SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [i, dim] : llvm::enumerate(getPermutation()))
    inverse[dim] = i;
  grads.push_back(TransposeOp::create(builder, getLoc(), cotangents[0], inverse));
  return success();
}

LogicalResult BroadcastOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                    SmallVectorImpl<Value> &grads) {
  grads.push_back(createSumTo(builder, getLoc(), cotangents[0], typeOf(getInput()).getShape()));
  return success();
}

LogicalResult ReduceSumOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                    SmallVectorImpl<Value> &grads) {
  Emitter emit{builder, getLoc()};
  grads.push_back(emit.expand(cotangents[0], typeOf(getInput()).getShape(), getDims()));
  return success();
}

LogicalResult ReduceMaxOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                    SmallVectorImpl<Value> &grads) {
  Emitter emit{builder, getLoc()};
  ArrayRef<int64_t> shape = typeOf(getInput()).getShape();
  Value equal = arith::CmpFOp::create(builder, getLoc(), arith::CmpFPredicate::OEQ, getInput(),
                                      emit.expand(getResult(), shape, getDims()));
  Value mask = arith::UIToFPOp::create(builder, getLoc(), getInput().getType(), equal);
  Value share = emit.div(cotangents[0], emit.sum(mask, getDims()));
  grads.push_back(emit.mul(mask, emit.expand(share, shape, getDims())));
  return success();
}

//===----------------------------------------------------------------------===//
// Linear algebra
//===----------------------------------------------------------------------===//

LogicalResult MatmulOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &wanted,
                                 SmallVectorImpl<Value> &grads) {
  Location loc = getLoc();
  Value lhs = getLhs(), rhs = getRhs(), grad = cotangents[0];
  // Of a wide product: operands of one type again.
  if (Type element = typeOf(lhs).getElementType(); typeOf(grad).getElementType() != element)
    grad = arith::TruncFOp::create(builder, loc, typeOf(grad).clone(element), grad);
  bool tl = getTransposeLhs(), tr = getTransposeRhs();
  auto matmul = [&](Value a, Value b, bool ta, bool tb) -> Value {
    return MatmulOp::create(builder, loc, a, b, ta, tb);
  };
  bool shared = typeOf(rhs).getRank() < typeOf(lhs).getRank();
  grads.assign(2, Value());
  if (wanted[0]) {
    if (!tl) {
      grads[0] = matmul(grad, rhs, false, !tr);
    } else {
      Value batched = rhs;
      if (shared) {
        SmallVector<int64_t> shape(typeOf(lhs).getShape().drop_back(2));
        llvm::append_range(shape, typeOf(rhs).getShape());
        batched = createBroadcast(builder, loc, rhs, shape);
      }
      grads[0] = matmul(batched, grad, tr, true);
    }
  }
  if (wanted[1]) {
    // A shared rhs sums over the batch: folding the batch into the rows makes that one product.
    if (shared && !tl) {
      auto flatten = [&](Value value) {
        int64_t columns = typeOf(value).getShape().back();
        return createReshape(
            builder, loc, value,
            {typeOf(value).getNumElements() / std::max<int64_t>(columns, 1), columns});
      };
      lhs = flatten(lhs);
      grad = flatten(grad);
    }
    Value product = tr ? matmul(grad, lhs, true, tl) : matmul(lhs, grad, !tl, false);
    grads[1] = createSumTo(builder, loc, product, typeOf(rhs).getShape());
  }
  return success();
}

LogicalResult ConvOp::buildVJP(OpBuilder &, ValueRange, const BitVector &,
                               SmallVectorImpl<Value> &) {
  return emitOpError("with overlapping windows, padding, dilation or groups has no derivative "
                     "rule in this version; freeze what it feeds or use strides equal to the "
                     "kernel");
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

LogicalResult SoftmaxOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                  SmallVectorImpl<Value> &grads) {
  // dx = y * (dy - sum(dy * y))
  Emitter emit{builder, getLoc()};
  int64_t last = typeOf(getInput()).getRank() - 1;
  Value y = emit.wide(getResult()), dy = emit.wide(cotangents[0]);
  Value dot = emit.sum(emit.mul(dy, y), {last});
  Value centred = emit.sub(dy, emit.expand(dot, typeOf(getInput()).getShape(), {last}));
  grads.push_back(emit.as(getInput(), emit.mul(y, centred)));
  return success();
}

LogicalResult LogSoftmaxOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                     SmallVectorImpl<Value> &grads) {
  // dx = dy - exp(y) * sum(dy)
  Emitter emit{builder, getLoc()};
  int64_t last = typeOf(getInput()).getRank() - 1;
  Value dy = emit.wide(cotangents[0]);
  Value total = emit.expand(emit.sum(dy, {last}), typeOf(getInput()).getShape(), {last});
  Value probability = math::ExpOp::create(builder, getLoc(), emit.wide(getResult()));
  grads.push_back(emit.as(getInput(), emit.sub(dy, emit.mul(probability, total))));
  return success();
}

LogicalResult SigmoidOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                  SmallVectorImpl<Value> &grads) {
  Emitter emit{builder, getLoc()};
  Value s = emit.wide(getResult()), dy = emit.wide(cotangents[0]);
  grads.push_back(emit.as(getInput(), emit.mul(dy, emit.mul(s, emit.rsub(1.0, s)))));
  return success();
}

LogicalResult SiluOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                               SmallVectorImpl<Value> &grads) {
  // d(x s) = s (1 + x (1 - s)), s = sigmoid(x)
  Emitter emit{builder, getLoc()};
  Value x = emit.wide(getInput()), s = emit.sigmoid(x);
  Value slope = emit.mul(s, emit.add(emit.mul(x, emit.rsub(1.0, s)), 1.0));
  grads.push_back(emit.as(getInput(), emit.mul(emit.wide(cotangents[0]), slope)));
  return success();
}

LogicalResult GeluOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                               SmallVectorImpl<Value> &grads) {
  grads.push_back(GeluBackwardOp::create(builder, getLoc(), getInput(), cotangents[0], getTanh()));
  return success();
}

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

LogicalResult LayerNormOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                    const BitVector &wanted, SmallVectorImpl<Value> &grads) {
  if (failed(checkOnlyFirst(*this, cotangents)))
    return failure();
  Emitter emit{builder, getLoc()};
  ArrayRef<int64_t> shape = typeOf(getInput()).getShape();
  int64_t last = shape.size() - 1;
  Value grad = cotangents[0];
  grads.assign(getNumOperands(), Value());
  if (wanted[0])
    grads[0] = LayerNormBackwardOp::create(builder, getLoc(), getInput(), getMean(), getRstd(),
                                           grad, getScale());
  unsigned position = 1;
  if (getScale()) {
    if (wanted[position]) {
      Value centred = emit.sub(getInput(), emit.expand(getMean(), shape, {last}));
      Value normal = emit.mul(centred, emit.expand(getRstd(), shape, {last}));
      grads[position] = emit.sum(emit.mul(grad, normal), leadingDims(getInput()));
    }
    ++position;
  }
  if (getBias() && wanted[position])
    grads[position] = emit.sum(grad, leadingDims(getInput()));
  return success();
}

LogicalResult RMSNormOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                  const BitVector &wanted, SmallVectorImpl<Value> &grads) {
  if (failed(checkOnlyFirst(*this, cotangents)))
    return failure();
  Emitter emit{builder, getLoc()};
  ArrayRef<int64_t> shape = typeOf(getInput()).getShape();
  grads.assign(getNumOperands(), Value());
  if (wanted[0])
    grads[0] = RMSNormBackwardOp::create(builder, getLoc(), getInput(), getRstd(), cotangents[0],
                                         getScale());
  if (getScale() && wanted[1]) {
    Value normal = emit.mul(getInput(), emit.expand(getRstd(), shape, {(int64_t)shape.size() - 1}));
    grads[1] = emit.sum(emit.mul(cotangents[0], normal), leadingDims(getInput()));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

LogicalResult AttentionOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                    const BitVector &wanted, SmallVectorImpl<Value> &grads) {
  if (failed(checkOnlyFirst(*this, cotangents)))
    return failure();
  if (getMask() && wanted[3])
    return emitOpError("has no derivative of its mask; the mask must not depend on a trained "
                       "parameter");
  auto backward = AttentionBackwardOp::create(builder, getLoc(), getQuery(), getKey(), getValue(),
                                              getResult(), getLogsumexp(), cotangents[0], getMask(),
                                              getScaleAttr(), getCausalAttr());
  grads.assign(getNumOperands(), Value());
  for (unsigned i = 0; i < 3; ++i)
    if (wanted[i])
      grads[i] = backward->getResult(i);
  return success();
}

//===----------------------------------------------------------------------===//
// Lookup and losses
//===----------------------------------------------------------------------===//

LogicalResult EmbeddingOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                    SmallVectorImpl<Value> &grads) {
  grads.assign({EmbeddingBackwardOp::create(builder, getLoc(), getTable().getType(), getIds(),
                                            cotangents[0]),
                Value()});
  return success();
}

LogicalResult GatherElementsOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                                         const BitVector &, SmallVectorImpl<Value> &grads) {
  grads.assign({GatherElementsBackwardOp::create(builder, getLoc(), getInput().getType(),
                                                 getIndices(), cotangents[0]),
                Value()});
  return success();
}

LogicalResult CrossEntropyOp::buildVJP(OpBuilder &builder, ValueRange cotangents, const BitVector &,
                                       SmallVectorImpl<Value> &grads) {
  if (failed(checkOnlyFirst(*this, cotangents)))
    return failure();
  grads.assign(
      {CrossEntropyBackwardOp::create(builder, getLoc(), getLogits(), getLabels(), getLogsumexp(),
                                      cotangents[0], getIgnoreIndexAttr(), getSumAttr()),
       Value()});
  return success();
}
