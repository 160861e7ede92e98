//===- ColumnKernel.cpp - Sums over rows -----------------------------------===//
//
// A block takes some columns of a section of one sum; its groups of threads each combine every so
// manieth row, then the first group combines the groups' results in their order. Rows are few and
// in the cache: what takes time is to wait for them, so that many are loaded at once.
//
//===----------------------------------------------------------------------===//

#include "ColumnKernel.h"

#include "KernelBuilder.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <bit>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

namespace {

/// Rows that a thread loads before it combines the first.
constexpr int64_t kTogether = 4;

/// How the blocks and threads of one sum share its columns.
struct Shares {
  int64_t columns, sections, rows, lanes, groups, blocksOfSection;

  Shares(const ColumnSum &sum, int64_t threads)
      : columns(sum.sum.getRank() == 0 ? 1 : sum.sum.getShape().back()),
        sections(sum.sum.getRank() == 2 ? sum.sum.getDimSize(0) : 1),
        rows(sum.partials.getDimSize(0) / sections),
        lanes(std::min<int64_t>(32, std::bit_ceil(static_cast<uint64_t>(columns)))),
        groups(threads / lanes), blocksOfSection((columns + lanes - 1) / lanes) {}

  int64_t blocks() const { return blocksOfSection * sections; }
};

/// As many threads as have a few rows each.
int64_t threadsFor(ArrayRef<ColumnSum> sums) {
  int64_t threads = 256;
  for (const ColumnSum &sum : sums)
    while (threads < 1024 &&
           Shares(sum, threads).rows >= 2 * kTogether * Shares(sum, threads).groups)
      threads *= 2;
  return threads;
}

class Emitter {
public:
  Emitter(ArrayRef<ColumnSum> sums, gpu::GPUModuleOp module, StringRef name, Location loc)
      : sums(sums), threads(threadsFor(sums)), b(OpBuilder::atBlockEnd(module.getBody()), loc) {
    SmallVector<Type> arguments, shared;
    for (const ColumnSum &sum : sums) {
      Shares shares(sum, threads);
      arguments.push_back(sum.partials);
      if (sum.init)
        arguments.push_back(sum.init);
      llvm::append_range(arguments, sum.others);
      arguments.push_back(sum.result);
      // A block computes one of the sums.
      Type element = sum.sum.getElementType();
      auto [slot, isNew] = slotsOf.try_emplace(element, shared.size());
      if (isNew)
        shared.push_back(b.workgroupType(threads, element));
      kernel.blocks += shares.blocks();
    }
    kernel.threads = threads;
    kernel.function = b.createKernel(name, arguments, shared, threads);
    b.setInsertionPointToStart(&kernel.function.getBody().front());
  }

