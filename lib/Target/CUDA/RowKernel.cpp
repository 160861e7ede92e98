//===- RowKernel.cpp - A loop over rows to a GPU kernel --------------------===//
//
// A block, or threadsPerRow neighbouring threads of one, computes a row. A thread holds vectors of
// the row at columns (k * threadsPerRow + lane) * vector, so that neighbours access neighbouring
// 16-byte pieces. Values between ops stay in registers; a reduction along the row combines the
// thread's vectors, then lanes, then warps through workgroup memory.
//
//===----------------------------------------------------------------------===//

#include "RowKernel.h"

#include "KernelBuilder.h"
#include "RowOrder.h"
#include "RowValues.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

KernelNeeds cuda::needsOf(const RowProgram &program) {
  KernelNeeds needs;
  needs.rows = program.rows();
  needs.columns = program.columns;
  needs.widestBytes = 1;
  needs.narrowestBytes = 8;
  needs.accumulates = !program.accumulators.empty();
  needs.sections = program.sections();
  needs.reduces = !program.reductions.empty();
  // Rows in memory: those loaded and those stored.
  llvm::DenseSet<Value> loaded;
  auto count = [&](Value value, Value memory, int64_t &loadedBytes) {
    if (!isa<RankedTensorType>(value.getType()) || !isWide(value))
      return;
    int64_t bytes = bytesOf(getElementTypeOrSelf(value.getType()));
    needs.widestBytes = std::max(needs.widestBytes, bytes);
    needs.narrowestBytes = std::min(needs.narrowestBytes, bytes);
    if (memory && loaded.insert(memory).second)
      loadedBytes += bytes;
  };
  for (Operation &op : program.inner().getBody()->without_terminator()) {
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op); slice && program.isLoaded(slice))
      count(slice, slice.getSource(), needs.loadedBytes);
    for (Value operand : op.getOperands())
      if (program.inputs.contains(operand) && isa<linalg::GenericOp>(op))
        count(operand, operand, needs.sharedBytes);
  }
  needs.sums = program.accumulators.size();
  for (const RowAccumulator &accumulator : program.accumulators)
    needs.sumsSingles |= !isWide(accumulator.value());
  needs.stores = program.stores.size();
  needs.wideValues = std::max<int64_t>(1, loaded.size() + needs.sums);
  for (const RowStore &store : program.stores)
    count(store.source(), Value(), needs.loadedBytes);
  needs.narrowestBytes = std::min(needs.narrowestBytes, needs.widestBytes);
  return needs;
}

namespace {

class Emitter {
public:
  Emitter(const RowProgram &program, ArrayRef<MemRefType> stored, gpu::GPUModuleOp module,
          StringRef name)
      : program(program), shape(shapeFor(needsOf(program))), order(rowOrder(program, shape)),
        b(OpBuilder::atBlockEnd(module.getBody()), program.outer()->getLoc()),
        rowValues(program, shape.vector, b) {
    kernel.shape = shape;
    b.approximate = needsOf(program).widestBytes <= 2;
    kernel.partialRows = program.accumulators.empty() ? 0 : shape.blocks / shape.parts;
    SmallVector<Type> arguments;
    for (Value input : program.inputs)
      arguments.push_back(bufferType(cast<RankedTensorType>(input.getType())));
    llvm::append_range(arguments, stored);
    for (const RowAccumulator &accumulator : program.accumulators)
      arguments.push_back(partialType(accumulator));
    SmallVector<Type> shared;
    auto share = [&](ArrayRef<int64_t> sizes, Value of) {
      shared.push_back(b.workgroupType(sizes, getElementTypeOrSelf(of.getType())));
    };
    if (shape.threadsPerRow > 32)
      for (const auto &level : program.reductions)
        for (linalg::GenericOp op : level)
          for (Value result : op.getResults())
            share({shape.threads() / 32}, result);
    if (shape.rowsPerBlock > 1)
      for (const RowAccumulator &accumulator : program.accumulators) {
        auto [slots, isNew] = groupSlots.try_emplace(
            getElementTypeOrSelf(accumulator.value().getType()), shared.size());
        if (isNew)
          share({shape.rowsPerBlock, shape.threadsPerRow * shape.vector}, accumulator.value());
      }
    kernel.function = b.createKernel(name, arguments, shared, shape.threads());
    if (shape.blocksPerMultiprocessor > 0)
      kernel.function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                               b.getI32IntegerAttr(shape.blocksPerMultiprocessor));
    b.setInsertionPointToStart(&kernel.function.getBody().front());
    unsigned next = 0;
    for (Value input : program.inputs)
      rowValues.setBuffer(input, kernel.function.getArgument(next++));
    for (size_t i = 0; i < program.stores.size(); ++i)
      stores.push_back(kernel.function.getArgument(next++));
    for (size_t i = 0; i < program.accumulators.size(); ++i)
      partials.push_back(kernel.function.getArgument(next++));
  }

