//===- FuseRows.cpp - The task-fuse-rows pass -----------------------------===//

#include "RowGroups.h"

#include "bigmac/Target/TaskPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

#include <queue>

namespace bigmac {
#define GEN_PASS_DEF_TASKFUSEROWS
#include "bigmac/Target/TaskPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

namespace {

/// Reorders a block so that each group's ops follow one another. The order is otherwise the old
/// one as far as dependences allow.
class Scheduler {
public:
  Scheduler(Block &block, ArrayRef<RowGroup> groups) : block(block) {
    // A node is a group or an op in none; its number is that of its last op.
    for (auto [i, op] : llvm::enumerate(block.without_terminator()))
      position[&op] = i;
    for (const RowGroup &group : groups)
      for (linalg::GenericOp op : group.ops)
        nodeOf[op] = position[group.ops.back()];
    for (Operation &op : block.without_terminator()) {
      auto [it, isNew] = nodeOf.try_emplace(&op, position[&op]);
      members[it->second].push_back(&op);
    }
  }

  void run() {
    llvm::DenseMap<unsigned, SmallVector<unsigned>> users;
    llvm::DenseMap<unsigned, unsigned> missing;
    std::optional<unsigned> lastEffect;
    for (Operation &op : block.without_terminator()) {
      unsigned node = nodeOf[&op];
      llvm::SmallSetVector<unsigned, 8> needed;
      addProducers(&op, needed);
      // Effects keep their order. Reads of buffers are no effect: a buffer is only ever written
      // through the value that was read from it.
      if (!isMemoryEffectFree(&op) && op.getNumResults() == 0) {
        if (lastEffect)
          needed.insert(*lastEffect);
        lastEffect = node;
      }
      // A value is read before it is written over.
      if (auto write = dyn_cast<bufferization::MaterializeInDestinationOp>(op))
        for (Operation *reader : write.getDest().getUsers())
          if (Operation *ancestor = block.findAncestorOpInBlock(*reader))
            if (position.contains(ancestor))
              needed.insert(nodeOf[ancestor]);
      needed.remove(node);
      for (unsigned producer : needed) {
        users[producer].push_back(node);
        ++missing[node];
      }
    }
    std::priority_queue<unsigned, std::vector<unsigned>, std::greater<unsigned>> ready;
    for (auto &[node, ops] : members)
      if (missing.lookup(node) == 0)
        ready.push(node);
    while (!ready.empty()) {
      unsigned node = ready.top();
      ready.pop();
      for (Operation *op : members[node])
        op->moveBefore(block.getTerminator());
      for (unsigned user : users[node])
        if (--missing[user] == 0)
          ready.push(user);
    }
  }

private:
  void addProducers(Operation *op, llvm::SmallSetVector<unsigned, 8> &needed) {
    auto add = [&](Value value) {
      Operation *producer = value.getDefiningOp();
      if (producer)
        producer = block.findAncestorOpInBlock(*producer);
      if (producer)
        needed.insert(nodeOf.lookup(producer));
    };
    for (Value operand : op->getOperands())
      add(operand);
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    for (Value value : captured)
      add(value);
  }

  Block &block;
  llvm::DenseMap<Operation *, unsigned> position, nodeOf;
  llvm::DenseMap<unsigned, SmallVector<Operation *>> members;
};

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// Emits a group as one loop nest over its rows.
class RowLoop {
public:
  RowLoop(const RowGroup &group, OpBuilder &builder)
      : group(group), builder(builder), loc(group.ops.back()->getLoc()), rows(group.rows.size()) {}

  void emit() {
    collectOutputs();
    builder.setInsertionPointAfter(group.ops.back());
    SmallVector<Value> inits =
        llvm::map_to_vector(outputs, [&](OpResult result) { return initialTensor(result); });
    SmallVector<Value> results = emitLoop(0, inits);
    for (auto [output, result] : llvm::zip_equal(outputs, results))
      output.replaceAllUsesWith(result);
    for (linalg::GenericOp op : llvm::reverse(group.ops))
      op.erase();
  }

private:
  /// Results that something outside the group uses.
  void collectOutputs() {
    for (linalg::GenericOp op : group.ops)
      for (OpResult result : op->getResults()) {
        bool isUsedOutside = llvm::any_of(result.getUsers(), [&](Operation *user) {
          auto generic = dyn_cast<linalg::GenericOp>(user);
          return !generic || !llvm::is_contained(group.ops, generic);
        });
        if (isUsedOutside)
          outputs.push_back(result);
      }
  }

