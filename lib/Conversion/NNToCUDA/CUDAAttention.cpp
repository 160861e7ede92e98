//===- CUDAAttention.cpp - Attention for a GPU -----------------------------===//
//
// cuDNN's fused attention, or two products of whole tensors with a row kernel between them. The
// heads that read one kv head are rows of one product, so that grouped queries need no copies.
//
//===----------------------------------------------------------------------===//

#include "NNToCUDA.h"

#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Shape {
  Shape(RankedTensorType query, RankedTensorType key, RankedTensorType value)
      : batch(query.getDimSize(0)), heads(query.getDimSize(1)), kvHeads(key.getDimSize(1)),
        queries(query.getDimSize(2)), keys(key.getDimSize(2)), depth(query.getDimSize(3)),
        valueDepth(value.getDimSize(3)), element(query.getElementType()) {}

  int64_t batch, heads, kvHeads, queries, keys, depth, valueDepth;
  Type element;

  int64_t groups() const { return heads / kvHeads; }
  SmallVector<int64_t> scores() const { return {batch, heads, queries, keys}; }
  SmallVector<int64_t> rows() const { return {batch, heads, queries}; }

  /// What cuDNN's fused attention takes, forward and backward.
  bool isInLibrary(bool causal, bool masked) const {
    bool hasSizes = depth % 8 == 0 && depth <= 128 && valueDepth % 8 == 0 && valueDepth <= 128 &&
                    (queries > 1 || keys > 1);
    bool hasMask = !causal || (masked ? queries == keys : queries <= keys);
    return (element.isBF16() || element.isF16()) && hasSizes && hasMask;
  }
};

/// The products of an attention on [batch, kv heads, rows of all its heads, depth].
class Products {
public:
  Products(Emitter &e, const Shape &shape) : e(e), shape(shape) {}

  /// [batch, heads, rows, n] with the rows of a kv head's heads in one matrix.
  Value grouped(Value tensor) {
    RankedTensorType type = typeOf(tensor);
    return nn::createReshape(
        e.builder, e.loc, tensor,
        {shape.batch, shape.kvHeads, shape.groups() * type.getDimSize(2), type.getDimSize(3)});
  }
  Value ungrouped(Value tensor) {
    RankedTensorType type = typeOf(tensor);
    return nn::createReshape(
        e.builder, e.loc, tensor,
        {shape.batch, shape.heads, type.getDimSize(2) / shape.groups(), type.getDimSize(3)});
  }

  /// lhs . rhs^T, in `element`.
  Value timesTransposed(Value lhs, Value rhs, Type element) {
    return product(lhs, {0, 1, 2, 4}, rhs, {0, 1, 3, 4}, typeOf(lhs).getDimSize(2),
                   typeOf(rhs).getDimSize(2), element);
  }
  Value times(Value lhs, Value rhs, Type element) {
    return product(lhs, {0, 1, 2, 4}, rhs, {0, 1, 4, 3}, typeOf(lhs).getDimSize(2),
                   typeOf(rhs).getDimSize(3), element);
  }
  Value transposedTimes(Value lhs, Value rhs, Type element) {
    return product(lhs, {0, 1, 4, 2}, rhs, {0, 1, 4, 3}, typeOf(lhs).getDimSize(3),
                   typeOf(rhs).getDimSize(3), element);
  }

private:
  Value product(Value lhs, ArrayRef<int64_t> lhsDims, Value rhs, ArrayRef<int64_t> rhsDims,
                int64_t m, int64_t n, Type element) {
    Value zero = e.filled({shape.batch, shape.kvHeads, m, n}, element, 0.0);
    return e.contract(5, {lhs, llvm::to_vector(lhsDims)}, {rhs, llvm::to_vector(rhsDims)},
                      {zero, {0, 1, 2, 3}});
  }

  Emitter &e;
  const Shape &shape;
};

Value identity(Emitter &, ValueRange args) { return args[0]; }

/// Body code that computes the scaled and masked score of args[0] and the mask, which is the last
/// argument if there is one.
struct Scoring {
  const Shape &shape;
  Value mask;
  double scale;
  bool causal;