  ColumnKernel emit() {
    thread = gpu::ThreadIdOp::create(b, b.loc, gpu::Dimension::x);
    Value block = gpu::BlockIdOp::create(b, b.loc, gpu::Dimension::x);
    unsigned argument = 0;
    int64_t before = 0;
    for (const ColumnSum &sum : sums) {
      ValueRange all = kernel.function.getArguments();
      const unsigned count = 2 + (sum.init ? 1 : 0) + sum.others.size();
      ValueRange own = all.slice(argument, count);
      Value slots =
          kernel.function.getWorkgroupAttributions()[slotsOf.lookup(sum.sum.getElementType())];
      argument += count;
      const int64_t end = before + Shares(sum, threads).blocks();
      if (sums.size() == 1) {
        emitSum(sum, block, own, slots);
        break;
      }
      Value isOwn = arith::AndIOp::create(
          b, b.loc,
          arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::uge, block, b.index(before)),
          b.less(block, b.index(end)));
      auto branch = scf::IfOp::create(b, b.loc, isOwn, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      emitSum(sum, arith::SubIOp::create(b, b.loc, block, b.index(before)), own, slots);
      before = end;
    }
    b.setInsertionPointToEnd(&kernel.function.getBody().front());
    gpu::ReturnOp::create(b, b.loc);
    return kernel;
  }

private:
  void emitSum(const ColumnSum &sum, Value block, ValueRange arguments, Value slots) {
    const Shares shares(sum, threads);
    Type element = sum.sum.getElementType();
    Value section = b.div(block, shares.blocksOfSection);
    if (shares.sections > 1)
      block = b.rem(block, shares.blocksOfSection);
    Value lane = b.rem(thread, shares.lanes), group = b.div(thread, shares.lanes);
    Value column = b.add(b.mul(block, shares.lanes), lane);
    Value isColumn = b.less(column, b.index(shares.columns));
    // A column that exists, for threads beyond the last; they store nothing.
    Value safe = arith::MinUIOp::create(b, b.loc, column, b.index(shares.columns - 1));
    auto load = [&](Value row) -> Value {
      SmallVector<Value> position{shares.sections == 1 ? row
                                                       : b.add(b.mul(section, shares.rows), row)};
      if (sum.partials.getRank() == 2)
        position.push_back(safe);
      return memref::LoadOp::create(b, b.loc, arguments.front(), position);
    };
    Value neutral = b.neutral(sum.kind, element);
    // Rows [begin, end) in turns of so many for each group: the combined ones of each.
    auto combineRows = [&](Value begin, int64_t end, int64_t together, ValueRange carried) {
      auto loop = scf::ForOp::create(b, b.loc, begin, b.index(end),
                                     b.index(together * shares.groups), carried);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      SmallVector<Value> values;
      for (int64_t i = 0; i < together; ++i)
        values.push_back(load(b.add(loop.getInductionVar(), b.index(i * shares.groups))));
      for (auto [i, value] : llvm::enumerate(values))
        value = b.combine(sum.kind, loop.getRegionIterArg(i), value);
      scf::YieldOp::create(b, b.loc, values);
      return SmallVector<Value>(loop.getResults());
    };
    const int64_t turn = kTogether * shares.groups, bulk = shares.rows / turn * turn;
    SmallVector<Value> parts =
        combineRows(group, bulk, kTogether, SmallVector<Value>(kTogether, neutral));
    Value combined = parts.front();
    for (Value part : ArrayRef(parts).drop_front())
      combined = b.combine(sum.kind, combined, part);
    combined = combineRows(b.add(group, b.index(bulk)), shares.rows, 1, combined).front();
    auto slotOf = [&](Value group) { return b.add(b.mul(group, shares.lanes), lane); };
    memref::StoreOp::create(b, b.loc, combined, slots, slotOf(group));
    gpu::BarrierOp::create(b, b.loc);
    Value isFirst = arith::CmpIOp::create(b, b.loc, arith::CmpIPredicate::eq, group, b.index(0));
    auto branch = scf::IfOp::create(b, b.loc, arith::AndIOp::create(b, b.loc, isFirst, isColumn),
                                    /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> position;
    if (sum.sum.getRank() == 2)
      position.push_back(section);
    if (sum.sum.getRank() > 0)
      position.push_back(column);
    auto total = scf::ForOp::create(b, b.loc, b.index(0), b.index(shares.groups), b.index(1),
                                    b.neutral(sum.kind, element));
    {
      OpBuilder::InsertionGuard inLoop(b);
      b.setInsertionPointToStart(total.getBody());
      Value part = memref::LoadOp::create(b, b.loc, slots, slotOf(total.getInductionVar()));
      Value next = b.combine(sum.kind, total.getRegionIterArg(0), part);
      scf::YieldOp::create(b, b.loc, next);
    }
    Value value = total.getResult(0);
    ValueRange rest = arguments.drop_front();
    if (sum.init) {
      Value init = memref::LoadOp::create(b, b.loc, rest.front(), position);
      value = b.combine(sum.kind, init, value);
      rest = rest.drop_front();
    }
    if (sum.epilogue)
      value = finish(sum, value, rest.drop_back(), position);
    memref::StoreOp::create(b, b.loc, value, rest.back(), position);
  }

  Value finish(const ColumnSum &sum, Value value, ValueRange others, ValueRange position) {
    linalg::GenericOp op = sum.epilogue;
    SmallVector<Value> operands;
    for (unsigned i = 0; i < op.getNumDpsInputs(); ++i) {
      if (i == sum.sumOperand) {
        operands.push_back(value);
        continue;
      }
      operands.push_back(memref::LoadOp::create(b, b.loc, others.front(), position));
      others = others.drop_front();
    }
    // What the result held before is not read.
    Type type = op.getRegionOutputArgs()[0].getType();
    operands.push_back(arith::ConstantOp::create(b, b.loc, b.getZeroAttr(type)));
    return b.emitBody(op, operands, 0, nullptr,
                      llvm::to_vector(op.getBody()->getTerminator()->getOperands()))[0];
  }

  ArrayRef<ColumnSum> sums;
  const int64_t threads;
  KernelBuilder b;
  ColumnKernel kernel;
  /// By type of element: the workgroup memory in which groups combine what they have.
  llvm::DenseMap<Type, unsigned> slotsOf;
  Value thread;
};

} // namespace

ColumnKernel cuda::emitColumnKernel(ArrayRef<ColumnSum> sums, gpu::GPUModuleOp module,
                                    StringRef name, Location loc) {
  return Emitter(sums, module, name, loc).emit();
}
