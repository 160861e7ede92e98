//===- OutlineKernels.cpp - The cpu-outline-kernels pass -------------------===//

#include "Kernels.h"

#include "bigmac/Target/CPUPasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

namespace bigmac {
#define GEN_PASS_DEF_CPUOUTLINEKERNELS
#include "bigmac/Target/CPUPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

/// Functions that only report an error take no buffers.
static bool callsLibrary(Operation *op) {
  auto takesBuffers = [](func::CallOp call) {
    return llvm::any_of(call.getOperandTypes(), llvm::IsaPred<MemRefType, LLVM::LLVMPointerType>);
  };
  return op
      ->walk([&](func::CallOp call) {
        return takesBuffers(call) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

bool bigmac::isKernel(Operation *op) {
  auto loop = dyn_cast<scf::ForOp>(op);
  return loop && loop.getNumResults() == 0 && !callsLibrary(loop);
}

namespace {

/// Whether the kernel recomputes `op` rather than take its result as an argument. The workspace's
/// parts are arguments: that is what makes them distinct pointers.
bool isRecomputed(Operation *op) {
  return op && op->getNumRegions() == 0 && isMemoryEffectFree(op) &&
         !isa<memref::ViewOp, memref::GetGlobalOp>(op);
}

class Outliner {
public:
  explicit Outliner(ModuleOp module) : module(module), symbols(module) {}

  LogicalResult run(func::FuncOp task) {
    SmallVector<scf::ForOp> loops;
    collect(task.front(), loops);
    for (scf::ForOp loop : loops)
      if (failed(outline(loop)))
        return failure();
    return success();
  }

private:
  void collect(Block &block, SmallVectorImpl<scf::ForOp> &loops) {
    for (Operation &op : block) {
      if (isKernel(&op)) {
        loops.push_back(cast<scf::ForOp>(op));
        continue;
      }
      for (Region &region : op.getRegions())
        for (Block &nested : region)
          collect(nested, loops);
    }
  }

  LogicalResult outline(scf::ForOp loop) {
    // Values from outside: arguments, or recomputed from arguments.
    llvm::SetVector<Operation *> recomputed;
    llvm::SetVector<Value> arguments;
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(loop.getRegion(), captured);
    for (Value operand : loop->getOperands())
      captured.insert(operand);
    for (Value value : captured)
      capture(value, recomputed, arguments);
    for (Value argument : arguments)
      if (failed(checkDistinct(loop, argument)))
        return failure();

    Location loc = loop.getLoc();
    OpBuilder builder(module.getContext());
    SmallVector<Type> types = llvm::map_to_vector(arguments, [](Value v) { return v.getType(); });
    auto kernel = func::FuncOp::create(builder, loc, "kernel", builder.getFunctionType(types, {}));
    kernel.setPrivate();
    Block *body = kernel.addEntryBlock();
    builder.setInsertionPointToStart(body);
    IRMapping mapping;
    mapping.map(arguments.getArrayRef(), body->getArguments());
    for (Operation *op : recomputed)
      builder.clone(*op, mapping);
    builder.clone(*loop, mapping);
    func::ReturnOp::create(builder, loc);
    describePointers(kernel);

    func::FuncOp shared = share(kernel);
    builder.setInsertionPoint(loop);
    func::CallOp::create(builder, loc, shared, arguments.getArrayRef());
    loop.erase();
    return success();
  }

  /// Arguments of a task, parts of its workspace and constants are different bytes; another buffer
  /// might be one of them by another name.
  static LogicalResult checkDistinct(scf::ForOp loop, Value argument) {
    if (!isa<MemRefType>(argument.getType()))
      return success();
    auto block = dyn_cast<BlockArgument>(argument);
    if (block ? isa<func::FuncOp>(block.getOwner()->getParentOp())
              : isa<memref::ViewOp, memref::GetGlobalOp>(argument.getDefiningOp()))
      return success();
    return loop.emitOpError("uses a buffer that may be the same as another: ") << argument;
  }

  /// Postorder, so that `recomputed` defines before it uses.
  void capture(Value value, llvm::SetVector<Operation *> &recomputed,
               llvm::SetVector<Value> &arguments) {
    Operation *op = value.getDefiningOp();
    if (!isRecomputed(op)) {
      arguments.insert(value);
      return;
    }
    if (recomputed.contains(op))
      return;
    for (Value operand : op->getOperands())
      capture(operand, recomputed, arguments);
    recomputed.insert(op);
  }

  void describePointers(func::FuncOp kernel) {
    Builder builder(module.getContext());
    for (BlockArgument argument : kernel.getArguments()) {
      auto type = dyn_cast<MemRefType>(argument.getType());
      if (!type)
        continue;
      unsigned i = argument.getArgNumber();
      int64_t bytes = type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
      kernel.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), builder.getUnitAttr());
      kernel.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(), builder.getI64IntegerAttr(64));
      kernel.setArgAttr(i, LLVM::LLVMDialect::getDereferenceableAttrName(),
                        builder.getI64IntegerAttr(bytes));
    }
  }

  /// The kernel that does the same as `kernel`, which may be itself.
  func::FuncOp share(func::FuncOp kernel) {
    std::string text;
    llvm::raw_string_ostream os(text);
    kernel->print(os, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs(-1));
    auto [it, isNew] = kernels.try_emplace(text, kernel);
    if (!isNew) {
      kernel.erase();
      return it->second;
    }
    kernel.setName(("bm_kernel_" + Twine(kernels.size() - 1)).str());
    symbols.insert(kernel);
    return kernel;
  }

  ModuleOp module;
  SymbolTable symbols;
  llvm::StringMap<func::FuncOp> kernels;
};

struct CPUOutlineKernels : bigmac::impl::CPUOutlineKernelsBase<CPUOutlineKernels> {
  void runOnOperation() override {
    Outliner outliner(getOperation());
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (!function.isExternal() && function.isPublic() && failed(outliner.run(function)))
        return signalPassFailure();
  }
};

} // namespace