  /// The mask without its unit dimensions, by the dimensions that are left.
  Access maskAccess(Emitter &e) const {
    SmallVector<int64_t> sizes, dims;
    for (auto [i, size] : llvm::enumerate(typeOf(mask).getShape()))
      if (size != 1) {
        sizes.push_back(size);
        dims.push_back(i);
      }
    return {nn::createReshape(e.builder, e.loc, mask, sizes), dims};
  }
  Value operator()(Emitter &e, Value product, Value masked) const {
    Value score = e.mul(product, scale);
    if (masked)
      score = e.add(score, masked);
    if (!causal)
      return score;
    Value query = linalg::IndexOp::create(e.builder, e.loc, 2);
    Value key = linalg::IndexOp::create(e.builder, e.loc, 3);
    Value last =
        arith::AddIOp::create(e.builder, e.loc, query, e.index(shape.keys - shape.queries));
    Value isSeen = arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::sle, key, last);
    return e.select(isSeen, score, e.constant(score.getType(), -kInfinity));
  }
};

Value isEqual(Emitter &e, Value a, double b) {
  return arith::CmpFOp::create(e.builder, e.loc, arith::CmpFPredicate::OEQ, a,
                               e.constant(a.getType(), b));
}

/// Arithmetic between the products: fp32 for narrower types.
Type wideOf(Type element, OpBuilder &b) {
  return element.getIntOrFloatBitWidth() < 32 ? Type(b.getF32Type()) : element;
}

/// [batch, rows, heads, depth] as [batch, heads, rows, depth], or the reverse.
Value swapHeads(Emitter &e, Value tensor) {
  RankedTensorType type = typeOf(tensor);
  SmallVector<int64_t> sizes = {type.getDimSize(0), type.getDimSize(2), type.getDimSize(1),
                                type.getDimSize(3)};
  return linalg::TransposeOp::create(e.builder, e.loc, tensor,
                                     e.empty(sizes, type.getElementType()),
                                     ArrayRef<int64_t>{0, 2, 1, 3})
      .getResult()[0];
}

/// The mask as cuDNN needs it, with a row for each query and in the type of the rest; null without
/// one.
Value maskOfQueries(Emitter &e, const Shape &shape, Value mask) {
  if (!mask)
    return mask;
  SmallVector<int64_t> sizes(typeOf(mask).getShape()), dims = {0, 1, 2, 3};
  if (typeOf(mask).getElementType() != shape.element)
    mask = e.map(sizes, shape.element, {{mask, dims}},
                 [&](Emitter &e, ValueRange args) { return convert(e, args[0], shape.element); });
  sizes[2] = shape.queries;
  return nn::createBroadcast(e.builder, e.loc, mask, sizes);
}

/// `tensor` with rows first where that is what it was transposed from.
std::pair<Value, bool> withRowsFirst(Value tensor) {
  static constexpr int64_t swap[] = {0, 2, 1, 3};
  if (auto transpose = tensor.getDefiningOp<nn::TransposeOp>();
      transpose && transpose.getPermutation() == ArrayRef(swap))
    return {transpose.getInput(), true};
  // Such as another attention's output.
  if (auto transpose = tensor.getDefiningOp<linalg::TransposeOp>();
      transpose && transpose.getPermutation() == ArrayRef(swap))
    return {transpose.getInput(), true};
  return {tensor, false};
}

/// An empty [batch, rows, heads, depth]: the layout that projections read and write.
Value rowsFirst(Emitter &e, const Shape &shape, int64_t heads, int64_t rows, int64_t depth) {
  return e.empty({shape.batch, rows, heads, depth}, shape.element);
}

} // namespace

