//===- OutlineElements.cpp - The cuda-outline-elements pass ----------------===//

#include "ElementKernel.h"
#include "KernelBuilder.h"

#include "bigmac/Target/CUDAPasses.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace bigmac {
#define GEN_PASS_DEF_CUDAOUTLINEELEMENTS
#include "bigmac/Target/CUDAPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

void launch(OpBuilder &b, Location loc, const cuda::ElementKernel &kernel) {
  auto size = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, loc, value); };
  gpu::KernelDim3 grid{size(kernel.blocks), size(1), size(1)};
  gpu::KernelDim3 block{size(kernel.threads), size(1), size(1)};
  gpu::LaunchFuncOp::create(b, loc, gpu::GPUFuncOp(kernel.function), grid, block,
                            /*dynamicSharedMemorySize=*/Value(), kernel.arguments);
}

/// Constants of the host's program are not in the device's memory. Kernels have them in their own
/// code, from where a task copies them to buffers.
class DeviceConstants {
public:
  DeviceConstants(ModuleOp module, gpu::GPUModuleOp kernels) : module(module), kernels(kernels) {}

  void copyToBuffers(func::FuncOp task) {
    unsigned count = 0;
    for (auto use : llvm::to_vector(task.getOps<memref::GetGlobalOp>())) {
      OpBuilder b(use);
      auto type = cast<MemRefType>(use.getType());
      Value buffer = memref::AllocOp::create(
          b, use.getLoc(), MemRefType::get(type.getShape(), type.getElementType()));
      cuda::ElementKernel kernel = cuda::emitConstantKernel(
          declare(use.getName()), type, kernels,
          cuda::kernelName(task.getName(), "_constant", count++), use.getLoc());
      kernel.arguments.push_back(buffer);
      launch(b, use.getLoc(), kernel);
      use.replaceAllUsesWith(buffer);
      use.erase();
    }
  }

private:
  StringRef declare(StringRef name) {
    if (!kernels.lookupSymbol(name)) {
      auto global = module.lookupSymbol<memref::GlobalOp>(name);
      OpBuilder b = OpBuilder::atBlockBegin(kernels.getBody());
      b.clone(*global);
    }
    return name;
  }

  ModuleOp module;
  gpu::GPUModuleOp kernels;
};

/// Whether the elements of `operand` along loop i + 1 continue where those of one point of loop i
/// end.
bool continues(linalg::GenericOp op, OpOperand &operand, unsigned i) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  auto type = dyn_cast<MemRefType>(operand.get().getType());
  if (!type || !(map.isFunctionOfDim(i) || map.isFunctionOfDim(i + 1)))
    return true;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (!linalg::isDimSequencePreserved(map, {i, i + 1}) ||
      failed(type.getStridesAndOffset(strides, offset)))
    return false;
  std::optional<unsigned> at = map.getResultPosition(getAffineDimExpr(i, op.getContext()));
  return at && strides[*at] == strides[*at + 1] * type.getDimSize(*at + 1);
}

/// Neighbouring loops that go through every operand's memory as one would become one.
linalg::GenericOp withFewerLoops(IRRewriter &rewriter, linalg::GenericOp op) {
  const unsigned loops = op.getNumLoops();
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  if (!op.hasPureBufferSemantics() || op.hasIndexSemantics())
    return op;
  SmallVector<ReassociationIndices> groups;
  for (unsigned i = 0; i < loops; ++i) {
    const bool joins = i > 0 && kinds[i] == kinds[i - 1] &&
                       llvm::all_of(op->getOpOperands(), [&](OpOperand &operand) {
                         return continues(op, operand, i - 1);
                       });
    if (joins)
      groups.back().push_back(i);
    else
      groups.push_back({i});
  }
  if (groups.size() == loops)
    return op;
  llvm::erase_if(groups, [](const ReassociationIndices &group) { return group.size() == 1; });
  FailureOr<linalg::CollapseResult> collapsed =
      linalg::collapseOpIterationDims(op, groups, rewriter);
  if (failed(collapsed))
    return op;
  rewriter.eraseOp(op);
  return cast<linalg::GenericOp>(collapsed->collapsedOp);
}

struct CUDAOutlineElements : bigmac::impl::CUDAOutlineElementsBase<CUDAOutlineElements> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto modules = module.getOps<gpu::GPUModuleOp>();
    if (modules.empty()) {
      module.emitError("has no gpu.module for kernels; run cuda-generate-kernels first");
      return signalPassFailure();
    }
    gpu::GPUModuleOp kernels = *modules.begin();
    IRRewriter rewriter(&getContext());
    DeviceConstants constants(module, kernels);
    for (auto task : module.getOps<func::FuncOp>()) {
      constants.copyToBuffers(task);
      SmallVector<Operation *> ops;
      task.walk([&](Operation *op) {
        if (isa<linalg::LinalgOp, memref::CopyOp>(op))
          ops.push_back(op);
      });
      unsigned count = 0;
      for (Operation *op : ops) {
        rewriter.setInsertionPoint(op);
        if (auto copy = dyn_cast<memref::CopyOp>(op)) {
          if (copy.getSource() == copy.getTarget()) {
            rewriter.eraseOp(op);
            continue;
          }
          op = linalg::makeMemRefCopyOp(rewriter, op->getLoc(), copy.getSource(), copy.getTarget());
          rewriter.eraseOp(copy);
        }
        auto generic = dyn_cast<linalg::GenericOp>(op);
        if (!generic) {
          rewriter.setInsertionPoint(op);
          auto general = linalg::generalizeNamedOp(rewriter, cast<linalg::LinalgOp>(op));
          if (failed(general)) {
            op->emitOpError("cannot become a GPU kernel");
            return signalPassFailure();
          }
          generic = *general;
        }
        generic = withFewerLoops(rewriter, generic);
        std::string name = cuda::kernelName(task.getName(), "_element", count++), reason;
        cuda::ElementKernel kernel = cuda::emitElementKernel(generic, kernels, name, reason);
        if (!kernel.function) {
          generic.emitOpError("cannot become a GPU kernel: ") << reason;
          return signalPassFailure();
        }
        rewriter.setInsertionPoint(generic);
        launch(rewriter, generic.getLoc(), kernel);
        rewriter.eraseOp(generic);
      }
    }
  }
};

} // namespace
