//===- SplitPhases.cpp - Forward, backward, weight gradient ----------------===//

#include "bigmac/AutoDiff/SplitPhases.h"

#include "MinCut.h"
#include "bigmac/Support/ByteSize.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace bigmac;

void PhaseSlice::clone(OpBuilder &builder, IRMapping &mapping) const {
  for (Operation *op : ops)
    builder.clone(*op, mapping);
}

namespace {

/// Ops that cost about as much as a load of their result.
bool isCheap(Operation *op) {
  if (isa<arith::ArithDialect>(op->getDialect()))
    return !isa<arith::DivFOp, arith::RemFOp>(op);
  return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp,
             nn::BroadcastOp, nn::TransposeOp, math::AbsFOp>(op);
}

/// The transpose of an attention's output, as which kernels write it: the first one.
nn::TransposeOp layoutOf(nn::AttentionOp attention) {
  nn::TransposeOp first;
  for (Operation *user : attention.getResult().getUsers())
    if (auto transpose = dyn_cast<nn::TransposeOp>(user);
        transpose && (!first || transpose->isBeforeInBlock(first)))
      first = transpose;
  return first;
}

/// Whether memory holds `value` in another way, which is as good: attention's outputs as their
/// transposes, other transposes as what is transposed, slices as parts of the whole.
bool isHeldOtherwise(Value value) {
  Operation *op = value.getDefiningOp();
  while (isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    value = op->getOperand(0);
    op = value.getDefiningOp();
  }
  if (auto attention = dyn_cast_or_null<nn::AttentionOp>(op))
    return value == attention.getResult() && layoutOf(attention);
  if (isa_and_nonnull<tensor::ExtractSliceOp>(op))
    return true;
  auto transpose = dyn_cast_or_null<nn::TransposeOp>(op);
  return transpose && !transpose.getInput().getDefiningOp<nn::AttentionOp>();
}

/// Later users of an attention's output read it off its transpose: so that one of them is enough.
void shareLayouts(Block &block) {
  for (auto attention : block.getOps<nn::AttentionOp>()) {
    nn::TransposeOp layout = layoutOf(attention);
    if (!layout)
      continue;
    auto isLater = [&](OpOperand &use) {
      return use.getOwner()->getBlock() == &block && layout->isBeforeInBlock(use.getOwner());
    };
    if (llvm::none_of(attention.getResult().getUses(), isLater))
      continue;
    OpBuilder builder(layout->getContext());
    builder.setInsertionPointAfter(layout);
    Value back = nn::TransposeOp::create(builder, attention.getLoc(),
                                         attention.getResult().getType(), layout.getResult(),
                                         invertPermutationVector(layout.getPermutation()));
    attention.getResult().replaceUsesWithIf(back, isLater);
  }
}

class Splitter {
public:
  Splitter(Block &block, ArrayRef<SmallVector<Value>> wanted, const DenseSet<Value> &free,
           const RecomputePolicy &policy)
      : block(block), wanted(wanted), free(free), policy(policy) {}

  PhaseSplit run();

private:
  static constexpr unsigned kUnused = ~0u;

  void assignPhases();
  void markFreeOps();
  /// Values of earlier phases that phase p's own ops and outputs read.
  SmallVector<Value> earlierValues(unsigned phase);
  /// Chooses what phase p takes from earlier phases, and what it recomputes.
  void resolve(unsigned phase);
  /// The latest phase before p that has a value at hand.
  unsigned supplierOf(Value value, unsigned phase) const;
  PhaseSlice slice(unsigned phase);

  /// Ops that every policy computes again.
  bool isCostless(Operation *op) const {
    return freeOps.contains(op) ||
           (op->getNumResults() == 1 && (isCheap(op) || (policy.isCheap && policy.isCheap(op))));
  }
  /// Of computing an op again in phase p, in bytes; VertexCut::kUnlimited where it is not.
  uint64_t priceOf(Operation *op, unsigned phase) const;
  unsigned phaseOf(Value value) const {
    Operation *op = value.getDefiningOp();
    auto it = phases.find(op);
    return op && it != phases.end() ? it->second : kUnused;
  }

