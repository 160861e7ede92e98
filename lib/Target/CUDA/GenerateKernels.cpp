//===- GenerateKernels.cpp - The cuda-generate-kernels pass ----------------===//

#include "ColumnKernel.h"
#include "KernelBuilder.h"
#include "RowKernel.h"

#include "bigmac/Target/CUDAPasses.h"
#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Matchers.h"

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
  /// A result's buffer, and whether what reads it may also write there.
  struct Destination {
    Value buffer;
    bool writable = true;
  };

  KernelGenerator(gpu::GPUModuleOp kernels, StringRef task) : kernels(kernels), task(task) {}

  LogicalResult replace(scf::ForOp loop) {
    std::string reason;
    std::optional<cuda::RowProgram> program = cuda::readRowProgram(loop, reason);
    if (!program)
      return loop.emitError("cannot become a GPU kernel: ") << reason;
    OpBuilder b(loop);
    Location loc = loop.getLoc();
    for (const cuda::RowAccumulator &accumulator : program->accumulators)
      startFromAddend(loop, accumulator);
    SmallVector<Destination> results(loop.getNumResults());
    SmallVector<MemRefType> stored;
    for (const cuda::RowStore &store : program->stores) {
      results[store.result] = destination(b, loop.getResult(store.result), /*mayBePart=*/true);
      stored.push_back(cast<MemRefType>(results[store.result].buffer.getType()));
    }
    cuda::RowKernel kernel = cuda::emitRowKernel(*program, stored, kernels, nextName());

    SmallVector<Value> arguments;
    for (Value input : program->inputs)
      arguments.push_back(toBuffer(b, input));
    for (const cuda::RowStore &store : program->stores)
      arguments.push_back(results[store.result].buffer);
    SmallVector<Value> partials;
    for (size_t i = 0; i < program->accumulators.size(); ++i) {
      auto type = cast<MemRefType>(kernel.function.getFunctionType().getInput(arguments.size()));
      partials.push_back(memref::AllocOp::create(b, loc, type));
      arguments.push_back(partials.back());
    }
    markDistinct(kernel.function, arguments);
    // Loads of memory that nobody may write are moved to where they are used, over barriers too.
    for (auto [i, input] : llvm::enumerate(program->inputs))
      if (kernel.loadedAhead.contains(input))
        kernel.function.removeArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName());
    launch(b, loc, kernel.function, kernel.shape.blocks, kernel.shape.threads(), arguments);
    if (!partials.empty())
      sumPartials(b, loop, *program, partials, results);
    for (auto [value, result] : llvm::zip_equal(loop.getResults(), results))
      if (result.buffer && !value.use_empty())
        value.replaceAllUsesWith(bufferization::ToTensorOp::create(
            b, loc, value.getType(), result.buffer, /*restrict=*/true, result.writable));
    loop.erase();
    return success();
  }

  /// Library calls, too, compute pieces of concatenations where they belong.
  void placePieces(func::FuncOp task) {
    for (auto concat : task.getOps<tensor::ConcatOp>()) {
      SmallVector<std::pair<OpOperand *, OpOperand *>> placed;
      for (OpOperand &piece : concat->getOpOperands()) {
        auto call = piece.get().getDefiningOp<DestinationStyleOpInterface>();
        if (!call || !isa<cuda::CUDADialect>(call->getDialect()) || !piece.get().hasOneUse())
          continue;
        OpOperand *init = call.getTiedOpOperand(cast<OpResult>(piece.get()));
        if (init->get().getDefiningOp<tensor::EmptyOp>())
          placed.emplace_back(&piece, init);
      }
      if (placed.empty())
        continue;
      auto isBefore = [](auto &a, auto &b) {
        return a.second->getOwner()->isBeforeInBlock(b.second->getOwner());
      };
      Operation *first = llvm::min_element(placed, isBefore)->second->getOwner();
      OpBuilder b(first);
      auto known = concats.find(concat);
      if (known == concats.end())
        concats[concat].destination = destination(b, concat.getResult(), /*mayBePart=*/false);
      else if (Operation *made = known->second.destination.buffer.getDefiningOp();
               made && !made->isBeforeInBlock(first))
        continue;
      Value whole = concats[concat].destination.buffer;
      for (auto [piece, init] : placed)
        init->set(bufferization::ToTensorOp::create(
            b, concat.getLoc(), piece->get().getType(),
            part(b, concat, whole, piece->getOperandNumber()), /*restrict=*/true,
            /*writable=*/true));
    }
  }

  /// Concatenations whose pieces lie where they belong are their buffers; pieces that no kernel
  /// computes are written there.
  void replaceConcats() {
    // Outer ones last: they are pieces' users.
    for (auto &[concat, whole] : concats) {
      OpBuilder b(concat);
      for (auto [i, piece] : llvm::enumerate(tensor::ConcatOp(concat).getInputs()))
        if (!whole.computed.contains(i))
          bufferization::MaterializeInDestinationOp::create(
              b, concat->getLoc(), Type(), piece, part(b, concat, whole.destination.buffer, i),
              /*restrict=*/true, /*writable=*/true);
      Value result = tensor::ConcatOp(concat).getResult();
      if (!result.use_empty())
        result.replaceAllUsesWith(bufferization::ToTensorOp::create(
            b, concat->getLoc(), result.getType(), whole.destination.buffer, /*restrict=*/true,
            whole.destination.writable));
      concat->erase();
    }
    concats.clear();
  }

