//===- RowGroups.cpp - Which ops run in one loop over rows ----------------===//

#include "RowGroups.h"

#include "Combiner.h"

#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace bigmac;

namespace {

/// How many groups back an op looks for one to join.
constexpr int64_t kGroupWindow = 16;

/// A kernel sums over inner rows for at most so many points of the outer ones, each at least so
/// many rows: blocks do not share points.
constexpr int64_t kMostOuterRows = 64, kLeastInnerRows = 64;

/// Whether the map's results start with the first `rows` dimensions in order and have none of them
/// after that.
bool startsWithRows(AffineMap map, unsigned rows) {
  if (map.getNumResults() < rows)
    return false;
  for (auto [i, result] : llvm::enumerate(map.getResults())) {
    unsigned position = cast<AffineDimExpr>(result).getPosition();
    if (i < rows ? position != i : position < rows)
      return false;
  }
  return true;
}

/// How many of the first `rows` dimensions are parallel before those that are summed over.
unsigned parallelRows(linalg::GenericOp op, unsigned rows) {
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  unsigned outer = 0;
  while (outer < rows && iterators[outer] == utils::IteratorType::parallel)
    ++outer;
  return outer;
}

/// How `op` takes part in a loop over its first `rows` dimensions.
RowKind kindFor(linalg::GenericOp op, unsigned rows) {
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  if (rows == 0 || iterators.size() < rows)
    return RowKind::None;
  const unsigned outer = parallelRows(op, rows);
  for (unsigned i = outer; i < rows; ++i)
    if (iterators[i] == utils::IteratorType::parallel)
      return RowKind::None;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&init);
    if (!startsWithRows(map, outer) ||
        llvm::any_of(map.getResults().drop_front(outer), [&](AffineExpr result) {
          return cast<AffineDimExpr>(result).getPosition() < rows;
        }))
      return RowKind::None;
  }
  if (outer == rows)
    return RowKind::PerRow;
  return outer == 0 ? RowKind::OverRows : RowKind::OverInnerRows;
}

/// Whether a kernel over rows takes `op`, with its first `rows` dimensions as rows.
bool isForKernel(linalg::GenericOp op, unsigned rows) {
  SmallVector<utils::IteratorType> inner =
      llvm::to_vector(ArrayRef<utils::IteratorType>(op.getIteratorTypesArray()).drop_front(rows));
  if (inner.size() > 1)
    return false;
  bool reduces = llvm::is_contained(inner, utils::IteratorType::reduction);
  const RowKind kind = kindFor(op, rows);
  bool overRows = kind == RowKind::OverRows || kind == RowKind::OverInnerRows;
  if (overRows && (reduces || op.getNumResults() != 1))
    return false;
  if (kind == RowKind::OverInnerRows) {
    SmallVector<int64_t> sizes = op.getStaticLoopRanges();
    const unsigned outer = parallelRows(op, rows);
    ArrayRef<int64_t> all(sizes);
    if (inner.size() != 1 || llvm::product_of(all.take_front(outer)) > kMostOuterRows ||
        llvm::product_of(all.slice(outer, rows - outer)) < kLeastInnerRows)
      return false;
  }
  if (reduces || overRows)
    for (unsigned i = 0; i < op.getNumResults(); ++i)
      if (!matchCombiner(op, i))
        return false;
  return true;
}

bool isCandidate(Operation *op) {
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || !generic.hasPureTensorSemantics() || generic.getNumLoops() == 0)
    return false;
  // A tensor that the body reads by itself is not an operand whose row is known.
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(generic.getRegion(), captured);
  if (llvm::any_of(captured, [](Value value) { return isa<RankedTensorType>(value.getType()); }))
    return false;
  return llvm::all_of(generic.getIndexingMapsArray(),
                      [](AffineMap map) { return map.isProjectedPermutation(); }) &&
         llvm::none_of(generic.getStaticLoopRanges(), ShapedType::isDynamic);
}

/// Whether `op` repeats a smaller tensor, such as a bias, to what a product adds to: the product
/// can do that by itself.
bool startsProduct(linalg::GenericOp op) {
  if (op.getNumResults() != 1 || !op.getResult(0).hasOneUse() || op.getNumDpsInputs() != 1 ||
      !llvm::hasSingleElement(*op.getBody()))
    return false;
  OpOperand &use = *op.getResult(0).getUses().begin();
  auto product = dyn_cast<linalg::ContractOp>(use.getOwner());
  AffineMap input = op.getIndexingMapsArray()[0];
  return product && product.isDpsInit(&use) && input.getNumResults() < input.getNumDims();
}

