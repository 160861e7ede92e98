//===- RowProgram.cpp - A loop over rows as a kernel sees it ---------------===//

#include "RowProgram.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

int64_t RowProgram::rows() const {
  int64_t rows = 1;
  for (scf::ForOp loop : loops)
    rows *= *getConstantIntValue(loop.getUpperBound());
  return rows;
}

int64_t RowProgram::sections() const {
  unsigned outer = 0;
  for (const RowAccumulator &accumulator : accumulators)
    outer = std::max(outer, accumulator.outer);
  int64_t sections = 1;
  for (scf::ForOp loop : ArrayRef(loops).take_front(outer))
    sections *= *getConstantIntValue(loop.getUpperBound());
  return sections;
}

bool RowProgram::isAccumulator(linalg::GenericOp op) const {
  return llvm::any_of(accumulators,
                      [&](const RowAccumulator &accumulator) { return accumulator.op == op; });
}

bool RowProgram::isLoaded(tensor::ExtractSliceOp slice) const {
  return !llvm::is_contained(scf::ForOp(loops.back()).getRegionIterArgs(), slice.getSource());
}

SmallVector<tensor::ExtractSliceOp> RowProgram::loads() const {
  SmallVector<tensor::ExtractSliceOp> slices;
  for (auto slice : inner().getBody()->getOps<tensor::ExtractSliceOp>())
    if (isLoaded(slice))
      slices.push_back(slice);
  return slices;
}

namespace {

class Reader {
public:
  Reader(RowProgram &program, std::string &reason) : program(program), reason(reason) {}

  bool read(scf::ForOp outer) {
    return findLoops(outer) && findColumns() && findInputs() && findOutputs() && findLevels();
  }

private:
  bool fail(const Twine &why) {
    reason = why.str();
    return false;
  }

  bool findLoops(scf::ForOp outer) {
    for (scf::ForOp loop = outer;;) {
      if (getConstantIntValue(loop.getLowerBound()) != 0 ||
          getConstantIntValue(loop.getStep()) != 1 || !getConstantIntValue(loop.getUpperBound()))
        return fail("a loop's bounds are not constant");
      program.loops.push_back(loop);
      Block &body = *loop.getBody();
      auto next = dyn_cast<scf::ForOp>(body.front());
      if (!next || &*std::next(body.begin()) != body.getTerminator())
        return true;
      if (next.getInitArgs() != ValueRange(loop.getRegionIterArgs()) ||
          body.getTerminator()->getOperands() != next.getResults())
        return fail("nested loops carry different values");
      loop = next;
    }
  }

  /// Along the row; the other dimensions of a slice have one element.
  static bool isContiguous(tensor::ExtractSliceOp slice) {
    for (auto [size, stride] : llvm::zip_equal(slice.getStaticSizes(), slice.getStaticStrides()))
      if (size != 1 && stride != 1)
        return false;
    return true;
  }

