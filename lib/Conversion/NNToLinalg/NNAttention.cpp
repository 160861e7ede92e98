//===- NNAttention.cpp - Attention to linalg -------------------------------===//
//
// A head's queries are taken a block at a time: the block's scores stay in cache, and only one
// block of them exists. A causal block leaves out the keys that none of its queries sees, so its
// size differs from block to block, which is why such blocks are unrolled.
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

#include "bigmac/Conversion/NNToLinalg.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Transforms/DialectConversion.h"

#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

namespace {

/// `count` blocks of `rows` queries, the first at `start`, which see keys [0, keys).
struct QueryBlocks {
  int64_t start, count, rows, keys;
};

/// Sizes of an attention, and where its operands are sliced.
struct Shape {
  Shape(RankedTensorType query, RankedTensorType key, RankedTensorType value, bool causal)
      : batch(query.getDimSize(0)), heads(query.getDimSize(1)), kvHeads(key.getDimSize(1)),
        queries(query.getDimSize(2)), keys(key.getDimSize(2)), depth(query.getDimSize(3)),
        valueDepth(value.getDimSize(3)), causal(causal),
        element(nn::computeType(query.getElementType())) {}

  int64_t batch, heads, kvHeads, queries, keys, depth, valueDepth;
  bool causal;
  Type element;

  int64_t groups() const { return heads / kvHeads; }
  /// Query i sees keys up to i + offset().
  int64_t offset() const { return keys - queries; }

  /// `cachedScores`: how many scores of a block should stay in cache.
  SmallVector<QueryBlocks> blocks(int64_t cachedScores) const {
    constexpr int64_t mostBlocks = 32;
    // Fewer make products inefficient; causal blocks are cut smaller than caches ask for.
    const int64_t leastRows = causal ? 64 : 32;
    int64_t rows = std::max(leastRows, cachedScores / std::max<int64_t>(keys, 1) / 16 * 16);
    // The more blocks, the fewer hidden keys are computed; eight leave out 7/16 of all.
    if (causal)
      rows = std::max({std::min<int64_t>(rows, llvm::divideCeil(queries, 8 * 16) * 16), leastRows,
                       static_cast<int64_t>(llvm::divideCeil(queries, mostBlocks))});
    rows = std::min(rows, queries);
    SmallVector<QueryBlocks> result;
    if (rows == 0)
      return result;
    if (!causal) {
      result.push_back({0, queries / rows, rows, keys});
      if (queries % rows)
        result.push_back({queries / rows * rows, 1, queries % rows, keys});
      return result;
    }
    for (int64_t start = 0; start < queries; start += rows) {
      int64_t count = std::min(rows, queries - start);
      // At least one key, hidden or not, so that no block is empty.
      int64_t seen =
          std::clamp<int64_t>(start + count + offset(), std::min<int64_t>(keys, 1), keys);
      result.push_back({start, 1, count, seen});
    }
    return result;
  }
};

/// One head of one batch element: offsets into tensors.
struct Head {
  Value batch, head, kvHead;
};

/// A block of queries.
struct Block {
  OpFoldResult start;
  int64_t rows, keys;
};

OpFoldResult zeroIndex(Emitter &e) { return e.builder.getIndexAttr(0); }

/// Rows [start, start + rows) of one head of a [batch, heads, rows, depth] tensor.
Value headSlice(Emitter &e, Value tensor, Value batch, Value head, OpFoldResult start, int64_t rows,
                int64_t depth) {
  return e.slice(tensor, {batch, head, start, zeroIndex(e)}, {1, 1, rows, depth}, {2, 3});
}

/// The same of a tensor whose layout is [batch, rows, heads, depth]. Results have this layout,
/// which is what projections read: the transpose after it then meets its inverse and both go.
Value rowSlice(Emitter &e, Value tensor, Value batch, Value head, OpFoldResult start, int64_t rows,
               int64_t depth) {
  return e.slice(tensor, {batch, start, head, zeroIndex(e)}, {1, rows, 1, depth}, {1, 3});
}
Value insertRows(Emitter &e, Value part, Value into, Value batch, Value head, OpFoldResult start) {
  RankedTensorType type = typeOf(part);
  return e.insert(part, into, {batch, start, head, zeroIndex(e)},
                  {1, type.getDimSize(0), 1, type.getDimSize(1)});
}

Value toHeadMajor(Emitter &e, Value value, RankedTensorType type) {
  value = e.roundTensor(value, type.getElementType());
  Value init = e.empty(type.getShape(), type.getElementType());
  return linalg::TransposeOp::create(e.builder, e.loc, value, init, ArrayRef<int64_t>{0, 2, 1, 3})
      .getResult()[0];
}

/// lhs . rhs^T
Value timesTransposed(Emitter &e, Value lhs, Value rhs) {
  int64_t m = typeOf(lhs).getDimSize(0), n = typeOf(rhs).getDimSize(0);
  Value zero = e.filled({m, n}, typeOf(lhs).getElementType(), 0.0);
  return e.contract(3, {lhs, {0, 2}}, {rhs, {1, 2}}, {zero, {0, 1}});
}
/// lhs . rhs
Value times(Emitter &e, Value lhs, Value rhs) {
  int64_t m = typeOf(lhs).getDimSize(0), n = typeOf(rhs).getDimSize(1);
  Value zero = e.filled({m, n}, typeOf(lhs).getElementType(), 0.0);
  return e.contract(3, {lhs, {0, 2}}, {rhs, {2, 1}}, {zero, {0, 1}});
}
/// into + lhs^T . rhs
Value addTransposedTimes(Emitter &e, Value lhs, Value rhs, Value into) {
  return e.contract(3, {lhs, {2, 0}}, {rhs, {2, 1}}, {into, {0, 1}});
}

/// What both directions know.
struct Attention {
  Shape shape;
  Value query, key, value, mask;
  double scale;

