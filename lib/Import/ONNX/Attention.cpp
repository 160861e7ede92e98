//===- Attention.cpp - Attention and rotary embeddings ---------------------===//

#include "OpImporters.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

namespace {

/// The operands of Attention, as [batch, heads, sequence, size].
struct Heads {
  Value query, key, value;
  Value mask;          ///< additive, [batch or 1, heads or 1, queries or 1, keys], or null
  bool packed = false; ///< the node's operands are [batch, sequence, heads * size]
  int64_t past = 0, queries = 0, keys = 0;
};

} // namespace

/// [batch, sequence, heads * size] -> [batch, heads, sequence, size]
static FailureOr<Value> unpackHeads(NodeContext &n, Value value, int64_t heads) {
  ArrayRef<int64_t> shape = shapeOf(value);
  if (heads < 1 || shape[2] % heads)
    return n.error() << "cannot split " << value.getType() << " into " << heads
                     << " heads (q_num_heads, kv_num_heads)";
  return n.swapDims(n.reshape(value, {shape[0], shape[1], heads, shape[2] / heads}), 1, 2);
}

static FailureOr<Heads> makeHeads(NodeContext &n) {
  Heads heads;
  Value *parts[] = {&heads.query, &heads.key, &heads.value};
  int64_t rank = typeOf(n.in(0)).getRank();
  heads.packed = rank == 3;
  for (unsigned i = 0; i < 3; ++i) {
    Value value = n.in(i);
    if (!isFloat(value) || typeOf(value).getRank() != rank || (rank != 3 && rank != 4) ||
        typeOf(value).getElementType() != typeOf(n.in(0)).getElementType())
      return n.error() << "expects query, key and value to be floating-point tensors of rank 3 or "
                          "4, found "
                       << value.getType();
    if (heads.packed) {
      FailureOr<Value> unpacked =
          unpackHeads(n, value, n.attrInt(i ? "kv_num_heads" : "q_num_heads", 0));
      if (failed(unpacked))
        return failure();
      value = *unpacked;
    }
    *parts[i] = value;
  }
  if (n.has(4) != n.has(5))
    return n.error() << "has past_key or past_value without the other";
  for (unsigned i = 0; n.has(4) && i < 2; ++i) {
    Value past = n.in(4 + i), &now = i ? heads.value : heads.key;
    Shape expected(shapeOf(now));
    if (typeOf(past).getRank() != 4 ||
        typeOf(past).getElementType() != typeOf(now).getElementType())
      return n.error() << "has past " << past.getType() << " for " << now.getType();
    expected[2] = shapeOf(past)[2];
    if (shapeOf(past) != ArrayRef<int64_t>(expected))
      return n.error() << "has past " << past.getType() << " for " << now.getType();
    heads.past = shapeOf(past)[2];
    now = n.concat({past, now}, 2);
  }
  heads.queries = shapeOf(heads.query)[2];
  heads.keys = shapeOf(heads.key)[2];
  return heads;
}

/// The mask as additive floats of rank 4.
static LogicalResult makeMask(NodeContext &n, Heads &heads) {
  if (!n.has(3))
    return success();
  Value mask = n.in(3);
  Type element = typeOf(heads.query).getElementType();
  if (typeOf(mask).getRank() > 4 || typeOf(mask).getRank() < 1 ||
      (!isBool(mask) && typeOf(mask).getElementType() != element))
    return n.error() << "expects a mask of booleans or of its query's type and of rank 4 or less, "
                        "found "
                     << mask.getType();
  Shape shape(shapeOf(mask));
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  mask = n.reshape(mask, shape);
  ArrayRef<int64_t> query = shapeOf(heads.query);
  int64_t limits[] = {query[0], query[1], query[2]};
  for (int i = 0; i < 3; ++i)
    if (shape[i] != 1 && shape[i] != limits[i])
      return n.error() << "has mask " << n.in(3).getType() << ", which does not fit "
                       << heads.query.getType() << " and " << heads.keys << " keys";
  if (isBool(mask)) {
    auto type = RankedTensorType::get(shape, element);
    mask = n.select(mask, nn::createSplat(n.b, n.loc, type, 0.0),
                    nn::createSplat(n.b, n.loc, type, -kInfinity));
  }
  if (shape[3] == 1 && heads.keys != 1) {
    shape[3] = heads.keys;
    mask = n.broadcast(mask, shape);
  } else if (shape[3] < heads.keys && n.node.opset >= 24) {
    // Keys beyond a short mask are not seen.
    shape[3] = heads.keys - shape[3];
    Value rest = nn::createSplat(n.b, n.loc, RankedTensorType::get(shape, element), -kInfinity);
    mask = n.concat({mask, rest}, 3);
  } else if (shape[3] != heads.keys) {
    return n.error() << "has mask " << n.in(3).getType() << " for " << heads.keys << " keys";
  }
  heads.mask = mask;
  return success();
}