class Grouper {
public:
  Grouper(Block &block, const RowGroupOptions &options) : block(block), options(options) {}

  SmallVector<RowGroup> run() {
    for (Operation &op : block)
      if (isCandidate(&op) && !(options.kernels && startsProduct(cast<linalg::GenericOp>(op))))
        place(cast<linalg::GenericOp>(op));
    llvm::erase_if(groups,
                   [&](const RowGroup &group) { return group.ops.size() < options.leastOps; });
    return groups;
  }

private:
  /// Only kernels sum over inner rows: loops on a CPU would carry the outer ones' sums.
  bool takes(linalg::GenericOp op, unsigned rows) {
    const RowKind kind = kindFor(op, rows);
    return kind != RowKind::None && (options.kernels || kind != RowKind::OverInnerRows);
  }

  /// The most leading dimensions that a loop over rows may take from `op`: something must be left
  /// for the loop within, unless the op has one number per row.
  unsigned mostRowDims(linalg::GenericOp op) {
    unsigned loops = op.getNumLoops(), most = 0;
    while (most < loops && takes(op, most + 1))
      ++most;
    return most;
  }

  void place(linalg::GenericOp op) {
    unsigned most = mostRowDims(op);
    if (most == 0)
      return;
    SmallVector<int64_t> sizes = op.getStaticLoopRanges();
    // The group that was begun last holds what was computed last. Groups far back are left alone:
    // what joins them would wait long for its use.
    for (int64_t i = groups.size() - 1;
         i >= std::max<int64_t>(0, static_cast<int64_t>(groups.size()) - kGroupWindow); --i) {
      RowGroup &group = groups[i];
      std::optional<unsigned> rows = commonRows(group, op, sizes, most);
      if (!rows || !isRelated(group, op, *rows) || closesCycle(i, op))
        continue;
      group.rows.truncate(*rows);
      group.ops.push_back(op);
      groupOf[op] = i;
      return;
    }
    if (options.kernels && finishesSum(op))
      return;
    // A loop without an inner one would be slow; only as part of a group is it worth it.
    unsigned rows = std::min<unsigned>(most, op.getNumLoops() - 1);
    if (rows == 0 || (!options.sumsAlone && kindFor(op, rows) != RowKind::PerRow))
      return;
    if (options.kernels &&
        (!isForKernel(op, rows) ||
         llvm::product_of(ArrayRef<int64_t>(sizes).drop_front(rows)) > options.mostRowElements))
      return;
    groupOf[op] = groups.size();
    groups.push_back({{op}, llvm::to_vector(ArrayRef<int64_t>(sizes).take_front(rows))});
  }