  RowKernel emit() {
    Value thread = gpu::ThreadIdOp::create(b, b.loc, gpu::Dimension::x);
    block = gpu::BlockIdOp::create(b, b.loc, gpu::Dimension::x);
    part = b.rem(block, shape.parts);
    block = b.div(block, shape.parts);
    bool oneRow = shape.rowsPerBlock == 1;
    lane = oneRow ? thread : b.rem(thread, shape.threadsPerRow);
    group = oneRow ? b.index(0) : b.div(thread, shape.threadsPerRow);
    if (program.accumulators.empty())
      emitFewRows();
    else
      emitRounds();
    gpu::ReturnOp::create(b, b.loc);
    return kernel;
  }

private:
  static MemRefType bufferType(RankedTensorType type) {
    return MemRefType::get(type.getShape(), type.getElementType());
  }

  MemRefType partialType(const RowAccumulator &accumulator) {
    auto type = cast<RankedTensorType>(accumulator.value().getType());
    SmallVector<int64_t> sizes{kernel.partialRows};
    llvm::append_range(sizes, type.getShape());
    return MemRefType::get(sizes, type.getElementType());
  }

  //===--------------------------------------------------------------------===//
  // Rows
  //===--------------------------------------------------------------------===//

  /// A thread's rows, all of which are loaded before the first is computed.
  void emitFewRows() {
    SmallVector<Value> rows;
    for (int64_t i = 0; i < shape.rowsPerThread; ++i) {
      Value turn = b.add(b.mul(block, shape.rowsPerThread), b.index(i));
      rows.push_back(b.add(b.mul(turn, shape.rowsPerBlock), group));
    }
    SmallVector<SmallVector<Value>> loads(rows.size());
    if (rows.size() > 1 || shape.packed)
      for (auto [row, values] : llvm::zip_equal(rows, loads))
        values = loadRow(row);
    const bool mayBePast = program.rows() % (shape.rowsPerBlock * shape.rowsPerThread) != 0;
    for (auto [row, values] : llvm::zip_equal(rows, loads))
      emitRow(row, mayBePast, {}, values);
  }