  linalg::GenericOp ownerOf(OpResult result) { return cast<linalg::GenericOp>(result.getOwner()); }

  Value initOf(OpResult result) { return ownerOf(result).getDpsInits()[result.getResultNumber()]; }

  /// Whether each row of the result starts from scratch.
  static bool isFresh(Value init) {
    return init.getDefiningOp<tensor::EmptyOp>() || init.getDefiningOp<linalg::FillOp>();
  }

  Value initialTensor(OpResult result) {
    Value init = initOf(result);
    if (group.kindOf(ownerOf(result)) != RowKind::PerRow || !isFresh(init))
      return init;
    auto type = cast<RankedTensorType>(result.getType());
    return tensor::EmptyOp::create(builder, loc, type.getShape(), type.getElementType());
  }

  SmallVector<Value> emitLoop(unsigned depth, ValueRange carried) {
    if (depth == rows)
      return emitBody(carried);
    Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
    Value one = arith::ConstantIndexOp::create(builder, loc, 1);
    Value size = arith::ConstantIndexOp::create(builder, loc, group.rows[depth]);
    auto loop = scf::ForOp::create(builder, loc, zero, size, one, carried);
    counters.push_back(loop.getInductionVar());
    builder.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> yielded = emitLoop(depth + 1, loop.getRegionIterArgs());
    // A loop that carries nothing has its terminator already; none such is emitted.
    scf::YieldOp::create(builder, loc, yielded);
    builder.setInsertionPointAfter(loop);
    return SmallVector<Value>(loop.getResults());
  }

  SmallVector<Value> emitBody(ValueRange carried) {
    llvm::DenseMap<Value, Value> current;
    for (auto [output, value] : llvm::zip_equal(outputs, carried))
      current[output] = value;
    for (linalg::GenericOp op : group.ops)
      emitRow(op, current);
    return llvm::map_to_vector(outputs, [&](OpResult output) -> Value {
      if (group.kindOf(ownerOf(output)) == RowKind::OverRows)
        return rowOf[output];
      return insertRow(rowOf[output], current[output], group.outerRowsOf(ownerOf(output)));
    });
  }

  /// One row's worth of `op`.
  void emitRow(linalg::GenericOp op, llvm::DenseMap<Value, Value> &current) {
    SmallVector<Value> inputs, inits;
    SmallVector<AffineMap> maps;
    for (OpOperand *input : op.getDpsInputOperands()) {
      AffineMap map = op.getMatchingIndexingMap(input);
      auto row = rowOf.find(input->get());
      inputs.push_back(row != rowOf.end() ? row->second : slice(input->get(), map));
      maps.push_back(withoutRows(map));
    }
    for (OpResult result : op->getResults()) {
      AffineMap map = op.getMatchingIndexingMap(op.getTiedOpOperand(result));
      Value init = initOf(result);
      if (group.kindOf(op) == RowKind::OverRows) {
        auto it = current.find(result);
        inits.push_back(it == current.end() ? init : it->second);
      } else if (!isFresh(init) || group.kindOf(op) == RowKind::OverInnerRows) {
        auto it = current.find(result);
        inits.push_back(slice(it == current.end() ? init : it->second, map));
      } else {
        inits.push_back(freshRow(cast<RankedTensorType>(result.getType()), init));
      }
      maps.push_back(withoutRows(map));
    }
    SmallVector<utils::IteratorType> iterators(
        ArrayRef<utils::IteratorType>(op.getIteratorTypesArray()).drop_front(rows));
    auto row = linalg::GenericOp::create(builder, op.getLoc(), ValueRange(inits).getTypes(), inputs,
                                         inits, maps, iterators,
                                         [&](OpBuilder &nested, Location, ValueRange arguments) {
                                           cloneBody(op, nested, arguments);
                                         });
    for (auto [result, value] : llvm::zip_equal(op->getResults(), row->getResults()))
      rowOf[result] = value;
  }