  /// Every structured op of the body is of one dimension, of the same size, or of none.
  bool findColumns() {
    std::optional<int64_t> columns;
    auto isRow = [&](Value value) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type || type.getRank() == 0)
        return true;
      if (type.getRank() > 1 || (columns && *columns != type.getDimSize(0)))
        return false;
      columns = type.getDimSize(0);
      return true;
    };
    for (Operation &op : program.inner().getBody()->without_terminator()) {
      auto generic = dyn_cast<linalg::GenericOp>(op);
      if (!generic) {
        if (!isa<tensor::ExtractSliceOp, tensor::InsertSliceOp, tensor::EmptyOp, linalg::FillOp,
                 affine::AffineApplyOp, arith::ConstantOp>(op))
          return fail("it holds a " + op.getName().getStringRef());
        if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op); slice && !isContiguous(slice))
          return fail("it reads with a stride");
        Value row = isa<tensor::InsertSliceOp>(op) ? op.getOperand(0) : op.getResult(0);
        if (!isa<affine::AffineApplyOp, arith::ConstantOp>(op) && !isRow(row))
          return fail("its values are rows of different sizes, or more than rows");
        continue;
      }
      if (generic.getNumLoops() == 0)
        continue;
      if (generic.getNumLoops() > 1)
        return fail("an op of it has more than one dimension besides the rows");
      for (AffineMap map : generic.getIndexingMapsArray())
        if (map.getNumResults() > 1 || (map.getNumResults() == 1 && !map.isIdentity()))
          return fail("an op of it does not read its row in order");
      if (!llvm::all_of(generic->getOperands(), isRow))
        return fail("its values are rows of different sizes, or more than rows");
    }
    program.columns = columns.value_or(1);
    return true;
  }

  bool findInputs() {
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(program.outer().getRegion(), captured);
    for (Value value : captured) {
      if (isa<RankedTensorType>(value.getType())) {
        if (!value.getDefiningOp<tensor::EmptyOp>() && !value.getDefiningOp<linalg::FillOp>())
          program.inputs.insert(value);
      } else if (!value.getDefiningOp<arith::ConstantOp>()) {
        return fail("it uses a value computed on the host");
      }
    }
    return true;
  }

  bool findOutputs() {
    scf::ForOp inner = program.inner();
    for (auto [i, yielded] : llvm::enumerate(inner.getBody()->getTerminator()->getOperands())) {
      BlockArgument carried = inner.getRegionIterArg(i);
      if (auto insert = yielded.getDefiningOp<tensor::InsertSliceOp>()) {
        if (std::optional<RowAccumulator> sum = sumOfSection(insert, carried)) {
          sum->result = i;
          program.accumulators.push_back(*sum);
          continue;
        }
        // Rows are stored as whole vectors.
        bool isWide = insert.getSourceType().getRank() == 1;
        if (isWide && (insert.getDroppedDims()[insert.getResultType().getRank() - 1] ||
                       insert.getResultType().getShape().back() != program.columns))
          return fail("a result's rows are not its last dimension");
        if (insert.getDest() != carried || !carried.hasOneUse() || !insert.hasUnitStride())
          return fail("a result's rows are also read");
        program.stores.push_back({static_cast<unsigned>(i), insert});
        continue;
      }
      auto generic = yielded.getDefiningOp<linalg::GenericOp>();
      if (!generic || !carried.hasOneUse())
        return fail("a result is neither written by rows nor summed over them");
      unsigned index = cast<OpResult>(yielded).getResultNumber();
      std::optional<Combiner> combiner = matchCombiner(generic, index);
      if (generic.getDpsInits()[index] != carried || !combiner || generic.getNumResults() != 1)
        return fail("a sum over rows is combined in another way");
      if (llvm::is_contained(generic.getIteratorTypesArray(), utils::IteratorType::reduction))
        return fail("a sum is both along and over the rows");
      program.accumulators.push_back({static_cast<unsigned>(i), generic, index, *combiner});
    }
    return true;
  }

  /// A part of `carried` with a row's term added, at the counters of the outermost loops.
  std::optional<RowAccumulator> sumOfSection(tensor::InsertSliceOp insert, BlockArgument carried) {
    auto generic = insert.getSource().getDefiningOp<linalg::GenericOp>();
    if (!generic || generic.getNumResults() != 1 || insert.getDest() != carried)
      return std::nullopt;
    auto before = generic.getDpsInits()[0].getDefiningOp<tensor::ExtractSliceOp>();
    std::optional<Combiner> combiner = matchCombiner(generic, 0);
    if (!before || before.getSource() != carried || !combiner ||
        before.getMixedOffsets() != insert.getMixedOffsets() ||
        insert.getSourceType().getRank() != 1)
      return std::nullopt;
    RowAccumulator sum{0, generic, 0, *combiner};
    SmallVector<OpFoldResult> offsets = insert.getMixedOffsets();
    sum.outer = offsets.size() - 1;
    if (sum.outer == 0 || sum.outer >= program.loops.size() ||
        !isConstantIntValue(offsets.back(), 0))
      return std::nullopt;
    for (unsigned i = 0; i < sum.outer; ++i)
      if (offsets[i] != OpFoldResult(program.loops[i].getInductionVar()))
        return std::nullopt;
    return sum;
  }

  bool findLevels() {
    llvm::DenseMap<Operation *, unsigned> &level = program.levels;
    for (Operation &op : program.inner().getBody()->without_terminator()) {
      unsigned needed = 0;
      for (Value operand : op.getOperands())
        if (Operation *producer = operand.getDefiningOp())
          needed = std::max(needed, level.lookup(producer));
      auto generic = dyn_cast<linalg::GenericOp>(op);
      if (generic &&
          llvm::is_contained(generic.getIteratorTypesArray(), utils::IteratorType::reduction)) {
        for (unsigned i = 0; i < generic.getNumResults(); ++i)
          if (!matchCombiner(generic, i))
            return fail("a reduction is combined in another way");
        if (program.reductions.size() <= needed)
          program.reductions.resize(needed + 1);
        program.reductions[needed].push_back(generic);
        ++needed;
      }
      level[&op] = needed;
    }
    return true;
  }

  RowProgram &program;
  std::string &reason;
};

} // namespace

std::optional<RowProgram> cuda::readRowProgram(scf::ForOp outer, std::string &reason) {
  RowProgram program;
  if (!Reader(program, reason).read(outer))
    return std::nullopt;
  return program;
}