  /// The raw scores of a block.
  Value products(Emitter &e, const Head &head, const Block &block) const {
    Value q = headSlice(e, query, head.batch, head.head, block.start, block.rows, shape.depth);
    Value k = headSlice(e, key, head.batch, head.kvHead, zeroIndex(e), block.keys, shape.depth);
    return timesTransposed(e, q, k);
  }

  /// Inputs of a body that calls `score`.
  SmallVector<Access> scoreInputs(Emitter &e, Value products, const Head &head,
                                  const Block &block) const {
    SmallVector<Access> inputs = {{products, {0, 1}}};
    if (!mask)
      return inputs;
    RankedTensorType type = typeOf(mask);
    bool perRow = type.getDimSize(2) != 1 || shape.queries == 1;
    OpFoldResult zero = zeroIndex(e);
    SmallVector<OpFoldResult> offsets = {type.getDimSize(0) == 1 ? zero : OpFoldResult(head.batch),
                                         type.getDimSize(1) == 1 ? zero : OpFoldResult(head.head),
                                         type.getDimSize(2) == 1 ? zero : block.start, zero};
    int64_t rows = type.getDimSize(2) == 1 ? 1 : block.rows;
    if (perRow && rows == block.rows)
      inputs.push_back({e.slice(mask, offsets, {1, 1, rows, block.keys}, {2, 3}), {0, 1}});
    else
      inputs.push_back({e.slice(mask, offsets, {1, 1, 1, block.keys}, {3}), {1}});
    return inputs;
  }

  /// The scaled and masked score.
  Value score(Emitter &e, ValueRange args, const Block &block, Value visible) const {
    Value value = e.mul(args[0], scale);
    if (mask)
      value = e.add(value, args[1]);
    if (!shape.causal || isAllVisible(block))
      return value;
    // 32 bits are enough for positions and keep the comparison as wide as the scores.
    Type i32 = e.builder.getI32Type();
    auto position = [&](int64_t dim) -> Value {
      return arith::IndexCastOp::create(e.builder, e.loc, i32,
                                        linalg::IndexOp::create(e.builder, e.loc, dim));
    };
    Value limit = arith::AddIOp::create(e.builder, e.loc, position(0), visible);
    Value seen =
        arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::sle, position(1), limit);
    return e.select(seen, value,
                    e.constant(value.getType(), -std::numeric_limits<double>::infinity()));
  }