  void cloneBody(linalg::GenericOp op, OpBuilder &nested, ValueRange arguments) {
    IRMapping mapping;
    mapping.map(op.getBlock()->getArguments(), arguments);
    for (Operation &inner : *op.getBlock()) {
      auto index = dyn_cast<linalg::IndexOp>(inner);
      if (!index) {
        nested.clone(inner, mapping);
        continue;
      }
      Value value =
          index.getDim() < rows
              ? counters[index.getDim()]
              : Value(linalg::IndexOp::create(nested, inner.getLoc(), index.getDim() - rows));
      mapping.map(index.getResult(), value);
    }
  }

  AffineMap withoutRows(AffineMap map) {
    MLIRContext *context = builder.getContext();
    SmallVector<AffineExpr> results;
    for (AffineExpr result : map.getResults()) {
      unsigned position = cast<AffineDimExpr>(result).getPosition();
      if (position >= rows)
        results.push_back(getAffineDimExpr(position - rows, context));
    }
    return AffineMap::get(map.getNumDims() - rows, 0, results, context);
  }

  /// The part of `tensor` that `map` reads in this row.
  Value slice(Value tensor, AffineMap map) {
    auto type = dyn_cast<RankedTensorType>(tensor.getType());
    if (!type)
      return tensor;
    SmallVector<OpFoldResult> offsets, sizes, strides(type.getRank(), builder.getIndexAttr(1));
    SmallVector<int64_t> kept;
    for (auto [expression, size] : llvm::zip_equal(map.getResults(), type.getShape())) {
      unsigned position = cast<AffineDimExpr>(expression).getPosition();
      bool isRow = position < rows;
      offsets.push_back(isRow ? OpFoldResult(counters[position])
                              : OpFoldResult(builder.getIndexAttr(0)));
      sizes.push_back(builder.getIndexAttr(isRow ? 1 : size));
      if (!isRow)
        kept.push_back(size);
    }
    if (kept.size() == static_cast<size_t>(type.getRank()))
      return tensor;
    return tensor::ExtractSliceOp::create(builder, loc,
                                          RankedTensorType::get(kept, type.getElementType()),
                                          tensor, offsets, sizes, strides);
  }

  Value freshRow(RankedTensorType type, Value init) {
    Value row = tensor::EmptyOp::create(builder, loc, type.getShape().drop_front(rows),
                                        type.getElementType());
    auto fill = init.getDefiningOp<linalg::FillOp>();
    return fill ? linalg::FillOp::create(builder, loc, fill.value(), row).getResult(0) : row;
  }

  /// `into`, whose first `outer` dimensions are those of the rows, with this row's part.
  Value insertRow(Value row, Value into, unsigned outer) {
    auto type = cast<RankedTensorType>(into.getType());
    SmallVector<OpFoldResult> offsets, sizes, strides(type.getRank(), builder.getIndexAttr(1));
    for (auto [i, size] : llvm::enumerate(type.getShape())) {
      offsets.push_back(i < outer ? OpFoldResult(counters[i])
                                  : OpFoldResult(builder.getIndexAttr(0)));
      sizes.push_back(builder.getIndexAttr(i < outer ? 1 : size));
    }
    return tensor::InsertSliceOp::create(builder, loc, row, into, offsets, sizes, strides);
  }

  const RowGroup &group;
  OpBuilder &builder;
  Location loc;
  unsigned rows;
  SmallVector<OpResult> outputs;
  SmallVector<Value> counters;
  /// Of a result of the group, this row's value.
  llvm::DenseMap<Value, Value> rowOf;
};

struct TaskFuseRows : bigmac::impl::TaskFuseRowsBase<TaskFuseRows> {
  using Base::Base;
  void runOnOperation() override {
    // Before any loop is emitted: its body is not to be grouped again.
    SmallVector<Block *> blocks;
    getOperation()->walk([&](Block *block) {
      if (!isa<linalg::LinalgOp>(block->getParentOp()) && !block->empty() &&
          block->mightHaveTerminator())
        blocks.push_back(block);
    });
    OpBuilder builder(&getContext());
    for (Block *block : blocks) {
      SmallVector<RowGroup> groups =
          findRowGroups(*block, {leastOps, mostRowElements, sumsAlone, kernels});
      if (groups.empty())
        continue;
      Scheduler(*block, groups).run();
      for (const RowGroup &group : groups)
        RowLoop(group, builder).emit();
    }
    if (!kernels)
      return;
    // A row of a part is a row of the whole: kernels need no copies of parts.
    RewritePatternSet patterns(&getContext());
    tensor::populateMergeConsecutiveInsertExtractSlicePatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
