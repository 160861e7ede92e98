//===- NNLookup.cpp - Lookups by index to loops ----------------------------===//

#include "Emitter.h"

#include "bigmac/Conversion/NNToLinalg.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

/// The offsets [row, 0].
SmallVector<OpFoldResult> rowAt(Emitter &e, Value row) { return {row, e.builder.getIndexAttr(0)}; }

Value reshape(Emitter &e, Value value, ArrayRef<int64_t> shape) {
  return nn::createReshape(e.builder, e.loc, value, shape);
}

struct LowerEmbedding : OpConversionPattern<nn::EmbeddingOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::EmbeddingOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType tableType = op.getTable().getType();
    int64_t size = tableType.getDimSize(0), width = 1;
    for (int64_t dim : tableType.getShape().drop_front())
      width *= dim;
    int64_t count = op.getIds().getType().getNumElements();
    Value table = reshape(e, adaptor.getTable(), {size, width});
    Value ids = reshape(e, adaptor.getIds(), {count});
    Value init = e.empty({count, width}, tableType.getElementType());
    Value result =
        e.loop(count, init, [&](Emitter &e, Value i, ValueRange carried) -> SmallVector<Value> {
          Value id = tensor::ExtractOp::create(e.builder, e.loc, ids, i);
          Value position = e.checkedIndex(id, size, /*wrap=*/true);
          Value row = e.slice(table, rowAt(e, position), {1, width}, {1});
          return {e.insert(row, carried[0], rowAt(e, i), {1, width})};
        })[0];
    rewriter.replaceOp(op, reshape(e, result, op.getType().getShape()));
    return success();
  }
};

/// The addition that takes `value` as its only use, so that it can be added in place.
arith::AddFOp soleAddition(Value value) {
  if (!value.hasOneUse())
    return {};
  auto add = dyn_cast<arith::AddFOp>(*value.user_begin());
  return add && add.getLhs() != add.getRhs() ? add : arith::AddFOp();
}

struct LowerEmbeddingBackward : OpConversionPattern<nn::EmbeddingBackwardOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::EmbeddingBackwardOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    RankedTensorType type = op.getType();
    int64_t size = type.getDimSize(0), width = 1;
    for (int64_t dim : type.getShape().drop_front())
      width *= dim;
    int64_t count = op.getIds().getType().getNumElements();
    // `x + embedding_backward` scatters into x, as soon as there is x.
    arith::AddFOp addition = soleAddition(op.getResult());
    if (addition) {
      Value other = addition.getLhs() == op.getResult() ? addition.getRhs() : addition.getLhs();
      Operation *def = other.getDefiningOp();
      if (def && def->getBlock() == op->getBlock() && op->isBeforeInBlock(def))
        rewriter.setInsertionPoint(addition);
    }
    Emitter e(rewriter, op.getLoc());
    Value init;
    if (addition) {
      Value other = addition.getLhs() == op.getResult() ? addition.getRhs() : addition.getLhs();
      init = reshape(e, rewriter.getRemappedValue(other), {size, width});
    } else {
      init = e.filled({size, width}, type.getElementType(), 0.0);
    }
    Value grad = reshape(e, adaptor.getGrad(), {count, width});
    Value ids = reshape(e, adaptor.getIds(), {count});
    Value result =
        e.loop(count, init, [&](Emitter &e, Value i, ValueRange carried) -> SmallVector<Value> {
          Value id = tensor::ExtractOp::create(e.builder, e.loc, ids, i);
          Value position = e.checkedIndex(id, size, /*wrap=*/true);
          Value row = e.slice(carried[0], rowAt(e, position), {1, width}, {1});
          Value part = e.slice(grad, rowAt(e, i), {1, width}, {1});
          Value sum = e.generic(1, {{part, {0}}}, {{row, {0}}},
                                [](Emitter &e, ValueRange args) -> SmallVector<Value> {
                                  Value sum = e.add(e.widen(args[0]), e.widen(args[1]));
                                  return {e.roundTo(args[1].getType(), sum)};
                                })[0];
          return {e.insert(sum, carried[0], rowAt(e, position), {1, width})};
        })[0];
    result = reshape(e, result, type.getShape());
    if (addition) {
      rewriter.replaceOp(addition, result);
      rewriter.eraseOp(op);
    } else {
      rewriter.replaceOp(op, result);
    }
    return success();
  }
};

struct LowerGatherElements : OpConversionPattern<nn::GatherElementsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::GatherElementsOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    int64_t columns = type.getShape().back();
    int64_t size = op.getInput().getType().getShape().back();
    int64_t rows = 1;
    for (int64_t dim : type.getShape().drop_back())
      rows *= dim;
    Value input = reshape(e, adaptor.getInput(), {rows, size});
    Value indices = reshape(e, adaptor.getIndices(), {rows, columns});
    Value init = e.empty({rows, columns}, type.getElementType());
    auto element = [&](Emitter &e, Value i, Value j, Value into) -> SmallVector<Value> {
      Value id = tensor::ExtractOp::create(e.builder, e.loc, indices, ValueRange{i, j});
      Value position = e.checkedIndex(id, size, /*wrap=*/true);
      Value value = tensor::ExtractOp::create(e.builder, e.loc, input, ValueRange{i, position});
      return {tensor::InsertOp::create(e.builder, e.loc, value, into, ValueRange{i, j})};
    };
    Value result = e.loop(rows, init, [&](Emitter &e, Value i, ValueRange carried) {
      return e.loop(columns, carried, [&](Emitter &e, Value j, ValueRange carried) {
        return element(e, i, j, carried[0]);
      });
    })[0];
    rewriter.replaceOp(op, reshape(e, result, type.getShape()));
    return success();
  }
};

struct LowerGatherElementsBackward : OpConversionPattern<nn::GatherElementsBackwardOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::GatherElementsBackwardOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    RankedTensorType type = op.getType();
    int64_t size = type.getShape().back();
    int64_t columns = op.getIndices().getType().getShape().back();
    int64_t rows = 1;
    for (int64_t dim : type.getShape().drop_back())
      rows *= dim;
    Value grad = reshape(e, adaptor.getGrad(), {rows, columns});
    Value indices = reshape(e, adaptor.getIndices(), {rows, columns});
    Value init = e.filled({rows, size}, type.getElementType(), 0.0);
    auto element = [&](Emitter &e, Value i, Value j, Value into) -> SmallVector<Value> {
      Value id = tensor::ExtractOp::create(e.builder, e.loc, indices, ValueRange{i, j});
      Value position = e.checkedIndex(id, size, /*wrap=*/true);
      Value part = tensor::ExtractOp::create(e.builder, e.loc, grad, ValueRange{i, j});
      Value old = tensor::ExtractOp::create(e.builder, e.loc, into, ValueRange{i, position});
      Value sum = e.roundTo(type.getElementType(), e.add(e.widen(old), e.widen(part)));
      return {tensor::InsertOp::create(e.builder, e.loc, sum, into, ValueRange{i, position})};
    };
    Value result = e.loop(rows, init, [&](Emitter &e, Value i, ValueRange carried) {
      return e.loop(columns, carried, [&](Emitter &e, Value j, ValueRange carried) {
        return element(e, i, j, carried[0]);
      });
    })[0];
    rewriter.replaceOp(op, reshape(e, result, type.getShape()));
    return success();
  }
};

} // namespace

void bigmac::populateNNLookupToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerEmbedding, LowerEmbeddingBackward, LowerGatherElements,
               LowerGatherElementsBackward>(patterns.getContext());
}
