//===- CUDALoss.cpp - Losses for a GPU -------------------------------------===//
//
// Row by row, so that a row's maximum, sum, chosen logit and gradient are one kernel each way.
//
//===----------------------------------------------------------------------===//

#include "NNToCUDA.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <functional>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

/// What is not ignored; null where no label of this type can be.
static std::function<Value(Emitter &, Value)> counts(Type labelType, int64_t ignoreIndex) {
  unsigned width = labelType.getIntOrFloatBitWidth();
  APInt ignored(64, ignoreIndex, /*isSigned=*/true);
  if (!ignored.isSignedIntN(width))
    return nullptr;
  return [=](Emitter &e, Value label) -> Value {
    Value value = arith::ConstantOp::create(
        e.builder, e.loc, e.builder.getIntegerAttr(label.getType(), ignored.sextOrTrunc(width)));
    return arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::ne, label, value);
  };
}

/// Whether dimension 1 of the body is at `label`.
static Value isAt(Emitter &e, Value label) {
  Value column = linalg::IndexOp::create(e.builder, e.loc, 1);
  return arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::eq, e.toIndex(label),
                               column);
}

void lowering::lowerCrossEntropy(nn::CrossEntropyOp op, IRRewriter &rewriter) {
  Emitter e(rewriter, op.getLoc());
  RankedTensorType type = op.getLogits().getType();
  // Narrow logits are widened where they are read.
  Type element = op.getLogsumexp().getType().getElementType(), f64 = rewriter.getF64Type();
  int64_t rows = type.getDimSize(0), classes = type.getDimSize(1);
  Value labels = op.getLabels();
  auto isCounted = counts(typeOf(labels).getElementType(), op.getIgnoreIndex());
  checkIndices(e, labels, classes, /*wrap=*/false,
               isCounted ? std::optional(op.getIgnoreIndex()) : std::nullopt);
  Access logits = {op.getLogits(), {0, 1}};
  Value max = e.max(type.getShape(), {0}, element, {logits},
                    [&](Emitter &e, ValueRange args) { return convert(e, args[0], element); });
  Value sum =
      e.sum(type.getShape(), {0}, element, {logits, {max, {0}}}, [&](Emitter &e, ValueRange args) {
        return e.exp(e.sub(convert(e, args[0], element), args[1]));
      });
  Value chosen = e.sum(
      type.getShape(), {0}, element, {logits, {labels, {0}}}, [&](Emitter &e, ValueRange args) {
        return e.select(isAt(e, args[1]), convert(e, args[0], element), e.constant(element, 0.0));
      });
  Value lse = e.map({rows}, element, {{sum, {0}}, {max, {0}}},
                    [](Emitter &e, ValueRange args) { return e.add(e.log(args[0]), args[1]); });
  // Rows are few beside their entries: their losses are summed in f64.
  Value loss =
      e.sum({rows}, {}, f64, {{lse, {0}}, {chosen, {0}}, {labels, {0}}},
            [&](Emitter &e, ValueRange args) -> Value {
              Value loss = convert(e, e.sub(args[0], args[1]), f64);
              return isCounted ? e.select(isCounted(e, args[2]), loss, e.constant(f64, 0.0)) : loss;
            });
  Value count = isCounted ? e.sum({rows}, {}, f64, {{labels, {0}}},
                                  [&](Emitter &e, ValueRange args) -> Value {
                                    return e.select(isCounted(e, args[0]), e.constant(f64, 1.0),
                                                    e.constant(f64, 0.0));
                                  })
                          : e.filled({}, f64, static_cast<double>(rows));
  Value result =
      e.map({}, element, {{loss, {}}, {count, {}}}, [&](Emitter &e, ValueRange args) -> Value {
        Value mean = op.getSum() ? args[0] : e.div(args[0], args[1]);
        return convert(e, mean, op.getLoss().getType().getElementType());
      });
  rewriter.replaceOp(op, {result, lse});
}

void lowering::lowerCrossEntropyBackward(nn::CrossEntropyBackwardOp op, IRRewriter &rewriter) {
  Emitter e(rewriter, op.getLoc());
  RankedTensorType type = op.getLogits().getType();
  Type element = op.getLogsumexp().getType().getElementType(), narrow = type.getElementType();
  int64_t rows = type.getDimSize(0);
  Value labels = op.getLabels();
  auto isCounted = counts(typeOf(labels).getElementType(), op.getIgnoreIndex());
  checkIndices(e, labels, type.getDimSize(1), /*wrap=*/false,
               isCounted ? std::optional(op.getIgnoreIndex()) : std::nullopt);
  // The weight of a row that counts.
  Value weight = op.getGrad();
  if (!op.getSum()) {
    Value count = isCounted
                      ? e.sum({rows}, {}, element, {{labels, {0}}},
                              [&](Emitter &e, ValueRange args) -> Value {
                                return e.select(isCounted(e, args[0]), e.constant(element, 1.0),
                                                e.constant(element, 0.0));
                              })
                      : e.filled({}, element, static_cast<double>(rows));
    weight =
        e.map({}, element, {{op.getGrad(), {}}, {count, {}}}, [&](Emitter &e, ValueRange args) {
          return e.div(convert(e, args[0], element), args[1]);
        });
  }
  Value result =
      e.map(type.getShape(), narrow,
            {{op.getLogits(), {0, 1}}, {op.getLogsumexp(), {0}}, {labels, {0}}, {weight, {}}},
            [&](Emitter &e, ValueRange args) -> Value {
              Value zero = e.constant(element, 0.0), one = e.constant(element, 1.0);
              Value probability = e.exp(e.sub(convert(e, args[0], element), args[1]));
              Value target = e.select(isAt(e, args[2]), one, zero);
              Value grad = e.mul(e.sub(probability, target), convert(e, args[3], element));
              if (isCounted)
                grad = e.select(isCounted(e, args[2]), grad, zero);
              return convert(e, grad, narrow);
            });
  rewriter.replaceOp(op, result);
}