private:
  std::string nextName() { return cuda::kernelName(task, "", count++); }

  /// One kernel for the sums over rows of all blocks, and for what becomes of each sum alone.
  void sumPartials(OpBuilder &b, scf::ForOp loop, const cuda::RowProgram &program,
                   ArrayRef<Value> partials, MutableArrayRef<Destination> results) {
    SmallVector<cuda::ColumnSum> sums;
    SmallVector<Value> arguments;
    SmallVector<linalg::GenericOp> finished;
    auto typeOf = [](Value buffer) { return cast<MemRefType>(buffer.getType()); };
    for (auto [accumulator, partial] : llvm::zip_equal(program.accumulators, partials)) {
      OpResult total = loop->getResult(accumulator.result);
      cuda::ColumnSum sum;
      sum.partials = typeOf(partial);
      sum.kind = accumulator.combiner.kind;
      arguments.push_back(partial);
      auto type = cast<RankedTensorType>(total.getType());
      sum.sum = MemRefType::get(type.getShape(), type.getElementType());
      if (sum.sum.getRank() > 2)
        sum.sum = MemRefType::get(
            {type.getNumElements() / type.getShape().back(), type.getShape().back()},
            type.getElementType());
      Value init = program.init(accumulator.result);
      if (!startsFromNothing(init, sum.kind)) {
        arguments.push_back(bySection(b, toBuffer(b, init)));
        sum.init = typeOf(arguments.back());
      }
      Value wanted = total;
      if (OpOperand *use = finishingUse(total, loop)) {
        sum.epilogue = cast<linalg::GenericOp>(use->getOwner());
        sum.sumOperand = use->getOperandNumber();
        for (OpOperand *other : sum.epilogue.getDpsInputOperands())
          if (other != use) {
            arguments.push_back(bySection(b, toBuffer(b, other->get())));
            sum.others.push_back(typeOf(arguments.back()));
          }
        wanted = sum.epilogue.getResult(0);
        finished.push_back(sum.epilogue);
      }
      Destination result = destination(b, wanted, /*mayBePart=*/false);
      if (sum.epilogue && !wanted.use_empty())
        wanted.replaceAllUsesWith(bufferization::ToTensorOp::create(
            b, loop.getLoc(), wanted.getType(), result.buffer, /*restrict=*/true, result.writable));
      else if (!sum.epilogue)
        results[accumulator.result] = result;
      arguments.push_back(bySection(b, result.buffer));
      sum.result = typeOf(arguments.back());
      sums.push_back(std::move(sum));
    }
    cuda::ColumnKernel kernel = cuda::emitColumnKernel(sums, kernels, nextName(), loop.getLoc());
    launch(b, loop.getLoc(), kernel.function, kernel.blocks, kernel.threads, arguments);
    for (linalg::GenericOp op : finished)
      op.erase();
  }

  static bool startsFromNothing(Value init, arith::AtomicRMWKind kind) {
    auto fill = init.getDefiningOp<linalg::FillOp>();
    TypedAttr value;
    if (!fill || !matchPattern(fill.value(), m_Constant(&value)))
      return false;
    OpBuilder builder(fill);
    return value == arith::getIdentityValueAttr(kind, value.getType(), builder, fill.getLoc());
  }

  /// The use of a sum by an elementwise op that needs nothing that comes after `loop`, where it is
  /// the only one.
  static OpOperand *finishingUse(Value sum, scf::ForOp loop) {
    if (!sum.hasOneUse())
      return nullptr;
    OpOperand &use = *sum.getUses().begin();
    auto op = dyn_cast<linalg::GenericOp>(use.getOwner());
    if (!op || op->getBlock() != loop->getBlock() || op.getNumResults() != 1 ||
        op.getNumParallelLoops() != op.getNumLoops() || op.isDpsInit(&use) ||
        op.payloadUsesValueFromOperand(op.getDpsInitOperand(0)) ||
        !llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
      return nullptr;
    for (Operation &inner : op.getBody()->without_terminator())
      if (!OpTrait::hasElementwiseMappableTraits(&inner) &&
          !inner.hasTrait<OpTrait::ConstantLike>())
        return nullptr;
    DominanceInfo dominance;
    for (OpOperand *other : op.getDpsInputOperands())
      if (other != &use && (!isa<RankedTensorType>(other->get().getType()) ||
                            !dominance.properlyDominates(other->get(), loop)))
        return nullptr;
    return &use;
  }

  /// Sums of sections as a matrix: a row for each.
  static Value bySection(OpBuilder &b, Value buffer) {
    const unsigned rank = cast<MemRefType>(buffer.getType()).getRank();
    if (rank <= 2)
      return buffer;
    SmallVector<ReassociationIndices> groups(2);
    llvm::append_range(groups[0], llvm::seq<int64_t>(0, rank - 1));
    groups[1].push_back(rank - 1);
    return memref::CollapseShapeOp::create(b, buffer.getLoc(), buffer, groups);
  }

  static Value toBuffer(OpBuilder &b, Value tensor) {
    auto type = cast<RankedTensorType>(tensor.getType());
    return bufferization::ToBufferOp::create(
        b, tensor.getLoc(), MemRefType::get(type.getShape(), type.getElementType()), tensor,
        /*read_only=*/true);
  }

  /// Where all that becomes of a sum over rows is that something is added to it, as a gradient is
  /// to its accumulator, the sum starts from that.
  static void startFromAddend(scf::ForOp loop, const cuda::RowAccumulator &accumulator) {
    auto sum = cast<OpResult>(loop.getResult(accumulator.result));
    auto fill = loop.getInitArgs()[accumulator.result].getDefiningOp<linalg::FillOp>();
    if (!fill || !sum.hasOneUse() || accumulator.combiner.kind != arith::AtomicRMWKind::addf ||
        !matchPattern(fill.value(), m_AnyZeroFloat()))
      return;
    auto add = dyn_cast<linalg::GenericOp>(*sum.getUsers().begin());
    if (!add || add.getNumDpsInputs() != 2 || add.getNumResults() != 1 ||
        add.getResult(0).getType() != sum.getType() ||
        !llvm::all_of(add.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
      return;
    Block &body = *add.getBody();
    auto inner = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
    Value other = add.getInputs()[add.getInputs()[0] == sum ? 1 : 0];
    if (!inner || inner.getLhs() == inner.getRhs() || !isa<BlockArgument>(inner.getLhs()) ||
        !isa<BlockArgument>(inner.getRhs()) || other == sum ||
        !DominanceInfo().properlyDominates(other, loop))
      return;
    loop.getInitArgsMutable()[accumulator.result].set(other);
    add.getResult(0).replaceAllUsesWith(sum);
    add.erase();
  }

  /// The buffer that `result` is wanted in, which may be part of another, else a new one.
  Destination destination(OpBuilder &b, Value result, bool mayBePart) {
    for (OpOperand &use : result.getUses())
      if (std::optional<Destination> wanted = writtenTo(use))
        return *wanted;
    if (mayBePart && result.hasOneUse())
      if (isa<tensor::ConcatOp>(result.getUses().begin()->getOwner()))
        return partOf(b, *result.getUses().begin());
    auto type = cast<RankedTensorType>(result.getType());
    return {memref::AllocOp::create(b, result.getLoc(),
                                    MemRefType::get(type.getShape(), type.getElementType()))};
  }

  /// Where a piece of a concatenation lies in its buffer, which the first piece makes.
  Destination partOf(OpBuilder &b, OpOperand &piece) {
    auto concat = cast<tensor::ConcatOp>(piece.getOwner());
    if (!concats.contains(concat)) {
      Destination whole = destination(b, concat.getResult(), /*mayBePart=*/true);
      concats[concat].destination = whole;
    }
    Concat &whole = concats[concat];
    whole.computed.insert(piece.getOperandNumber());
    return {part(b, concat, whole.destination.buffer, piece.getOperandNumber()),
            whole.destination.writable};
  }

  static Value part(OpBuilder &b, tensor::ConcatOp concat, Value buffer, unsigned piece) {
    const int64_t rank = concat.getType().getRank(), dim = concat.getDim();
    SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0)), strides(rank, b.getIndexAttr(1));
    int64_t begin = 0;
    for (Value before : concat.getInputs().take_front(piece))
      begin += cast<RankedTensorType>(before.getType()).getDimSize(dim);
    offsets[dim] = b.getIndexAttr(begin);
    auto type = cast<RankedTensorType>(concat.getInputs()[piece].getType());
    return memref::SubViewOp::create(b, concat.getLoc(), buffer, offsets,
                                     getAsIndexOpFoldResult(b.getContext(), type.getShape()),
                                     strides);
  }

  /// The argument that `use`, or a chain of uses, does no more than write to; such writes go. An
  /// output may have other readers, which leave it as it is. What a task updates in place is read
  /// before, so there it must be the value's only use.
  static std::optional<Destination> writtenTo(OpOperand &use) {
    SmallVector<Operation *> writes;
    for (OpOperand *next = &use;;) {
      auto write = dyn_cast<bufferization::MaterializeInDestinationOp>(next->getOwner());
      if (!write || next->get() != write.getSource())
        return std::nullopt;
      writes.push_back(write);
      if (write->getNumResults() == 0)
        break;
      if (!next->get().hasOneUse() || !write->getResult(0).hasOneUse())
        return std::nullopt;
      next = &*write->getResult(0).getUses().begin();
    }
    Value buffer = cast<bufferization::MaterializeInDestinationOp>(writes.back()).getDest();
    const bool isOutput = isa<BlockArgument>(buffer) && buffer.hasOneUse();
    if (!isa<BlockArgument>(buffer) || !(isOutput || use.get().hasOneUse()))
      return std::nullopt;
    for (Operation *op : llvm::reverse(writes))
      op->erase();
    return Destination{buffer, /*writable=*/false};
  }

  /// Tells the code generator that arguments do not overlap, unless a task updates a buffer in
  /// place.
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

  struct Concat {
    Destination destination;
    /// The pieces that kernels write to their places.
    llvm::SmallDenseSet<unsigned> computed;
  };

  gpu::GPUModuleOp kernels;
  StringRef task;
  unsigned count = 0;
  llvm::MapVector<tensor::ConcatOp, Concat> concats;
};

struct CUDAGenerateKernels : bigmac::impl::CUDAGenerateKernelsBase<CUDAGenerateKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto kernels = gpu::GPUModuleOp::create(b, module.getLoc(), "kernels");
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), b.getUnitAttr());
    for (auto task : module.getOps<func::FuncOp>()) {
      KernelGenerator generator(kernels, task.getName());
      SmallVector<scf::ForOp> loops;
      task.walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
        loops.push_back(loop);
        return WalkResult::skip();
      });
      for (scf::ForOp loop : loops)
        if (failed(generator.replace(loop)))
          return signalPassFailure();
      generator.placePieces(task);
      generator.replaceConcats();
    }
  }
};

} // namespace
