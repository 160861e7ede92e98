//===- PlanWorkspace.cpp - The cpu-plan-workspace pass ---------------------===//

#include "Kernels.h"

#include "bigmac/Planning/MemoryPlanner.h"
#include "bigmac/Target/CPUPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace bigmac {
#define GEN_PASS_DEF_CPUPLANWORKSPACE
#include "bigmac/Target/CPUPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// When ops of a function begin and end, in program order. An op with regions ends after them; all
/// of a kernel happens at once.
class Timeline {
public:
  explicit Timeline(func::FuncOp function) { number(function); }

  uint64_t begin(Operation *op) const { return spans.at(op).first; }
  uint64_t end(Operation *op) const { return spans.at(op).second; }

private:
  void number(Operation *op) {
    uint64_t begin = next++;
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Operation &nested : block)
          number(&nested);
    std::pair<uint64_t, uint64_t> span = {begin, next};
    spans[op] = span;
    if (isKernel(op))
      op->walk([&](Operation *nested) { spans[nested] = span; });
  }

  uint64_t next = 0;
  llvm::DenseMap<Operation *, std::pair<uint64_t, uint64_t>> spans;
};

/// The bytes of a dense buffer.
uint64_t bytesOf(MemRefType type) {
  return type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

/// From the first to the last access of `alloc` through any view. An access in a loop that the
/// allocation is outside of lasts as long as the loop. Fails on a use that is no access.
FailureOr<planning::Buffer> lifetimeOf(memref::AllocOp alloc, const Timeline &timeline) {
  planning::Buffer buffer;
  buffer.size = bytesOf(alloc.getType());
  buffer.lower = std::numeric_limits<uint64_t>::max();
  SmallVector<Value> views = {alloc.getMemref()};
  while (!views.empty()) {
    for (Operation *user : views.pop_back_val().getUsers()) {
      if (isa<ViewLikeOpInterface, memref::ExtractStridedMetadataOp>(user)) {
        // Of metadata, only the base buffer leads to accesses.
        for (Value result : user->getResults())
          if (isa<MemRefType>(result.getType()))
            views.push_back(result);
        continue;
      }
      if (llvm::any_of(user->getResultTypes(), llvm::IsaPred<MemRefType>))
        return user->emitOpError("passes a temporary buffer on, so its lifetime is unknown");
      // An address taken as an integer ends in a call of the same block: the uses of it count.
      SmallVector<Operation *> accesses = {user};
      if (isa<memref::ExtractAlignedPointerAsIndexOp>(user)) {
        for (unsigned i = 0; i < accesses.size(); ++i)
          for (Operation *next : accesses[i]->getUsers())
            accesses.push_back(next);
      }
      for (Operation *access : accesses) {
        Operation *ancestor = alloc->getBlock()->findAncestorOpInBlock(*access);
        buffer.lower = std::min(buffer.lower, timeline.begin(ancestor));
        buffer.upper = std::max(buffer.upper, timeline.end(ancestor));
      }
    }
  }
  if (buffer.upper == 0)
    buffer.lower = 0;
  return buffer;
}

LogicalResult planTask(func::FuncOp task) {
  Timeline timeline(task);
  SmallVector<memref::AllocOp> allocs;
  std::vector<planning::Buffer> buffers;
  bool hasFailed = false;
  task.walk([&](memref::AllocOp alloc) {
    if (!alloc.getType().hasStaticShape()) {
      alloc.emitOpError("has a size that is not static, found ") << alloc.getType();
      hasFailed = true;
      return;
    }
    auto buffer = lifetimeOf(alloc, timeline);
    if (failed(buffer)) {
      hasFailed = true;
      return;
    }
    allocs.push_back(alloc);
    buffers.push_back(*buffer);
  });
  if (hasFailed)
    return failure();
  auto placement = planning::placeBuffers(buffers);
  if (!placement.ok())
    return task.emitOpError("has temporary buffers that cannot be placed: ") << placement.message();
  auto status = planning::verifyPlacement(buffers, placement->offsets);
  if (!status.ok())
    return task.emitOpError("has a wrong placement of temporary buffers: ") << status.message();

  uint64_t bytes = llvm::alignTo(placement->peak, 64);
  OpBuilder builder(task.getContext());
  auto type = MemRefType::get({static_cast<int64_t>(bytes)}, builder.getI8Type());
  BlockArgument workspace = task.front().addArgument(type, task.getLoc());
  task.setType(builder.getFunctionType(task.front().getArgumentTypes(), {}));
  for (auto [alloc, offset] : llvm::zip_equal(allocs, placement->offsets)) {
    builder.setInsertionPointToStart(&task.front());
    Value shift = arith::ConstantIndexOp::create(builder, alloc.getLoc(), offset);
    Value view = memref::ViewOp::create(builder, alloc.getLoc(), alloc.getType(), workspace, shift,
                                        ValueRange());
    alloc.replaceAllUsesWith(view);
    alloc.erase();
  }
  return success();
}

struct CPUPlanWorkspace : bigmac::impl::CPUPlanWorkspaceBase<CPUPlanWorkspace> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && failed(planTask(function)))
        return signalPassFailure();
  }
};

} // namespace