  Block &block;
  ArrayRef<SmallVector<Value>> wanted;
  const DenseSet<Value> &free;
  const RecomputePolicy &policy;
  DenseMap<Operation *, unsigned> phases;
  DenseSet<Operation *> freeOps;
  /// Block arguments that later phases read whatever is recomputed.
  DenseSet<Value> keptAnyway;
  SmallVector<DenseSet<Operation *>> recomputed;
  SmallVector<llvm::SetVector<Value>> outputs;
};

} // namespace

void Splitter::assignPhases() {
  for (auto [phase, values] : llvm::enumerate(wanted)) {
    SmallVector<Value> worklist(values.begin(), values.end());
    while (!worklist.empty()) {
      Operation *op = worklist.pop_back_val().getDefiningOp();
      if (!op || !phases.try_emplace(op, phase).second)
        continue;
      llvm::append_range(worklist, op->getOperands());
    }
  }
}

void Splitter::markFreeOps() {
  for (Operation &op : block) {
    bool all = llvm::all_of(op.getOperands(), [&](Value operand) {
      Operation *producer = operand.getDefiningOp();
      return producer ? freeOps.contains(producer) : free.contains(operand);
    });
    // A matmul of parameters is worth saving even so.
    if (all && op.getNumResults() == 1 && !isa<nn::MatmulOp, nn::AttentionOp>(op))
      freeOps.insert(&op);
  }
}

uint64_t Splitter::priceOf(Operation *op, unsigned phase) const {
  if (isCostless(op))
    return 0;
  // What the backward has computed, or computed again, waits for the weight gradient: not for long.
  bool atHand = phase > 1 && (phases.lookup(op) > 0 || supplierOf(op->getResult(0), phase) > 0);
  if (std::isinf(policy.bytesPerSecond) || atHand)
    return VertexCut::kUnlimited;
  // Below the unlimited, so that no sum of prices overflows.
  return std::llround(std::min(policy.bytesPerSecond * policy.secondsOf(op), 0x1p50));
}

SmallVector<Value> Splitter::earlierValues(unsigned phase) {
  llvm::SetVector<Value> values;
  auto read = [&](Value value) {
    unsigned from = phaseOf(value);
    if (from != kUnused && from < phase)
      values.insert(value);
  };
  for (Operation &op : block)
    if (auto it = phases.find(&op); it != phases.end() && it->second == phase)
      llvm::for_each(op.getOperands(), read);
  llvm::for_each(wanted[phase], read);
  return values.takeVector();
}

unsigned Splitter::supplierOf(Value value, unsigned phase) const {
  unsigned own = phaseOf(value);
  for (unsigned earlier = phase - 1; earlier > own; --earlier)
    if (recomputed[earlier].contains(value.getDefiningOp()))
      return earlier;
  return own;
}