void lowering::lowerAttention(nn::AttentionOp op, IRRewriter &rewriter, bool useLibrary) {
  Emitter e(rewriter, op.getLoc());
  Shape shape(op.getQuery().getType(), op.getKey().getType(), op.getValue().getType());
  Type statistics = op.getLogsumexp().getType().getElementType();
  if (useLibrary && shape.isInLibrary(op.getCausal(), static_cast<bool>(op.getMask()))) {
    auto [query, queryFirst] = withRowsFirst(op.getQuery());
    auto [key, keyFirst] = withRowsFirst(op.getKey());
    auto [value, valueFirst] = withRowsFirst(op.getValue());
    Value output = rowsFirst(e, shape, shape.heads, shape.queries, shape.valueDepth);
    Value logsumexp = e.empty(shape.rows(), rewriter.getF32Type());
    auto call = cuda::AttentionOp::create(
        rewriter, e.loc, TypeRange{output.getType(), logsumexp.getType()}, query, key, value,
        output, logsumexp, maskOfQueries(e, shape, op.getMask()), op.getScaleAttr(),
        op.getCausalAttr(),
        rewriter.getDenseBoolArrayAttr({queryFirst, keyFirst, valueFirst, true}));
    Value saved = call.getResult(1);
    if (statistics != rewriter.getF32Type())
      saved = e.map(shape.rows(), statistics, {{saved, {0, 1, 2}}},
                    [&](Emitter &e, ValueRange args) { return convert(e, args[0], statistics); });
    rewriter.replaceOp(op, {swapHeads(e, call.getResult(0)), saved});
    return;
  }
  Type wide = wideOf(shape.element, rewriter);
  Products products(e, shape);
  Scoring score{shape, op.getMask(), op.getScale().convertToDouble(), op.getCausal()};
  Value raw = products.ungrouped(
      products.timesTransposed(products.grouped(op.getQuery()), op.getKey(), wide));
  SmallVector<Access> inputs = {{raw, {0, 1, 2, 3}}};
  if (op.getMask())
    inputs.push_back(score.maskAccess(e));
  Value scores = e.map(shape.scores(), wide, inputs, [&](Emitter &e, ValueRange args) {
    return score(e, args[0], op.getMask() ? convert(e, args[1], wide) : Value());
  });
  Value max = e.max(shape.scores(), {0, 1, 2}, wide, {{scores, {0, 1, 2, 3}}}, identity);
  // A query that sees no key: its exponentials are 0 and so is what it gives.
  max = e.map(shape.rows(), wide, {{max, {0, 1, 2}}}, [&](Emitter &e, ValueRange args) {
    return e.select(isEqual(e, args[0], -kInfinity), e.constant(wide, 0.0), args[0]);
  });
  Value exps = e.map(shape.scores(), wide, {{scores, {0, 1, 2, 3}}, {max, {0, 1, 2}}},
                     [](Emitter &e, ValueRange args) { return e.exp(e.sub(args[0], args[1])); });
  Value sum = e.sum(shape.scores(), {0, 1, 2}, wide, {{exps, {0, 1, 2, 3}}}, identity);
  Value logsumexp = e.map(
      shape.rows(), statistics, {{sum, {0, 1, 2}}, {max, {0, 1, 2}}},
      [&](Emitter &e, ValueRange args) {
        Value none = e.constant(wide, kInfinity);
        return convert(e, e.select(isEqual(e, args[0], 0.0), none, e.add(e.log(args[0]), args[1])),
                       statistics);
      });
  Value probabilities =
      e.map(shape.scores(), shape.element, {{exps, {0, 1, 2, 3}}, {sum, {0, 1, 2}}},
            [&](Emitter &e, ValueRange args) {
              Value zero = e.constant(wide, 0.0);
              return convert(e, e.select(isEqual(e, args[1], 0.0), zero, e.div(args[0], args[1])),
                             shape.element);
            });
  Value result = products.ungrouped(
      products.times(products.grouped(probabilities), op.getValue(), shape.element));
  rewriter.replaceOp(op, {result, logsumexp});
}