  /// Whether `op` does no more than go on with a group's sum over rows, which can do that when it
  /// is complete.
  bool finishesSum(linalg::GenericOp op) {
    if (!llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
      return false;
    return llvm::any_of(op.getInputs(), [&](Value input) {
      auto producer = input.getDefiningOp<linalg::GenericOp>();
      auto it = producer && input.hasOneUse() ? groupOf.find(producer) : groupOf.end();
      return it != groupOf.end() && groups[it->second].kindOf(producer) != RowKind::PerRow;
    });
  }

  /// How many leading dimensions the group would have with `op` in it.
  std::optional<unsigned> commonRows(const RowGroup &group, linalg::GenericOp op,
                                     ArrayRef<int64_t> sizes, unsigned most) {
    unsigned rows = 0;
    while (rows < std::min<unsigned>(most, group.rows.size()) && sizes[rows] == group.rows[rows])
      ++rows;
    // An op that would be left with a loop of its own over part of the rows is another iteration
    // space.
    while (rows > 0 && !fits(group, op, rows))
      --rows;
    if (rows == 0 || llvm::product_of(sizes.take_front(rows)) < 2)
      return std::nullopt;
    return rows;
  }

  bool fits(const RowGroup &group, linalg::GenericOp op, unsigned rows) {
    auto rowElements = [&](linalg::GenericOp member) {
      return llvm::product_of(ArrayRef<int64_t>(member.getStaticLoopRanges()).drop_front(rows));
    };
    auto isFit = [&](linalg::GenericOp member) {
      return takes(member, rows) && rowElements(member) <= options.mostRowElements &&
             (!options.kernels || isForKernel(member, rows));
    };
    auto hasColumns = [&](linalg::GenericOp member) { return member.getNumLoops() > rows; };
    if (options.kernels && hasColumns(op))
      for (linalg::GenericOp member : group.ops)
        if (hasColumns(member) && rowElements(member) != rowElements(op))
          return false;
    return isFit(op) && llvm::all_of(group.ops, isFit);
  }

  /// Whether `op` reads what the group computes (row by row), or what it reads.
  bool isRelated(const RowGroup &group, linalg::GenericOp op, unsigned rows) {
    bool isRelated = false;
    for (OpOperand &operand : op->getOpOperands()) {
      auto producer = operand.get().getDefiningOp<linalg::GenericOp>();
      if (producer && llvm::is_contained(group.ops, producer)) {
        // Another row, or the whole of a sum over rows, is not there yet.
        if (kindFor(producer, rows) != RowKind::PerRow || op.isDpsInit(&operand) ||
            !startsWithRows(op.getMatchingIndexingMap(&operand), rows))
          return false;
        isRelated = true;
      }
      if (op.isDpsInit(&operand))
        continue;
      AffineMap map = op.getMatchingIndexingMap(&operand);
      isRelated |= llvm::any_of(group.ops, [&](linalg::GenericOp member) {
        return llvm::any_of(member.getDpsInputOperands(), [&](OpOperand *input) {
          return input->get() == operand.get() &&
                 (startsWithRows(map, rows) ||
                  (options.kernels && member.getMatchingIndexingMap(input) == map));
        });
      });
    }
    return isRelated;
  }

  /// Whether something outside the group both depends on it and is needed by `op`.
  bool closesCycle(int64_t group, linalg::GenericOp op) {
    llvm::SmallPtrSet<Operation *, 32> seen;
    SmallVector<Operation *> pending;
    auto addOperands = [&](Operation *user) {
      auto add = [&](Value value) {
        if (Operation *producer = producerOf(value))
          if (seen.insert(producer).second)
            pending.push_back(producer);
      };
      for (Value operand : user->getOperands())
        add(operand);
      llvm::SetVector<Value> captured;
      getUsedValuesDefinedAbove(user->getRegions(), captured);
      for (Value value : captured)
        add(value);
    };
    auto inGroup = [&](Operation *candidate) {
      auto it = groupOf.find(candidate);
      return it != groupOf.end() && it->second == group;
    };
    Operation *border = borderBefore(group);
    auto isBefore = [&](Operation *candidate) {
      auto it = groupOf.find(candidate);
      Operation *last = it == groupOf.end() ? candidate : lastOf(it->second);
      return last->isBeforeInBlock(border);
    };
    // Direct producers in the group are fine; from all others no path may lead back to it.
    addOperands(op);
    SmallVector<Operation *> direct = std::move(pending);
    pending.clear();
    for (Operation *producer : direct)
      if (!inGroup(producer))
        pending.push_back(producer);
      else
        seen.erase(producer);
    while (!pending.empty()) {
      Operation *next = pending.pop_back_val();
      if (inGroup(next))
        return true;
      if (isBefore(next))
        continue;
      // The ops of a group run together: what one needs, all need.
      auto it = groupOf.find(next);
      if (it == groupOf.end()) {
        addOperands(next);
        continue;
      }
      for (linalg::GenericOp member : groups[it->second].ops)
        addOperands(member);
    }
    return false;
  }

  Operation *firstOf(int64_t group) { return groups[group].ops.front(); }
  Operation *lastOf(int64_t group) { return groups[group].ops.back(); }

  /// An op at or before the group's first such that no group has ops on both sides of it: nothing
  /// before it depends on the group.
  Operation *borderBefore(int64_t group) {
    Operation *border = firstOf(group);
    for (bool moved = true; moved;) {
      moved = false;
      for (int64_t i = 0, e = groups.size(); i < e; ++i)
        if (firstOf(i)->isBeforeInBlock(border) && !lastOf(i)->isBeforeInBlock(border)) {
          border = firstOf(i);
          moved = true;
        }
    }
    return border;
  }

  Operation *producerOf(Value value) {
    Operation *producer = value.getDefiningOp();
    return producer ? block.findAncestorOpInBlock(*producer) : nullptr;
  }

  Block &block;
  const RowGroupOptions &options;
  SmallVector<RowGroup> groups;
  llvm::DenseMap<Operation *, int64_t> groupOf;
};

} // namespace

RowKind RowGroup::kindOf(linalg::GenericOp op) const { return kindFor(op, rows.size()); }

unsigned RowGroup::outerRowsOf(linalg::GenericOp op) const { return parallelRows(op, rows.size()); }

SmallVector<RowGroup> bigmac::findRowGroups(Block &block, const RowGroupOptions &options) {
  return Grouper(block, options).run();
}