void Splitter::resolve(unsigned phase) {
  SmallVector<Value> needed = earlierValues(phase);
  // Vertices: everything that the needed values could be recomputed from. Which vertex an op's
  // price and operands are at: its result's, or its own where it has several results.
  llvm::MapVector<Value, unsigned> vertices;
  DenseMap<Operation *, unsigned> makers;
  VertexCut cut;
  SmallVector<Value> worklist;
  auto vertexOf = [&](Value value) {
    auto [it, inserted] = vertices.try_emplace(value, 0);
    if (inserted) {
      // A byte more decides between equals.
      it->second = cut.addVertex(
          keptAnyway.contains(value) ? 0 : byteSize(value.getType()) + isHeldOtherwise(value));
      worklist.push_back(value);
    }
    return vertices.lookup(value);
  };
  for (Value value : needed)
    cut.addSink(vertexOf(value));
  while (!worklist.empty()) {
    Value value = worklist.pop_back_val();
    unsigned vertex = vertices.lookup(value);
    Operation *op = value.getDefiningOp();
    if (!op) {
      if (!free.contains(value))
        cut.addSource(vertex);
      continue;
    }
    if (op->getNumResults() > 1) {
      auto [it, inserted] = makers.try_emplace(op, 0);
      if (inserted)
        it->second = cut.addVertex(VertexCut::kUnlimited);
      cut.addEdge(it->second, vertex);
      if (!inserted)
        continue;
      vertex = it->second;
    }
    uint64_t price = priceOf(op, phase);
    if (price != 0)
      cut.addSource(vertex, price);
    if (price == VertexCut::kUnlimited)
      continue;
    for (Value operand : op->getOperands()) {
      unsigned from = vertexOf(operand);
      cut.addEdge(from, vertex);
    }
  }
  DenseSet<unsigned> saved;
  for (unsigned vertex : cut.solve())
    saved.insert(vertex);

  // From the needed values back to the saved ones.
  DenseSet<Value> seen;
  SmallVector<Value> pending(needed.begin(), needed.end());
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    Operation *op = value.getDefiningOp();
    if (!op)
      continue;
    if (saved.contains(vertices.lookup(value))) {
      outputs[supplierOf(value, phase)].insert(value);
      continue;
    }
    recomputed[phase].insert(op);
    llvm::append_range(pending, op->getOperands());
  }
}

PhaseSlice Splitter::slice(unsigned phase) {
  PhaseSlice slice;
  DenseSet<Operation *> placed;
  // Operands that are computed again, first; without recursion, as chains are long.
  auto place = [&](Operation *last) {
    SmallVector<Operation *> stack{last};
    while (!stack.empty()) {
      Operation *op = stack.back();
      bool ready = true;
      if (!placed.contains(op))
        for (Value operand : op->getOperands()) {
          Operation *producer = operand.getDefiningOp();
          if (producer && recomputed[phase].contains(producer) && !placed.contains(producer)) {
            stack.push_back(producer);
            ready = false;
          }
        }
      if (!ready)
        continue;
      stack.pop_back();
      if (placed.insert(op).second)
        slice.ops.push_back(op);
    }
  };
  for (Operation &op : block)
    if (auto it = phases.find(&op); it != phases.end() && it->second == phase)
      place(&op);
  slice.outputs = SmallVector<Value>(outputs[phase].begin(), outputs[phase].end());
  for (Value output : slice.outputs)
    if (Operation *op = output.getDefiningOp(); op && recomputed[phase].contains(op))
      place(op);

  llvm::SetVector<Value> read;
  auto take = [&](Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || !placed.contains(op))
      read.insert(value);
  };
  for (Operation *op : slice.ops)
    llvm::for_each(op->getOperands(), take);
  llvm::for_each(slice.outputs, take);
  slice.inputs = read.takeVector();
  return slice;
}

/// The most bytes of a phase's own values that are alive at once, where ops run in order.
static uint64_t transientBytes(const PhaseSlice &slice) {
  auto root = [](Value value) {
    while (Operation *op = value.getDefiningOp()) {
      if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
        break;
      value = op->getOperand(0);
    }
    return value;
  };
  DenseMap<Value, unsigned> lastUse;
  for (auto [i, op] : llvm::enumerate(slice.ops))
    for (Value operand : op->getOperands())
      lastUse[root(operand)] = i;
  DenseSet<Value> elsewhere;
  for (Value value : slice.outputs)
    elsewhere.insert(root(value));
  for (Value value : slice.inputs)
    elsewhere.insert(root(value));
  SmallVector<uint64_t> ending(slice.ops.size(), 0);
  uint64_t live = 0, most = 0;
  for (auto [i, op] : llvm::enumerate(slice.ops)) {
    for (Value result : op->getResults()) {
      if (root(result) != result || elsewhere.contains(result))
        continue;
      auto last = lastUse.find(result);
      uint64_t bytes = byteSize(result.getType());
      live += bytes;
      ending[last == lastUse.end() ? i : last->second] += bytes;
    }
    most = std::max(most, live);
    live -= ending[i];
  }
  return most;
}