  /// Whether the block's first query sees all the block's keys.
  bool isAllVisible(const Block &block) const {
    return startOf(block) + shape.offset() >= block.keys - 1;
  }

  /// The last key that the block's first query sees, as i32. Causal blocks have constant starts.
  Value visibleKeys(Emitter &e, const Block &block) const {
    if (!shape.causal)
      return Value();
    return arith::ConstantIntOp::create(e.builder, e.loc, startOf(block) + shape.offset(), 32);
  }

  static int64_t startOf(const Block &block) {
    return cast<IntegerAttr>(cast<Attribute>(block.start)).getInt();
  }

  /// Calls `body` for each head and block of queries.
  SmallVector<Value> forEachBlock(
      Emitter &e, int64_t cachedScores, ValueRange inits,
      llvm::function_ref<SmallVector<Value>(Emitter &, const Head &, const Block &, ValueRange)>
          body) const {
    SmallVector<QueryBlocks> blocks = shape.blocks(cachedScores);
    auto heads = [&](Emitter &e, const Head &head, SmallVector<Value> carried) {
      for (const QueryBlocks &group : blocks) {
        if (group.count == 1) {
          carried =
              body(e, head, {e.builder.getIndexAttr(group.start), group.rows, group.keys}, carried);
          continue;
        }
        carried = e.loop(group.count, carried, [&](Emitter &e, Value i, ValueRange values) {
          Value start = arith::MulIOp::create(e.builder, e.loc, i, e.index(group.rows));
          return body(e, head, {start, group.rows, group.keys}, values);
        });
      }
      return carried;
    };
    return e.loop(shape.batch, inits, [&](Emitter &e, Value b, ValueRange carried) {
      return e.loop(shape.kvHeads, carried, [&](Emitter &e, Value kv, ValueRange carried) {
        Value first =
            shape.groups() == 1
                ? kv
                : Value(arith::MulIOp::create(e.builder, e.loc, kv, e.index(shape.groups())));
        return e.loop(shape.groups(), carried, [&](Emitter &e, Value g, ValueRange carried) {
          Value head = shape.groups() == 1
                           ? first
                           : Value(arith::AddIOp::create(e.builder, e.loc, first, g));
          return heads(e, {b, head, kv}, SmallVector<Value>(carried));
        });
      });
    });
  }
};