/// Adds to the mask what query i may not see: keys j with j - i - past outside of [low, high].
static LogicalResult addBand(NodeContext &n, Heads &heads, int64_t low, int64_t high) {
  if (heads.queries && heads.keys > kMaxConstantElements / heads.queries)
    return n.error() << "has a mask of too many elements";
  SmallVector<bool> seen;
  for (int64_t i = 0; i < heads.queries; ++i)
    for (int64_t j = 0; j < heads.keys; ++j)
      seen.push_back(j - i - heads.past >= low && j - i - heads.past <= high);
  Type element = typeOf(heads.query).getElementType();
  Shape shape = {1, 1, heads.queries, heads.keys};
  auto type = RankedTensorType::get(shape, element);
  Value band = n.select(n.constantBools(shape, seen), nn::createSplat(n.b, n.loc, type, 0.0),
                        nn::createSplat(n.b, n.loc, type, -kInfinity));
  if (heads.mask) {
    SmallVector<Value> both = {heads.mask, band};
    if (failed(n.unify(both)))
      return failure();
    band = n.add(both[0], both[1]);
  }
  heads.mask = band;
  return success();
}

/// Attention written out, for what nn.attention does not have: soft caps and the scores as output.
static FailureOr<Value> decomposed(NodeContext &n, const Heads &heads, double scale,
                                   double softcap) {
  ArrayRef<int64_t> query = shapeOf(heads.query), key = shapeOf(heads.key);
  if (key[1] < 1 || query[1] % key[1] || query[0] != key[0] || query[3] != key[3] ||
      shapeOf(heads.value).take_front(3) != key.take_front(3))
    return n.error() << "has query " << heads.query.getType() << ", key " << heads.key.getType()
                     << " and value " << heads.value.getType() << ", which do not fit";
  auto repeat = [&](Value value) {
    ArrayRef<int64_t> shape = shapeOf(value);
    int64_t times = query[1] / shape[1];
    Value unit = n.reshape(value, {shape[0], shape[1], 1, shape[2], shape[3]});
    Value spread = n.broadcast(unit, {shape[0], shape[1], times, shape[2], shape[3]});
    return n.reshape(spread, {shape[0], query[1], shape[2], shape[3]});
  };
  Value scores = nn::MatmulOp::create(n.b, n.loc, heads.query, repeat(heads.key), false, true);
  scores = n.mul(scores, n.splat(scores, scale));
  int64_t mode = n.attrInt("qk_matmul_output_mode", 0);
  auto output = [&](int64_t when, Value value) {
    if (n.wantsOutput(3) && mode == when)
      (void)n.setResult(value, 3);
  };
  output(0, scores);
  if (softcap != 0.0) {
    Value cap = n.splat(scores, softcap);
    scores = n.mul(math::TanhOp::create(n.b, n.loc, n.div(scores, cap)), cap);
  }
  output(1, scores);
  if (heads.mask)
    scores = n.add(scores, n.broadcast(heads.mask, shapeOf(scores)));
  output(2, scores);
  Value probabilities = nn::SoftmaxOp::create(n.b, n.loc, scores);
  if (heads.mask) {
    // A query that may see nothing gives zeros.
    Value best = n.reduceMax(scores, {3});
    Value blind = n.compare(NodeContext::Compare::Equal, best, n.splat(best, -kInfinity));
    Shape unit(shapeOf(scores));
    unit[3] = 1;
    probabilities = n.select(n.broadcast(n.reshape(blind, unit), shapeOf(scores)),
                             n.splat(scores, 0.0), probabilities);
  }
  output(3, probabilities);
  return Value(nn::MatmulOp::create(n.b, n.loc, probabilities, repeat(heads.value)));
}