PhaseSplit Splitter::run() {
  unsigned count = wanted.size();
  recomputed.resize(count);
  outputs.resize(count);
  shareLayouts(block);
  assignPhases();
  markFreeOps();
  for (Operation &op : block)
    if (auto it = phases.find(&op); it != phases.end() && it->second > 0)
      for (Value operand : op.getOperands())
        if (!operand.getDefiningOp())
          keptAnyway.insert(operand);
  for (unsigned phase = 0; phase < count; ++phase)
    outputs[phase].insert(wanted[phase].begin(), wanted[phase].end());
  for (unsigned phase = 1; phase < count; ++phase)
    resolve(phase);

  PhaseSplit split;
  for (unsigned phase = 0; phase < count; ++phase)
    split.phases.push_back(slice(phase));
  DenseSet<Value> held;
  for (unsigned phase = 1; phase < count; ++phase) {
    const PhaseSlice &later = split.phases[phase];
    for (Value input : later.inputs) {
      bool stays =
          input.getDefiningOp()
              ? supplierOf(input, phase) == 0
              : !free.contains(input) && llvm::is_contained(split.phases.front().inputs, input);
      if (stays && held.insert(input).second)
        split.heldBytes += byteSize(input.getType());
    }
    split.transientBytes = std::max(split.transientBytes, transientBytes(later));
    for (Operation *op : later.ops)
      if (recomputed[phase].contains(op) && !isCostless(op))
        split.recomputeSeconds += policy.secondsOf(op);
  }
  return split;
}

PhaseSplit bigmac::splitPhases(Block &block, ArrayRef<SmallVector<Value>> wanted,
                               const DenseSet<Value> &free, const RecomputePolicy &policy) {
  return Splitter(block, wanted, free, policy).run();
}

/// Ops that are no part of a kernel with their neighbours.
static bool isApart(Operation *op) {
  return isa<nn::MatmulOp, nn::ConvOp, nn::AttentionOp, nn::AttentionBackwardOp, nn::EmbeddingOp,
             nn::EmbeddingBackwardOp, nn::GatherElementsOp, nn::GatherElementsBackwardOp>(op);
}

/// What a shape change is of.
static Value wholeOf(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

DenseSet<Value> bigmac::deferredGradients(ArrayRef<Value> earlier, ArrayRef<Value> gradients) {
  DenseSet<Operation *> done;
  SmallVector<Value> worklist(earlier);
  while (!worklist.empty())
    if (Operation *op = worklist.pop_back_val().getDefiningOp(); op && done.insert(op).second)
      llvm::append_range(worklist, op->getOperands());
  // Values that a kernel of the earlier phases makes or reads; constants aside.
  DenseSet<Value> atHand;
  auto addAtHand = [&](Value value) {
    if (Operation *op = value.getDefiningOp(); !op || op->getNumOperands() != 0)
      atHand.insert(value);
  };
  for (Operation *op : done)
    if (!isApart(op) && !isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
      llvm::for_each(op->getResults(), addAtHand);
      for (Value operand : op->getOperands())
        addAtHand(wholeOf(operand));
    }

  DenseSet<Value> deferred;
  for (Value gradient : gradients) {
    DenseSet<Operation *> own;
    bool apart = false, shares = false;
    worklist.push_back(gradient);
    while (!worklist.empty()) {
      Value value = worklist.pop_back_val();
      Operation *op = value.getDefiningOp();
      if (!op || done.contains(op)) {
        shares |= atHand.contains(wholeOf(value));
        continue;
      }
      if (!own.insert(op).second)
        continue;
      apart |= isApart(op);
      llvm::append_range(worklist, op->getOperands());
    }
    if (apart || !shares)
      deferred.insert(gradient);
  }
  if (deferred.empty())
    deferred.insert(gradients.begin(), gradients.end());
  return deferred;
}