struct LowerAttention : OpConversionPattern<nn::AttentionOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::AttentionOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    Shape shape(op.getQuery().getType(), op.getKey().getType(), op.getValue().getType(),
                op.getCausal());
    Attention attention{shape,
                        e.widenTensor(adaptor.getQuery()),
                        e.widenTensor(adaptor.getKey()),
                        e.widenTensor(adaptor.getValue()),
                        adaptor.getMask(),
                        op.getScale().convertToDouble()};
    Value result =
        e.empty({shape.batch, shape.queries, shape.heads, shape.valueDepth}, shape.element);
    Value logsumexp = e.empty({shape.batch, shape.heads, shape.queries}, shape.element);
    auto results = attention.forEachBlock(
        e, 96 * 1024, {result, logsumexp},
        [&](Emitter &e, const Head &head, const Block &block, ValueRange carried) {
          return forward(e, attention, head, block, carried);
        });
    rewriter.replaceOp(op, {toHeadMajor(e, results[0], op.getResult().getType()), results[1]});
    return success();
  }

  static SmallVector<Value> forward(Emitter &e, const Attention &attention, const Head &head,
                                    const Block &block, ValueRange carried) {
    const Shape &shape = attention.shape;
    SmallVector<int64_t> space = {block.rows, block.keys};
    Value products = attention.products(e, head, block);
    Value visible = attention.visibleKeys(e, block);
    Value scores = e.map(
        space, shape.element, attention.scoreInputs(e, products, head, block),
        [&](Emitter &e, ValueRange args) { return attention.score(e, args, block, visible); });
    Value max = e.max(space, {0}, shape.element, {{scores, {0, 1}}},
                      [](Emitter &, ValueRange args) { return args[0]; });
    // A query that sees no key: its exponentials are 0 and so is what it gives.
    auto isEqual = [](Emitter &e, Value a, double b) -> Value {
      return arith::CmpFOp::create(e.builder, e.loc, arith::CmpFPredicate::OEQ, a,
                                   e.constant(a.getType(), b));
    };
    constexpr double infinity = std::numeric_limits<double>::infinity();
    max = e.map({block.rows}, shape.element, {{max, {0}}}, [&](Emitter &e, ValueRange args) {
      return e.select(isEqual(e, args[0], -infinity), e.constant(shape.element, 0.0), args[0]);
    });
    Value exps = e.map(space, shape.element, {{scores, {0, 1}}, {max, {0}}},
                       [](Emitter &e, ValueRange args) { return e.exp(e.sub(args[0], args[1])); });
    Value sum = e.sum(space, {0}, shape.element, {{exps, {0, 1}}},
                      [](Emitter &, ValueRange args) { return args[0]; });
    Value logsumexp = e.map(
        {block.rows}, shape.element, {{sum, {0}}, {max, {0}}}, [&](Emitter &e, ValueRange args) {
          return e.select(isEqual(e, args[0], 0.0), e.constant(shape.element, infinity),
                          e.add(e.log(args[0]), args[1]));
        });
    Value values = headSlice(e, attention.value, head.batch, head.kvHead, zeroIndex(e), block.keys,
                             shape.valueDepth);
    Value mixed = times(e, exps, values);
    // Dividing the mix costs less than dividing the scores.
    Value inverse =
        e.map({block.rows}, shape.element, {{sum, {0}}}, [&](Emitter &e, ValueRange args) {
          Value zero = e.constant(shape.element, 0.0), one = e.constant(shape.element, 1.0);
          return e.select(isEqual(e, args[0], 0.0), zero, e.div(one, args[0]));
        });
    Value output =
        e.map({block.rows, shape.valueDepth}, shape.element, {{mixed, {0, 1}}, {inverse, {0}}},
              [](Emitter &e, ValueRange args) { return e.mul(args[0], args[1]); });
    return {
        insertRows(e, output, carried[0], head.batch, head.head, block.start),
        e.insert(logsumexp, carried[1], {head.batch, head.head, block.start}, {1, 1, block.rows})};
  }
};

