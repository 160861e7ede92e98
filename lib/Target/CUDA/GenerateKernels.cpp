//===- GenerateKernels.cpp - The cuda-generate-kernels pass ----------------===//

#include "ColumnKernel.h"
#include "RowKernel.h"

#include "bigmac/Target/CUDAPasses.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace bigmac {
#define GEN_PASS_DEF_CUDAGENERATEKERNELS
#include "bigmac/Target/CUDAPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// Replaces loops over rows of one task by launches.
class KernelGenerator {
public:
  KernelGenerator(gpu::GPUModuleOp kernels, unsigned &count) : kernels(kernels), count(count) {}

  LogicalResult replace(scf::ForOp loop) {
    std::string reason;
    std::optional<cuda::RowProgram> program = cuda::readRowProgram(loop, reason);
    if (!program)
      return loop.emitError("cannot become a GPU kernel: ") << reason;
    OpBuilder b(loop);
    Location loc = loop.getLoc();
    cuda::RowKernel kernel = cuda::emitRowKernel(*program, kernels, nextName());

    SmallVector<Value> arguments;
    for (Value input : program->inputs)
      arguments.push_back(toBuffer(b, input));
    SmallVector<Value> results(loop.getNumResults());
    for (const cuda::RowStore &store : program->stores)
      arguments.push_back(results[store.result] = destination(b, loop.getResult(store.result)));
    SmallVector<Value> partials;
    for (size_t i = 0; i < program->accumulators.size(); ++i) {
      auto type =
          cast<MemRefType>(kernel.function.getFunctionType().getInput(arguments.size()));
      partials.push_back(memref::AllocOp::create(b, loc, type));
      arguments.push_back(partials.back());
    }
    markDistinct(kernel.function, arguments);
    launch(b, loc, kernel.function, kernel.shape.blocks, kernel.shape.threads(), arguments);
    for (auto [accumulator, partial] : llvm::zip_equal(program->accumulators, partials)) {
      Value result = destination(b, loop.getResult(accumulator.result));
      results[accumulator.result] = result;
      cuda::ColumnKernel sum = cuda::emitColumnKernel(
          cast<MemRefType>(partial.getType()), cast<MemRefType>(result.getType()),
          accumulator.combiner.kind, kernels, nextName(), loc);
      Value init = toBuffer(b, program->init(accumulator.result));
      launch(b, loc, sum.function, sum.blocks, sum.threads, {partial, init, result});
    }
    for (auto [value, buffer] : llvm::zip_equal(loop.getResults(), results))
      if (!value.use_empty())
        value.replaceAllUsesWith(bufferization::ToTensorOp::create(
            b, loc, value.getType(), buffer, /*restrict=*/true, /*writable=*/true));
    loop.erase();
    return success();
  }

private:
  std::string nextName() { return "kernel_" + std::to_string(count++); }

  static Value toBuffer(OpBuilder &b, Value tensor) {
    auto type = cast<RankedTensorType>(tensor.getType());
    return bufferization::ToBufferOp::create(
        b, tensor.getLoc(), MemRefType::get(type.getShape(), type.getElementType()), tensor,
        /*read_only=*/true);
  }

  /// The buffer that `result` is wanted in, else a new one.
  static Value destination(OpBuilder &b, Value result) {
    if (result.hasOneUse())
      if (auto write =
              dyn_cast<bufferization::MaterializeInDestinationOp>(*result.getUsers().begin()))
        if (Value buffer = write.getDest();
            isa<MemRefType>(buffer.getType()) && isa<BlockArgument>(buffer)) {
          write.erase();
          return buffer;
        }
    auto type = cast<RankedTensorType>(result.getType());
    return memref::AllocOp::create(b, result.getLoc(),
                                   MemRefType::get(type.getShape(), type.getElementType()));
  }

  /// Tells the code generator that arguments do not overlap, unless a task updates a buffer in place.
  static void markDistinct(gpu::GPUFuncOp kernel, ArrayRef<Value> arguments) {
    llvm::DenseSet<Value> buffers;
    for (Value argument : arguments) {
      if (auto read = argument.getDefiningOp<bufferization::ToBufferOp>()) {
        argument = read.getTensor();
        while (auto view = argument.getDefiningOp<ViewLikeOpInterface>())
          argument = view.getViewSource();
        if (auto tensor = argument.getDefiningOp<bufferization::ToTensorOp>())
          argument = tensor.getBuffer();
      }
      if (!buffers.insert(argument).second)
        return;
    }
    for (unsigned i = 0; i < arguments.size(); ++i)
      kernel.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                        UnitAttr::get(kernel.getContext()));
  }

  void launch(OpBuilder &b, Location loc, gpu::GPUFuncOp kernel, int64_t blocks, int64_t threads,
              ValueRange arguments) {
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    gpu::KernelDim3 grid{arith::ConstantIndexOp::create(b, loc, blocks), one, one};
    gpu::KernelDim3 block{arith::ConstantIndexOp::create(b, loc, threads), one, one};
    gpu::LaunchFuncOp::create(b, loc, kernel, grid, block, /*dynamicSharedMemorySize=*/Value(),
                              arguments);
  }

  gpu::GPUModuleOp kernels;
  unsigned &count;
};

struct CUDAGenerateKernels : bigmac::impl::CUDAGenerateKernelsBase<CUDAGenerateKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto kernels = gpu::GPUModuleOp::create(b, module.getLoc(), "kernels");
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), b.getUnitAttr());
    unsigned count = 0;
    KernelGenerator generator(kernels, count);
    for (auto task : module.getOps<func::FuncOp>()) {
      SmallVector<scf::ForOp> loops;
      task.walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
        loops.push_back(loop);
        return WalkResult::skip();
      });
      for (scf::ForOp loop : loops)
        if (failed(generator.replace(loop)))
          return signalPassFailure();
    }
  }
};

} // namespace
