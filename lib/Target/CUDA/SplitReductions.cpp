//===- SplitReductions.cpp - The cuda-split-reductions pass ----------------===//
//
// A row kernel reduces along rows or over them. A reduction of both kinds becomes two, and one to a
// single value a reduction along one row.
//
//===----------------------------------------------------------------------===//

#include "bigmac/Target/CUDAPasses.h"
#include "dialects/NN/IR/NN.h"
#include "lib/Target/Tasks/Combiner.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace bigmac {
#define GEN_PASS_DEF_CUDASPLITREDUCTIONS
#include "bigmac/Target/CUDAPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

constexpr auto kParallel = utils::IteratorType::parallel;
constexpr auto kReduction = utils::IteratorType::reduction;

class Splitter {
public:
  Splitter(linalg::GenericOp op, const Combiner &combiner)
      : op(op), combiner(combiner), b(op), loc(op.getLoc()), sizes(op.getStaticLoopRanges()),
        kinds(op.getIteratorTypesArray()), element(getElementTypeOrSelf(op.getResult(0))) {}

  void run() {
    unsigned kept = sizes.size();
    while (kept > 0 && kinds[kept - 1] == kReduction)
      --kept;
    bool reducesBefore = llvm::is_contained(ArrayRef(kinds).take_front(kept), kReduction);
    if (kept == 0 && sizes.size() == 1)
      return toOneRow();
    // Everything is reduced: along the last dimension first.
    if (kept == 0)
      kept = sizes.size() - 1;
    else if (!reducesBefore)
      return;
    alongThenOver(kept);
  }

private:
  AffineMap mapOf(unsigned rank, ArrayRef<unsigned> dims) {
    return dims.empty() ? AffineMap::get(rank, 0, op.getContext())
                        : AffineMap::getMultiDimMapWithTargets(rank, dims, op.getContext());
  }

  Value neutral(ArrayRef<int64_t> shape) {
    Value scalar = arith::ConstantOp::create(
        b, loc, arith::getIdentityValueAttr(combiner.kind, element, b, loc));
    Value empty = tensor::EmptyOp::create(b, loc, shape, element);
    return linalg::FillOp::create(b, loc, scalar, empty).getResult(0);
  }

  /// The terms of `op` combined; loop i of `op` is loop `loops[i]` here.
  Value terms(ArrayRef<Value> inputs, Value init, ArrayRef<AffineMap> maps,
              ArrayRef<utils::IteratorType> kinds, ArrayRef<unsigned> loops) {
    auto copy = linalg::GenericOp::create(
        b, loc, TypeRange{init.getType()}, inputs, ValueRange{init}, maps, kinds,
        [&](OpBuilder &nested, Location, ValueRange args) {
          IRMapping mapping;
          mapping.map(op.getBody()->getArguments(), args);
          for (Operation &inner : *op.getBody()) {
            if (auto index = dyn_cast<linalg::IndexOp>(inner))
              mapping.map(index.getResult(),
                          linalg::IndexOp::create(nested, inner.getLoc(), loops[index.getDim()])
                              .getResult());
            else
              nested.clone(inner, mapping);
          }
        });
    return copy.getResult(0);
  }

  /// init combined with `partials`, whose dimensions are those of `kinds`.
  Value combine(Value partials, Value init, AffineMap from, AffineMap to,
                ArrayRef<utils::IteratorType> kinds) {
    return linalg::GenericOp::create(
               b, loc, TypeRange{init.getType()}, ValueRange{partials}, ValueRange{init},
               ArrayRef<AffineMap>{from, to}, kinds,
               [&](OpBuilder &nested, Location, ValueRange args) {
                 Operation *last = op.getBody()->getTerminator()->getOperand(0).getDefiningOp();
                 IRMapping mapping;
                 mapping.map(combiner.term, args[0]);
                 mapping.map(op.getRegionOutputArgs()[0], args[1]);
                 Value result = nested.clone(*last, mapping)->getResult(0);
                 linalg::YieldOp::create(nested, loc, result);
               })
        .getResult(0);
  }

  void replaceBy(Value result) {
    op.getResult(0).replaceAllUsesWith(nn::createReshape(
        b, loc, result, cast<RankedTensorType>(op.getResultTypes()[0]).getShape()));
    op.erase();
  }

  void toOneRow() {
    SmallVector<Value> inputs;
    SmallVector<AffineMap> maps;
    for (OpOperand *input : op.getDpsInputOperands()) {
      bool isRow = op.getMatchingIndexingMap(input).getNumResults() == 1;
      inputs.push_back(isRow ? nn::createReshape(b, loc, input->get(), {1, sizes[0]})
                             : input->get());
      maps.push_back(isRow ? mapOf(2, {0, 1}) : mapOf(2, {}));
    }
    maps.push_back(mapOf(2, {0}));
    Value init = nn::createReshape(b, loc, op.getDpsInits()[0], {1});
    replaceBy(terms(inputs, init, maps, {kParallel, kReduction}, {1}));
  }

  void alongThenOver(unsigned kept) {
    unsigned rank = sizes.size();
    SmallVector<unsigned> all = llvm::to_vector(llvm::seq<unsigned>(0, rank)), front(all);
    front.truncate(kept);
    SmallVector<utils::IteratorType> along(rank, kReduction);
    std::fill(along.begin(), along.begin() + kept, kParallel);
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    AffineMap out = maps.back();
    maps.back() = mapOf(rank, front);
    SmallVector<int64_t> shape(sizes.begin(), sizes.begin() + kept);
    Value partials = terms(op.getDpsInputs(), neutral(shape), maps, along, all);
    Value init = op.getDpsInits()[0];
    if (out.getNumResults() == 0) {
      partials = nn::createReshape(b, loc, partials, {1, llvm::product_of(shape)});
      init = nn::createReshape(b, loc, init, {1});
      return replaceBy(
          combine(partials, init, mapOf(2, {0, 1}), mapOf(2, {0}), {kParallel, kReduction}));
    }
    SmallVector<unsigned> outDims;
    for (AffineExpr result : out.getResults())
      outDims.push_back(cast<AffineDimExpr>(result).getPosition());
    replaceBy(combine(partials, init, mapOf(kept, front), mapOf(kept, outDims),
                      ArrayRef(kinds).take_front(kept)));
  }

  linalg::GenericOp op;
  Combiner combiner;
  OpBuilder b;
  Location loc;
  SmallVector<int64_t> sizes;
  SmallVector<utils::IteratorType> kinds;
  Type element;
};

struct CUDASplitReductions : bigmac::impl::CUDASplitReductionsBase<CUDASplitReductions> {
  void runOnOperation() override {
    SmallVector<linalg::GenericOp> ops;
    getOperation()->walk([&](linalg::GenericOp op) {
      bool isPlain = llvm::all_of(op.getIndexingMapsArray(),
                                  [](AffineMap map) { return map.isProjectedPermutation(); });
      if (isPlain && op.hasPureTensorSemantics() && op.getNumResults() == 1 &&
          op.getNumReductionLoops() > 0)
        ops.push_back(op);
    });
    for (linalg::GenericOp op : ops)
      if (std::optional<Combiner> combiner = matchCombiner(op, 0))
        Splitter(op, *combiner).run();
  }
};

} // namespace