void lowering::lowerAttentionBackward(nn::AttentionBackwardOp op, IRRewriter &rewriter,
                                      bool useLibrary) {
  Emitter e(rewriter, op.getLoc());
  Shape shape(op.getQuery().getType(), op.getKey().getType(), op.getValue().getType());
  Type f32 = rewriter.getF32Type();
  if (useLibrary && shape.isInLibrary(op.getCausal(), static_cast<bool>(op.getMask()))) {
    auto [query, queryFirst] = withRowsFirst(op.getQuery());
    auto [key, keyFirst] = withRowsFirst(op.getKey());
    auto [value, valueFirst] = withRowsFirst(op.getValue());
    auto [output, outputFirst] = withRowsFirst(op.getOutput());
    auto [grad, gradFirst] = withRowsFirst(op.getGrad());
    Value logsumexp = op.getLogsumexp();
    if (typeOf(logsumexp).getElementType() != f32)
      logsumexp = e.map(shape.rows(), f32, {{logsumexp, {0, 1, 2}}},
                        [&](Emitter &e, ValueRange args) { return convert(e, args[0], f32); });
    Value queryGrad = rowsFirst(e, shape, shape.heads, shape.queries, shape.depth);
    Value keyGrad = rowsFirst(e, shape, shape.kvHeads, shape.keys, shape.depth);
    Value valueGrad = rowsFirst(e, shape, shape.kvHeads, shape.keys, shape.valueDepth);
    auto call = cuda::AttentionBackwardOp::create(
        rewriter, e.loc, TypeRange{queryGrad.getType(), keyGrad.getType(), valueGrad.getType()},
        query, key, value, output, logsumexp, grad, queryGrad, keyGrad, valueGrad,
        maskOfQueries(e, shape, op.getMask()), op.getScaleAttr(), op.getCausalAttr(),
        rewriter.getDenseBoolArrayAttr(
            {queryFirst, keyFirst, valueFirst, outputFirst, gradFirst, true, true, true}));
    SmallVector<Value> results;
    for (Value result : call.getResults())
      results.push_back(swapHeads(e, result));
    rewriter.replaceOp(op, results);
    return;
  }
  Type wide = wideOf(shape.element, rewriter);
  Products products(e, shape);
  Scoring score{shape, op.getMask(), op.getScale().convertToDouble(), op.getCausal()};
  Value query = products.grouped(op.getQuery()), grad = products.grouped(op.getGrad());
  Value raw = products.ungrouped(products.timesTransposed(query, op.getKey(), wide));
  SmallVector<Access> inputs = {{raw, {0, 1, 2, 3}}, {op.getLogsumexp(), {0, 1, 2}}};
  if (op.getMask())
    inputs.push_back(score.maskAccess(e));
  Value probabilities =
      e.map(shape.scores(), shape.element, inputs, [&](Emitter &e, ValueRange args) {
        Value masked = op.getMask() ? convert(e, args[2], wide) : Value();
        return convert(e, e.exp(e.sub(score(e, args[0], masked), convert(e, args[1], wide))),
                       shape.element);
      });
  Value valueGrad = products.transposedTimes(products.grouped(probabilities), grad, shape.element);
  Value delta = e.sum({shape.batch, shape.heads, shape.queries, shape.valueDepth}, {0, 1, 2}, wide,
                      {{op.getGrad(), {0, 1, 2, 3}}, {op.getOutput(), {0, 1, 2, 3}}},
                      [&](Emitter &e, ValueRange args) {
                        return e.mul(convert(e, args[0], wide), convert(e, args[1], wide));
                      });
  Value probabilityGrads = products.ungrouped(products.timesTransposed(grad, op.getValue(), wide));
  Value scoreGrads = products.grouped(
      e.map(shape.scores(), shape.element,
            {{probabilities, {0, 1, 2, 3}}, {probabilityGrads, {0, 1, 2, 3}}, {delta, {0, 1, 2}}},
            [&](Emitter &e, ValueRange args) {
              Value probability = convert(e, args[0], wide);
              Value scaled = e.mul(e.mul(probability, e.sub(args[1], args[2])), score.scale);
              return convert(e, scaled, shape.element);
            }));
  Value queryGrad = products.ungrouped(products.times(scoreGrads, op.getKey(), shape.element));
  Value keyGrad = products.transposedTimes(scoreGrads, query, shape.element);
  rewriter.replaceOp(op, {queryGrad, keyGrad, valueGrad});
}
