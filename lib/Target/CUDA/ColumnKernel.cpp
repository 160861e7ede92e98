//===- ColumnKernel.cpp - Sums over rows -----------------------------------===//
//
// A block takes some columns of a section; its groups of threads each combine every so manieth row,
// then the first group combines the groups' results in their order.
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

ColumnKernel cuda::emitColumnKernel(MemRefType partials, MemRefType result,
                                    arith::AtomicRMWKind kind, gpu::GPUModuleOp module,
                                    StringRef name, Location loc) {
  const int64_t threads = 256;
  int64_t columns = result.getRank() == 0 ? 1 : result.getShape().back();
  int64_t sections = result.getRank() == 2 ? result.getDimSize(0) : 1;
  int64_t rows = partials.getDimSize(0) / sections;
  int64_t lanes =
      std::min<int64_t>(32, std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(1, columns))));
  int64_t groups = threads / lanes;

  KernelBuilder b(OpBuilder::atBlockEnd(module.getBody()), loc);
  auto shared =
      MemRefType::get({groups, lanes}, result.getElementType(), MemRefLayoutAttrInterface{},
                      gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Workgroup));
  ColumnKernel kernel;
  kernel.threads = threads;
  const int64_t blocksOfSection = (columns + lanes - 1) / lanes;
  kernel.blocks = blocksOfSection * sections;
  kernel.function = gpu::GPUFuncOp::create(
      b, loc, name, b.getFunctionType({partials, result, result}, {}), TypeRange{shared});
  kernel.function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  kernel.function.setKnownBlockSizeAttr(
      b.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  b.setInsertionPointToStart(&kernel.function.getBody().front());

  Value thread = gpu::ThreadIdOp::create(b, loc, gpu::Dimension::x);
  Value block = gpu::BlockIdOp::create(b, loc, gpu::Dimension::x);
  Value section = b.div(block, blocksOfSection);
  if (sections > 1)
    block = b.rem(block, blocksOfSection);
  Value lane = b.rem(thread, lanes), group = b.div(thread, lanes);
  Value column = b.add(b.mul(block, lanes), lane);
  Value isColumn = b.less(column, b.index(columns));
  // A column that exists, for threads beyond the last; they store nothing.
  Value safe = arith::MinUIOp::create(b, loc, column, b.index(columns - 1));
  auto at = [&](Value row) {
    SmallVector<Value> position{sections == 1 ? row : b.add(b.mul(section, rows), row)};
    if (partials.getRank() == 2)
      position.push_back(safe);
    return position;
  };
  Value source = kernel.function.getArgument(0);
  auto loop = scf::ForOp::create(b, loc, group, b.index(rows), b.index(groups),
                                 b.neutral(kind, result.getElementType()));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value value = memref::LoadOp::create(b, loc, source, at(loop.getInductionVar()));
    Value sum = b.combine(kind, loop.getRegionIterArg(0), value);
    scf::YieldOp::create(b, loc, sum);
  }
  Value slots = kernel.function.getWorkgroupAttributions()[0];
  memref::StoreOp::create(b, loc, loop.getResult(0), slots, ValueRange{group, lane});
  gpu::BarrierOp::create(b, loc);
  Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, group, b.index(0));
  auto branch = scf::IfOp::create(b, loc, arith::AndIOp::create(b, loc, isFirst, isColumn),
                                  /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    SmallVector<Value> position;
    if (result.getRank() == 2)
      position.push_back(section);
    if (result.getRank() > 0)
      position.push_back(column);
    Value init = memref::LoadOp::create(b, loc, kernel.function.getArgument(1), position);
    auto total = scf::ForOp::create(b, loc, b.index(0), b.index(groups), b.index(1),
                                    b.neutral(kind, result.getElementType()));
    {
      OpBuilder::InsertionGuard inLoop(b);
      b.setInsertionPointToStart(total.getBody());
      Value part = memref::LoadOp::create(b, loc, slots, ValueRange{total.getInductionVar(), lane});
      Value sum = b.combine(kind, total.getRegionIterArg(0), part);
      scf::YieldOp::create(b, loc, sum);
    }
    memref::StoreOp::create(b, loc, b.combine(kind, init, total.getResult(0)),
                            kernel.function.getArgument(2), position);
  }
  gpu::ReturnOp::create(b, loc);
  return kernel;
}