struct LowerAttentionBackward : OpConversionPattern<nn::AttentionBackwardOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::AttentionBackwardOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op.getLoc());
    Shape shape(op.getQuery().getType(), op.getKey().getType(), op.getValue().getType(),
                op.getCausal());
    Attention attention{shape,
                        e.widenTensor(adaptor.getQuery()),
                        e.widenTensor(adaptor.getKey()),
                        e.widenTensor(adaptor.getValue()),
                        adaptor.getMask(),
                        op.getScale().convertToDouble()};
    Residuals residuals{e.widenTensor(adaptor.getOutput()), adaptor.getLogsumexp(),
                        e.widenTensor(adaptor.getGrad())};
    // A frozen projection leaves its cotangent without a use.
    SmallVector<Value> carried(3);
    SmallVector<int> slots;
    SmallVector<Value> inits;
    auto want = [&](unsigned i, int64_t rows, int64_t heads, int64_t depth, bool accumulated) {
      slots.push_back(-1);
      if (op->getResult(i).use_empty())
        return;
      slots[i] = inits.size();
      SmallVector<int64_t> sizes = {shape.batch, rows, heads, depth};
      inits.push_back(accumulated ? e.filled(sizes, shape.element, 0.0)
                                  : e.empty(sizes, shape.element));
    };
    want(0, shape.queries, shape.heads, shape.depth, false);
    want(1, shape.keys, shape.kvHeads, shape.depth, true);
    want(2, shape.keys, shape.kvHeads, shape.valueDepth, true);
    auto results = attention.forEachBlock(
        e, 64 * 1024, inits,
        [&](Emitter &e, const Head &head, const Block &block, ValueRange values) {
          return backward(e, attention, residuals, slots, head, block, SmallVector<Value>(values));
        });
    SmallVector<Value> replacements;
    for (auto [slot, result] : llvm::zip_equal(slots, op->getResults())) {
      auto type = cast<RankedTensorType>(result.getType());
      replacements.push_back(slot < 0 ? e.empty(type.getShape(), type.getElementType())
                                      : toHeadMajor(e, results[slot], type));
    }
    rewriter.replaceOp(op, replacements);
    return success();
  }

  /// What the backward has beside the forward's operands.
  struct Residuals {
    Value output, logsumexp, grad;
  };

  static SmallVector<Value> backward(Emitter &e, const Attention &attention,
                                     const Residuals &operands, ArrayRef<int> slots,
                                     const Head &head, const Block &block,
                                     SmallVector<Value> carried) {
    const Shape &shape = attention.shape;
    SmallVector<int64_t> space = {block.rows, block.keys};
    OpFoldResult zero = zeroIndex(e);
    auto rowsOf = [&](Value tensor, int64_t depth) {
      return headSlice(e, tensor, head.batch, head.head, block.start, block.rows, depth);
    };
    Value logsumexp =
        e.slice(operands.logsumexp, {head.batch, head.head, block.start}, {1, 1, block.rows}, {2});
    Value products = attention.products(e, head, block);
    SmallVector<Access> inputs = attention.scoreInputs(e, products, head, block);
    inputs.push_back({logsumexp, {0}});
    Value visible = attention.visibleKeys(e, block);
    Value probabilities = e.map(space, shape.element, inputs, [&](Emitter &e, ValueRange args) {
      return e.exp(e.sub(attention.score(e, args, block, visible), args.back()));
    });
    Value grad = rowsOf(operands.grad, shape.valueDepth);
    if (slots[2] >= 0) {
      Value &slot = carried[slots[2]];
      Value old = rowSlice(e, slot, head.batch, head.kvHead, zero, block.keys, shape.valueDepth);
      Value sum = addTransposedTimes(e, probabilities, grad, old);
      slot = insertRows(e, sum, slot, head.batch, head.kvHead, zero);
    }
    if (slots[0] < 0 && slots[1] < 0)
      return carried;
    Value output = rowsOf(operands.output, shape.valueDepth);
    Value delta = e.sum({block.rows, shape.valueDepth}, {0}, shape.element,
                        {{grad, {0, 1}}, {output, {0, 1}}},
                        [](Emitter &e, ValueRange args) { return e.mul(args[0], args[1]); });
    Value values =
        headSlice(e, attention.value, head.batch, head.kvHead, zero, block.keys, shape.valueDepth);
    Value probabilityGrads = timesTransposed(e, grad, values);
    Value scoreGrads = e.map(
        space, shape.element, {{probabilities, {0, 1}}, {probabilityGrads, {0, 1}}, {delta, {0}}},
        [&](Emitter &e, ValueRange args) {
          return e.mul(e.mul(args[0], e.sub(args[1], args[2])), attention.scale);
        });
    if (slots[0] >= 0) {
      Value &slot = carried[slots[0]];
      Value keys =
          headSlice(e, attention.key, head.batch, head.kvHead, zero, block.keys, shape.depth);
      slot = insertRows(e, times(e, scoreGrads, keys), slot, head.batch, head.head, block.start);
    }
    if (slots[1] >= 0) {
      Value &slot = carried[slots[1]];
      Value old = rowSlice(e, slot, head.batch, head.kvHead, zero, block.keys, shape.depth);
      Value sum = addTransposedTimes(e, scoreGrads, rowsOf(attention.query, shape.depth), old);
      slot = insertRows(e, sum, slot, head.batch, head.kvHead, zero);
    }
    return carried;
  }
};

} // namespace

void bigmac::populateNNAttentionToLinalgPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerAttention, LowerAttentionBackward>(patterns.getContext());
}