  /// A block of a kernel that sums over rows goes through several and then writes its sums.
  void emitRounds() {
    const int64_t sections = program.sections(), rowsOfSection = program.rows() / sections;
    const int64_t blocksOfSection = shape.blocks / shape.parts / sections;
    Value begin = b.mul(block, shape.rowsPerBlock);
    rowsEnd = b.index(program.rows());
    if (sections > 1) {
      Value start = b.mul(b.div(block, blocksOfSection), rowsOfSection);
      begin = b.add(start, b.mul(b.rem(block, blocksOfSection), shape.rowsPerBlock));
      rowsEnd = b.add(start, b.index(rowsOfSection));
    }
    Value first = b.add(begin, group);
    SmallVector<Value> sums;
    for (const RowAccumulator &accumulator : program.accumulators)
      for (int64_t k = 0; k < piecesOf(accumulator); ++k)
        sums.push_back(b.neutral(accumulator.combiner.kind, sumType(accumulator)));
    // A round begins with loading what the next round needs: the memory is never idle. Every thread
    // of a block takes part in each round: rounds have barriers.
    const int64_t stride = blocksOfSection * shape.rowsPerBlock;
    const bool mayBePast = rowsOfSection % (stride * shape.rowsPerThread) != 0;
    for (tensor::ExtractSliceOp slice : program.loads())
      kernel.loadedAhead.insert(slice.getSource());
    auto loadRound = [&](Value first) {
      SmallVector<Value> loads;
      for (int64_t i = 0; i < shape.rowsPerThread; ++i)
        llvm::append_range(loads, loadRow(b.add(first, b.index(i * stride))));
      return loads;
    };
    SmallVector<Value> carried = sums;
    llvm::append_range(carried, loadRound(first));
    auto loop = scf::ForOp::create(b, b.loc, begin, rowsEnd, b.index(stride * shape.rowsPerThread),
                                   carried);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      Value row = b.add(loop.getInductionVar(), group);
      SmallVector<Value> next = loadRound(b.add(row, b.index(stride * shape.rowsPerThread)));
      SmallVector<Value> yielded(loop.getRegionIterArgs().take_front(sums.size()));
      ValueRange loads = loop.getRegionIterArgs().drop_front(sums.size());
      const size_t loadsOfRow = loads.size() / shape.rowsPerThread;
      for (int64_t i = 0; i < shape.rowsPerThread; ++i)
        yielded = emitRow(b.add(row, b.index(i * stride)), mayBePast, yielded,
                          loads.slice(i * loadsOfRow, loadsOfRow));
      llvm::append_range(yielded, next);
      scf::YieldOp::create(b, b.loc, yielded);
    }
    unsigned next = 0;
    for (auto [i, accumulator] : llvm::enumerate(program.accumulators))
      for (int64_t k = 0; k < piecesOf(accumulator); ++k)
        storeSum(i, k, loop.getResult(next++));
  }

  /// Piece `k` of the block's part of a sum, from what its groups have.
  void storeSum(unsigned index, int64_t k, Value sum) {
    const RowAccumulator &accumulator = program.accumulators[index];
    const bool wide = isWide(accumulator.value());
    Value isFirst = wide ? Value() : isZero(lane);
    if (shape.rowsPerBlock > 1) {
      Type element = getElementTypeOrSelf(accumulator.value().getType());
      Value slots = kernel.function.getWorkgroupAttributions()[groupSlots.lookup(element)];
      if (!usedSlots.insert(slots).second)
        gpu::BarrierOp::create(b, b.loc);
      when(isFirst, [&] { storeShared(sum, slots); });
      gpu::BarrierOp::create(b, b.loc);
      auto loop =
          scf::ForOp::create(b, b.loc, b.index(1), b.index(shape.rowsPerBlock), b.index(1), sum);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      Value other = loadShared(sum.getType(), slots, loop.getInductionVar());
      scf::YieldOp::create(b, b.loc,
                           b.combine(accumulator.combiner.kind, loop.getRegionIterArg(0), other));
      sum = loop.getResult(0);
    }
    Value stores = both(isFirst, shape.rowsPerBlock > 1 ? isZero(group) : Value());
    if (!wide) {
      when(stores,
           [&] { memref::StoreOp::create(b, b.loc, sum, partials[index], ValueRange{block}); });
      return;
    }
    Piece piece = pieceAt(k);
    when(both(stores, piece.inside),
         [&] { rowValues.storeVector(sum, partials[index], {block, piece.column}); });
  }

  /// Elements of a vector lie apart, those of neighbouring lanes together.
  Value sharedAt(int64_t element) { return b.add(lane, b.index(element * shape.threadsPerRow)); }

  void storeShared(Value value, Value buffer) {
    if (!isa<VectorType>(value.getType())) {
      memref::StoreOp::create(b, b.loc, value, buffer, ValueRange{group, b.index(0)});
      return;
    }
    for (int64_t i = 0; i < shape.vector; ++i)
      memref::StoreOp::create(b, b.loc, vector::ExtractOp::create(b, b.loc, value, i), buffer,
                              ValueRange{group, sharedAt(i)});
  }

  Value loadShared(Type type, Value buffer, Value row) {
    if (!isa<VectorType>(type))
      return memref::LoadOp::create(b, b.loc, buffer, ValueRange{row, b.index(0)});
    Value result = arith::ConstantOp::create(b, b.loc, b.getZeroAttr(type));
    for (int64_t i = 0; i < shape.vector; ++i)
      result = vector::InsertOp::create(
          b, b.loc, memref::LoadOp::create(b, b.loc, buffer, ValueRange{row, sharedAt(i)}), result,
          i);
    return result;
  }

  Value isZero(Value value) {
    return arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, value, b.index(0));
  }

  int64_t piecesOf(const RowAccumulator &accumulator) {
    return isWide(accumulator.value()) ? shape.vectorsPerThread : 1;
  }

  Type sumType(const RowAccumulator &accumulator) {
    Value result = accumulator.value();
    Type element = getElementTypeOrSelf(result.getType());
    return isWide(result) ? Type(VectorType::get({shape.vector}, element)) : element;
  }

  SmallVector<Piece> makePieces() {
    SmallVector<Piece> pieces;
    if (!shape.streamed)
      for (int64_t k = 0; k < shape.vectorsPerThread; ++k)
        pieces.push_back(pieceAt(k));
    return pieces;
  }

  /// Loads the thread's pieces of every slice that the body reads, of `row` or, past the end, of
  /// the last row.
  SmallVector<Value> loadRow(Value row) {
    setRow(row, /*mayBePast=*/true);
    SmallVector<Piece> pieces = makePieces();
    SmallVector<Value> loads;
    for (tensor::ExtractSliceOp slice : program.loads()) {
      if (!isWide(slice))
        loads.push_back(rowValues.load(slice, nullptr));
      else
        for (Piece &piece : pieces)
          loads.push_back(rowValues.load(slice, &piece));
    }
    return loads;
  }

  /// Emits everything for `row`. `loads` is what loadRow gave for it, if it was called. Returns the
  /// sums with the row included.
  SmallVector<Value> emitRow(Value row, bool mayBePast, ValueRange sums, ValueRange loads) {
    rowValues.startRow();
    setRow(row, mayBePast);
    SmallVector<Piece> pieces = makePieces();
    if (!loads.empty()) {
      auto next = loads.begin();
      for (tensor::ExtractSliceOp slice : program.loads()) {
        if (!isWide(slice))
          rowValues.setScalar(slice, *next++);
        else
          for (Piece &piece : pieces)
            piece.values[slice] = *next++;
      }
    }

    emitScalars(0);
    unsigned sharedIndex = 0;
    for (auto [i, level] : llvm::enumerate(program.reductions)) {
      SmallVector<std::pair<linalg::GenericOp, unsigned>> wanted;
      for (linalg::GenericOp op : level)
        for (unsigned i = 0; i < op.getNumResults(); ++i)
          wanted.push_back({op, i});
      reduce(wanted, pieces, sharedIndex);
      sharedIndex += wanted.size();
      if (shape.packed)
        keepPacked(pieces);
      emitScalars(i + 1);
    }
    emitStores(pieces);
    return addToSums(pieces, sums);
  }

  /// Forgets what was computed from loads, so that it is computed again from their bits.
  void keepPacked(SmallVector<Piece> &pieces) {
    for (Piece &piece : pieces) {
      llvm::DenseMap<Value, Value> loads;
      for (tensor::ExtractSliceOp slice : program.loads())
        if (isWide(slice))
          loads[slice] = b.opaque(piece.values.lookup(slice));
      piece.values = std::move(loads);
    }
  }

  /// Emits the row's single values that need at most `level` levels of reductions, where everything
  /// that follows can use them.
  void emitScalars(unsigned level) {
    for (Value input : program.inputs)
      if (cast<RankedTensorType>(input.getType()).getRank() == 0)
        rowValues.scalar(input);
    for (Operation &op : program.inner().getBody()->without_terminator()) {
      auto generic = dyn_cast<linalg::GenericOp>(op);
      bool isScalar = generic ? generic.getNumLoops() == 0 && !program.isAccumulator(generic)
                              : isLoadedScalar(op);
      if (isScalar && program.levels.lookup(&op) <= level)
        rowValues.scalar(op.getResult(0));
    }
  }

  bool isLoadedScalar(Operation &op) {
    auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
    return slice && program.isLoaded(slice) && !isWide(slice);
  }

  void setRow(Value row, bool mayBePast) {
    rowInside = nullptr;
    if (mayBePast) {
      rowInside = b.less(row, rowsEnd ? rowsEnd : b.index(program.rows()));
      // A row that exists, whose results are thrown away.
      row = arith::MinUIOp::create(b, b.loc, row, b.index(program.rows() - 1));
    }
    for (scf::ForOp loop : order) {
      int64_t size = *getConstantIntValue(loop.getUpperBound());
      bool isLast = loop == order.back();
      b.outer.map(loop.getInductionVar(), isLast ? row : b.rem(row, size));
      if (!isLast)
        row = b.div(row, size);
    }
  }

  Piece pieceAt(int64_t k) {
    Piece piece;
    int64_t begin = k * shape.threadsPerRow * shape.vector;
    piece.column = b.add(b.mul(lane, shape.vector), b.index(begin));
    piece.column = b.add(piece.column, b.mul(part, shape.threadsPerRow * shape.vector));
    if (shape.parts * (begin + shape.threadsPerRow * shape.vector) > program.columns)
      piece.inside = b.less(piece.column, b.index(program.columns));
    return piece;
  }

  /// Runs `body` for each piece: once each, or in a loop over a streamed row that carries
  /// `carried`.
  SmallVector<Value>
  forPieces(SmallVector<Piece> &pieces, SmallVector<Value> carried,
            llvm::function_ref<SmallVector<Value>(Piece &, SmallVector<Value>)> body) {
    if (!shape.streamed) {
      for (Piece &piece : pieces)
        carried = body(piece, std::move(carried));
      return carried;
    }
    auto loop = scf::ForOp::create(b, b.loc, b.mul(lane, shape.vector), b.index(program.columns),
                                   b.index(shape.threadsPerRow * shape.vector), carried);
    OpBuilder::InsertionGuard guard(b);
    if (carried.empty())
      b.setInsertionPoint(loop.getBody()->getTerminator());
    else
      b.setInsertionPointToStart(loop.getBody());
    Piece piece;
    piece.column = loop.getInductionVar();
    SmallVector<Value> next = body(piece, SmallVector<Value>(loop.getRegionIterArgs()));
    if (!carried.empty())
      scf::YieldOp::create(b, b.loc, next);
    return SmallVector<Value>(loop.getResults());
  }

  void when(Value condition, llvm::function_ref<void()> body) {
    if (!condition)
      return body();
    auto branch = scf::IfOp::create(b, b.loc, condition, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    body();
  }

  Value both(Value a, Value c) {
    if (!a || !c)
      return a ? a : c;
    return arith::AndIOp::create(b, b.loc, a, c);
  }

  //===--------------------------------------------------------------------===//
  // Reductions and results
  //===--------------------------------------------------------------------===//

  void reduce(ArrayRef<std::pair<linalg::GenericOp, unsigned>> wanted, SmallVector<Piece> &pieces,
              unsigned sharedIndex) {
    SmallVector<Combiner> combiners;
    SmallVector<Value> start;
    for (auto [op, i] : wanted) {
      combiners.push_back(*matchCombiner(op, i));
      Type element = getElementTypeOrSelf(op.getResult(i).getType());
      start.push_back(b.neutral(combiners.back().kind, VectorType::get({shape.vector}, element)));
    }
    SmallVector<Value> totals =
        forPieces(pieces, start, [&](Piece &piece, SmallVector<Value> carried) {
          for (auto [i, item] : llvm::enumerate(wanted)) {
            linalg::GenericOp op = item.first;
            Value term = b.emitBody(op, rowValues.bodyOperands(op, &piece), shape.vector,
                                    piece.column, combiners[i].term)[0];
            if (piece.inside)
              term = arith::SelectOp::create(b, b.loc, piece.inside, term,
                                             b.neutral(combiners[i].kind, term.getType()));
            carried[i] = b.combine(combiners[i].kind, carried[i], term);
          }
          return carried;
        });
    for (auto [total, combiner] : llvm::zip_equal(totals, combiners)) {
      total = b.reduceVector(combiner.kind, total);
      total = b.reduceLanes(combiner.kind, total, std::min<int64_t>(32, shape.threadsPerRow));
    }
    if (shape.threadsPerRow > 32)
      reduceWarps(totals, combiners, sharedIndex);
    for (auto [item, total, combiner] : llvm::zip_equal(wanted, totals, combiners)) {
      linalg::GenericOp op = item.first;
      rowValues.setScalar(
          op.getResult(item.second),
          b.combine(combiner.kind, rowValues.scalar(op.getDpsInits()[item.second]), total));
    }
  }

  void reduceWarps(SmallVector<Value> &totals, ArrayRef<Combiner> combiners, unsigned sharedIndex) {
    int64_t warpsPerRow = shape.threadsPerRow / 32;
    Value warp = b.div(lane, 32);
    Value slot = b.add(b.mul(group, warpsPerRow), warp);
    Value isFirst = isZero(b.rem(lane, 32));
    auto shared = [&](unsigned i) {
      return kernel.function.getWorkgroupAttributions()[sharedIndex + i];
    };
    when(isFirst, [&] {
      for (auto [i, total] : llvm::enumerate(totals))
        memref::StoreOp::create(b, b.loc, total, shared(i), slot);
    });
    gpu::BarrierOp::create(b, b.loc);
    Value first = b.mul(group, warpsPerRow);
    for (auto [i, total] : llvm::enumerate(totals)) {
      SmallVector<Value> parts;
      for (int64_t w = 0; w < warpsPerRow; ++w)
        parts.push_back(
            memref::LoadOp::create(b, b.loc, shared(i), ValueRange{b.add(first, b.index(w))}));
      total = parts.front();
      for (Value part : ArrayRef<Value>(parts).drop_front())
        total = b.combine(combiners[i].kind, total, part);
    }
    // The next row writes these slots again.
    if (!program.accumulators.empty())
      gpu::BarrierOp::create(b, b.loc);
  }

  void emitStores(SmallVector<Piece> &pieces) {
    SmallVector<unsigned> wideStores;
    for (auto [i, store] : llvm::enumerate(program.stores)) {
      if (isWide(store.source())) {
        wideStores.push_back(i);
        continue;
      }
      Value value = rowValues.scalar(store.source());
      SmallVector<Value> position = rowValues.offsetsOf(store.offsets());
      Value isFirst = isZero(lane);
      when(both(rowInside, isFirst),
           [&] { memref::StoreOp::create(b, b.loc, value, stores[i], position); });
    }
    if (wideStores.empty())
      return;
    SmallVector<SmallVector<Value>> positions;
    for (unsigned i : wideStores)
      positions.push_back(rowValues.offsetsOf(program.stores[i].offsets()));
    forPieces(pieces, {}, [&](Piece &piece, SmallVector<Value>) {
      SmallVector<Value> values;
      for (unsigned i : wideStores)
        values.push_back(rowValues.wide(program.stores[i].source(), piece));
      when(both(rowInside, piece.inside), [&] {
        for (auto [i, value, offsets] : llvm::zip_equal(wideStores, values, positions)) {
          SmallVector<Value> position = offsets;
          position.back() = b.add(position.back(), piece.column);
          rowValues.storeVector(value, stores[i], position);
        }
      });
      return SmallVector<Value>();
    });
  }

  SmallVector<Value> addToSums(SmallVector<Piece> &pieces, ValueRange sums) {
    SmallVector<Value> results;
    unsigned next = 0;
    for (const RowAccumulator &accumulator : program.accumulators) {
      linalg::GenericOp op = accumulator.op;
      auto include = [&](Value term, Value inside) {
        Value sum = sums[next++];
        if (inside)
          term = arith::SelectOp::create(b, b.loc, inside, term,
                                         b.neutral(accumulator.combiner.kind, term.getType()));
        results.push_back(b.combine(accumulator.combiner.kind, sum, term));
      };
      if (!isWide(accumulator.value())) {
        include(b.emitBody(op, rowValues.bodyOperands(op, nullptr), 0, nullptr,
                           accumulator.combiner.term)[0],
                rowInside);
        continue;
      }
      for (Piece &piece : pieces)
        include(b.emitBody(op, rowValues.bodyOperands(op, &piece), shape.vector, piece.column,
                           accumulator.combiner.term)[0],
                rowInside);
    }
    return results;
  }

  const RowProgram &program;
  KernelShape shape;
  const SmallVector<scf::ForOp> order;
  KernelBuilder b;
  RowValues rowValues;
  RowKernel kernel;
  SmallVector<Value> stores, partials;
  /// By type of element: the buffer in which groups of threads combine sums, one after another.
  llvm::DenseMap<Type, unsigned> groupSlots;
  llvm::DenseSet<Value> usedSlots;
  /// `block` counts those that compute the same part of rows.
  Value block, part, lane, group;
  /// Where the rows that the block sums over end; null where each row is by itself.
  Value rowsEnd;
  Value rowInside;
};

} // namespace

RowKernel cuda::emitRowKernel(const RowProgram &program, ArrayRef<MemRefType> stored,
                              gpu::GPUModuleOp module, StringRef name) {
  return Emitter(program, stored, module, name).emit();
}
