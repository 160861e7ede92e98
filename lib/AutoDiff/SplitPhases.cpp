//===- SplitPhases.cpp - Forward, backward, weight gradient ----------------===//

#include "bigmac/AutoDiff/SplitPhases.h"

#include "MinCut.h"
#include "bigmac/Support/ByteSize.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

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
             nn::BroadcastOp, math::AbsFOp>(op);
}

class Splitter {
public:
  Splitter(Block &block, ArrayRef<SmallVector<Value>> wanted, const DenseSet<Value> &free)
      : block(block), wanted(wanted), free(free) {}

  SmallVector<PhaseSlice> run();

private:
  static constexpr unsigned kUnused = ~0u;

  void assignPhases();
  void markFreeOps();
  /// Values of earlier phases that phase p's own ops and outputs read.
  SmallVector<Value> earlierValues(unsigned phase);
  /// Chooses what phase p takes from earlier phases, and what it recomputes.
  void resolve(unsigned phase);
  bool isRecomputable(Operation *op) const {
    return freeOps.contains(op) || (isCheap(op) && op->getNumResults() == 1);
  }
  unsigned phaseOf(Value value) const {
    Operation *op = value.getDefiningOp();
    return op ? phases.lookup(op) : kUnused;
  }

  Block &block;
  ArrayRef<SmallVector<Value>> wanted;
  const DenseSet<Value> &free;
  DenseMap<Operation *, unsigned> phases;
  DenseSet<Operation *> freeOps;
  SmallVector<llvm::SetVector<Operation *>> recomputed;
  SmallVector<llvm::SetVector<Value>> inputs, outputs;
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

void Splitter::resolve(unsigned phase) {
  SmallVector<Value> needed = earlierValues(phase);
  // Vertices: everything that the needed values could be recomputed from.
  llvm::MapVector<Value, unsigned> vertices;
  VertexCut cut;
  SmallVector<Value> worklist;
  auto vertexOf = [&](Value value) {
    auto [it, inserted] = vertices.try_emplace(value, 0);
    if (inserted) {
      it->second = cut.addVertex(byteSize(value.getType()));
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
    // Values that an even earlier phase hands over anyway are taken as they are.
    if (!isRecomputable(op)) {
      cut.addSource(vertex);
      continue;
    }
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
  DenseSet<Operation *> recompute;
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    Operation *op = value.getDefiningOp();
    if (!op)
      continue;
    if (saved.contains(vertices.lookup(value))) {
      outputs[phaseOf(value)].insert(value);
      continue;
    }
    recompute.insert(op);
    llvm::append_range(pending, op->getOperands());
  }
  for (Operation &op : block)
    if (recompute.contains(&op))
      recomputed[phase].insert(&op);
}

SmallVector<PhaseSlice> Splitter::run() {
  unsigned count = wanted.size();
  recomputed.resize(count);
  inputs.resize(count);
  outputs.resize(count);
  assignPhases();
  markFreeOps();
  for (unsigned phase = 0; phase < count; ++phase)
    outputs[phase].insert(wanted[phase].begin(), wanted[phase].end());
  for (unsigned phase = 1; phase < count; ++phase)
    resolve(phase);

  SmallVector<PhaseSlice> slices(count);
  for (auto [phase, slice] : llvm::enumerate(slices)) {
    DenseSet<Operation *> own;
    for (Operation &op : block) {
      auto it = phases.find(&op);
      bool mine = it != phases.end() && it->second == phase;
      if (mine || recomputed[phase].contains(&op)) {
        slice.ops.push_back(&op);
        own.insert(&op);
      }
    }
    llvm::SetVector<Value> read;
    auto take = [&](Value value) {
      Operation *op = value.getDefiningOp();
      if (!op || !own.contains(op))
        read.insert(value);
    };
    for (Operation *op : slice.ops)
      llvm::for_each(op->getOperands(), take);
    slice.outputs = outputs[phase].takeVector();
    llvm::for_each(slice.outputs, take);
    slice.inputs = read.takeVector();
  }
  return slices;
}

SmallVector<PhaseSlice> bigmac::splitPhases(Block &block, ArrayRef<SmallVector<Value>> wanted,
                                            const DenseSet<Value> &free) {
  return Splitter(block, wanted, free).run();
}