LogicalResult bigmac::onnx::importAttention(NodeContext &n) {
  if (n.has(6))
    return n.error() << "has nonpad_kv_seqlen, which is not supported: use attn_mask";
  FailureOr<Heads> made = makeHeads(n);
  if (failed(made))
    return failure();
  Heads heads = *made;
  if (n.wantsOutput(1))
    (void)n.setResult(heads.key, 1);
  if (n.wantsOutput(2))
    (void)n.setResult(heads.value, 2);
  if (failed(makeMask(n, heads)))
    return failure();
  bool causal = n.attrInt("is_causal", 0) != 0;
  int64_t left = n.attrInt("left_window_size", -1), right = n.attrInt("right_window_size", -1);
  double softcap = n.attrFloat("softcap", 0.0);
  bool written = softcap != 0.0 || n.wantsOutput(3);
  constexpr int64_t kFar = int64_t(1) << 40;
  if (left >= 0 || right >= 0) {
    right = causal ? 0 : right;
    causal = false;
    if (failed(addBand(n, heads, left < 0 ? -kFar : -std::min(left, kFar),
                       right < 0 ? kFar : std::min(right, kFar))))
      return failure();
  }
  // nn.attention aligns a causal mask at the last key: the same where no key is missing.
  if (causal && (written || heads.keys != heads.queries + heads.past)) {
    causal = false;
    if (failed(addBand(n, heads, -kFar, 0)))
      return failure();
  }
  int64_t headSize = shapeOf(heads.query)[3];
  if (headSize < 1)
    return n.error() << "has heads of no elements";
  double scale = n.attrFloat("scale", 1.0 / std::sqrt(static_cast<double>(headSize)));
  Value result;
  if (written) {
    FailureOr<Value> output = decomposed(n, heads, scale, softcap);
    if (failed(output))
      return failure();
    result = *output;
  } else {
    SmallVector<Value> operands = {heads.query, heads.key, heads.value};
    if (heads.mask)
      operands.push_back(heads.mask);
    FailureOr<nn::AttentionOp> op = n.create<nn::AttentionOp>(operands, [&](auto &properties) {
      properties.scale = n.b.getF64FloatAttr(scale);
      if (causal)
        properties.causal = n.b.getUnitAttr();
    });
    if (failed(op))
      return failure();
    result = op->getResult();
  }
  if (heads.packed) {
    ArrayRef<int64_t> shape = shapeOf(result);
    result = n.reshape(n.swapDims(result, 1, 2), {shape[0], shape[2], shape[1] * shape[3]});
  }
  return n.setResult(result);
}

LogicalResult bigmac::onnx::importRotaryEmbedding(NodeContext &n) {
  Value input = n.in(0), cosine = n.in(1), sine = n.in(2);
  if (!isFloat(input) || (typeOf(input).getRank() != 3 && typeOf(input).getRank() != 4))
    return n.error() << "expects a floating-point tensor of rank 3 or 4, found " << input.getType();
  bool packed = typeOf(input).getRank() == 3;
  Value x = input;
  if (packed) {
    FailureOr<Value> unpacked = unpackHeads(n, x, n.attrInt("num_heads", 0));
    if (failed(unpacked))
      return failure();
    x = *unpacked;
  }
  // [batch, heads, sequence, size]
  Shape shape(shapeOf(x));
  int64_t rotated = n.attrInt("rotary_embedding_dim", 0);
  rotated = rotated == 0 ? shape[3] : rotated;
  if (rotated < 2 || rotated % 2 || rotated > shape[3])
    return n.error() << "cannot rotate " << rotated << " of " << shape[3] << " elements";
  Shape halfShape(shape);
  halfShape[3] = rotated / 2;
  auto angles = [&](Value cache) -> FailureOr<Value> {
    if (n.has(3)) {
      if (typeOf(cache).getRank() != 2 || isFloat(n.in(3)) || isBool(n.in(3)))
        return n.error() << "expects integer positions and caches of rank 2, found "
                         << n.in(3).getType() << " and " << cache.getType();
      cache = n.lookup(cache, n.in(3));
    }
    if (shapeOf(cache) != ArrayRef<int64_t>{shape[0], shape[2], rotated / 2} ||
        typeOf(cache).getElementType() != typeOf(input).getElementType())
      return n.error() << "has a cache " << cache.getType() << " that does not fit "
                       << input.getType();
    return n.broadcast(n.reshape(cache, {shape[0], 1, shape[2], rotated / 2}), halfShape);
  };
  FailureOr<Value> c = angles(cosine), s = angles(sine);
  if (failed(c) || failed(s))
    return failure();
  Value turned = n.sliceDim(x, 3, 0, rotated);
  bool interleaved = n.attrInt("interleaved", 0) != 0;
  // The two halves of the rotated elements, or their even and odd ones.
  Shape pairs(halfShape);
  pairs.push_back(2);
  auto part = [&](int64_t i) {
    if (!interleaved)
      return n.sliceDim(turned, 3, i * (rotated / 2), rotated / 2);
    return n.reshape(n.sliceDim(n.reshape(turned, pairs), 4, i, 1), halfShape);
  };
  Value first = part(0), second = part(1);
  Value real = n.sub(n.mul(*c, first), n.mul(*s, second));
  Value imaginary = n.add(n.mul(*s, first), n.mul(*c, second));
  Value result;
  if (interleaved) {
    Shape unit(halfShape), whole(shape);
    unit.push_back(1);
    whole[3] = rotated;
    result = n.reshape(n.concat({n.reshape(real, unit), n.reshape(imaginary, unit)}, 4), whole);
  } else {
    result = n.concat({real, imaginary}, 3);
  }
  if (rotated < shape[3])
    result = n.concat({result, n.sliceDim(x, 3, rotated, shape[3] - rotated)}, 3);
  if (packed)
    result = n.reshape(n.swapDims(result, 1, 2), shapeOf(input));
  return n.setResult(result);
}
