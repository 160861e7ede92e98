//===- ElementKernel.cpp - A structured op to a GPU kernel -----------------===//
//
// For what no row kernel computes: lookups, concatenations, sums along inner dimensions, moved last
// dimensions. A thread takes a point of the parallel loops, neighbours along the last one, and runs
// the other loops by itself. Where every operand has that loop's elements next to one another, or
// one for all of them, a thread takes as many points as fill an access of 16 bytes.
//
//===----------------------------------------------------------------------===//

#include "ElementKernel.h"

#include "KernelBuilder.h"
#include "KernelShape.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

namespace {

constexpr int64_t kThreads = 256;

/// An empty kernel with a thread for each of `elements`.
ElementKernel createKernel(KernelBuilder &b, StringRef name, TypeRange types, int64_t elements) {
  ElementKernel kernel;
  kernel.threads = std::min(kThreads, elements);
  kernel.blocks = llvm::divideCeil(elements, kernel.threads);
  kernel.function = b.createKernel(name, types, {}, kernel.threads);
  return kernel;
}

/// Fills it in: `body` gets the number of the thread's element.
void emitThreads(KernelBuilder &b, ElementKernel &kernel, int64_t elements,
                 llvm::function_ref<void(Value)> body) {
  Value thread = gpu::ThreadIdOp::create(b, b.loc, gpu::Dimension::x);
  Value block = gpu::BlockIdOp::create(b, b.loc, gpu::Dimension::x);
  Value element = b.add(b.mul(block, kernel.threads), thread);
  if (elements % kernel.threads != 0) {
    auto inside = scf::IfOp::create(b, b.loc, b.less(element, b.index(elements)),
                                    /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(inside.thenBlock());
    body(element);
  } else {
    body(element);
  }
  b.setInsertionPointToEnd(&kernel.function.getBody().front());
  gpu::ReturnOp::create(b, b.loc);
}

class Emitter {
public:
  Emitter(linalg::GenericOp op, gpu::GPUModuleOp module)
      : op(op), b(OpBuilder::atBlockEnd(module.getBody()), op.getLoc()) {}

  ElementKernel emit(StringRef name, std::string &reason) {
    if (!findArguments(reason))
      return {};
    SmallVector<int64_t> sizes = op.getStaticLoopRanges();
    SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
    int64_t elements = 1;
    for (auto [size, kind] : llvm::zip_equal(sizes, kinds))
      if (kind == utils::IteratorType::parallel)
        elements *= size;
    vector = vectorSize(elements);
    if (vector > 1) {
      elements /= vector;
      sizes.back() /= vector;
    }

    SmallVector<Type> types = llvm::map_to_vector(arguments, [](Value v) { return v.getType(); });
    ElementKernel kernel = createKernel(b, name, types, elements);
    kernel.arguments = llvm::to_vector(arguments);
    Block &entry = kernel.function.getBody().front();
    b.setInsertionPointToStart(&entry);
    mapping.map(arguments.getArrayRef(), entry.getArguments());
    for (Operation *constant : constants)
      b.clone(*constant, mapping);
    emitThreads(b, kernel, elements, [&](Value element) { emitElement(element, sizes, kinds); });
    return kernel;
  }

private:
  bool findArguments(std::string &reason) {
    llvm::SetVector<Value> used;
    for (Value operand : op->getOperands())
      used.insert(operand);
    getUsedValuesDefinedAbove(op.getRegion(), used);
    for (Value value : used) {
      Operation *def = value.getDefiningOp();
      if (def && def->hasTrait<OpTrait::ConstantLike>() && !isa<MemRefType>(value.getType())) {
        constants.insert(def);
        continue;
      }
      auto type = dyn_cast<MemRefType>(value.getType());
      SmallVector<int64_t> strides;
      int64_t offset;
      if (!type || !type.hasStaticShape() || failed(type.getStridesAndOffset(strides, offset)) ||
          ShapedType::isDynamic(offset) || llvm::any_of(strides, ShapedType::isDynamic)) {
        llvm::raw_string_ostream(reason)
            << "it uses a value of type " << value.getType() << " that the host computes";
        return false;
      }
      arguments.insert(value);
    }
    return true;
  }

  /// How many points a thread takes along the last loop.
  int64_t vectorSize(int64_t elements) {
    const unsigned last = op.getNumLoops() - 1;
    if (op.getNumLoops() == 0 || op.getIteratorTypesArray()[last] != utils::IteratorType::parallel)
      return 1;
    // Wide values make every op of the body one on vectors.
    for (Operation &inner : op.getBody()->without_terminator())
      if (!OpTrait::hasElementwiseMappableTraits(&inner) &&
          !inner.hasTrait<OpTrait::ConstantLike>())
        return 1;
    int64_t narrowest = 16, widest = 1;
    for (OpOperand &operand : op->getOpOperands()) {
      Type element = getElementTypeOrSelf(operand.get().getType());
      if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() < 8)
        return 1;
      int64_t bytes = element.getIntOrFloatBitWidth() / 8;
      narrowest = std::min(narrowest, bytes);
      widest = std::max(widest, bytes);
    }
    int64_t size = std::min(16 / narrowest, std::max<int64_t>(1, 32 / widest));
    for (; size > 1; size /= 2)
      if (op.getStaticLoopRanges()[last] % size == 0 &&
          llvm::all_of(op->getOpOperands(),
                       [&](OpOperand &operand) { return takesVectors(operand, last, size); }))
        break;
    // A thread that runs loops by itself had better have company.
    const bool isBusy = elements / size < multiprocessors * kThreads;
    return op.getNumReductionLoops() > 0 && isBusy ? 1 : size;
  }

  /// Whether the points along loop `last` are `size` aligned elements, or the same one.
  bool takesVectors(OpOperand &operand, unsigned last, int64_t size) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    const bool isRepeated = !map.isFunctionOfDim(last);
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type || isRepeated)
      return !op.isDpsInit(&operand);
    SmallVector<int64_t> strides;
    int64_t offset = 0;
    if (failed(type.getStridesAndOffset(strides, offset)) || offset % size != 0 ||
        strides.back() != 1 || map.getResults().back() != getAffineDimExpr(last, op.getContext()))
      return false;
    for (auto [result, stride] :
         llvm::zip_equal(map.getResults().drop_back(), ArrayRef<int64_t>(strides).drop_back()))
      if (result.isFunctionOfDim(last) || stride % size != 0)
        return false;
    return true;
  }

  /// Whether `operand` gives or takes a value for each of the thread's points.
  bool isWide(OpOperand &operand) {
    return vector > 1 && op.getMatchingIndexingMap(&operand).isFunctionOfDim(op.getNumLoops() - 1);
  }

  void emitElement(Value element, ArrayRef<int64_t> sizes, ArrayRef<utils::IteratorType> kinds) {
    counters.assign(sizes.size(), Value());
    SmallVector<unsigned> reductions;
    const auto *outermost = llvm::find(kinds, utils::IteratorType::parallel);
    for (unsigned i = sizes.size(); i-- > 0;) {
      if (kinds[i] != utils::IteratorType::parallel) {
        reductions.insert(reductions.begin(), i);
        continue;
      }
      counters[i] = i == outermost - kinds.begin() ? element : b.rem(element, sizes[i]);
      element = b.div(element, sizes[i]);
    }
    if (vector > 1)
      counters.back() = b.mul(counters.back(), vector);
    SmallVector<SmallVector<Value>> positions;
    SmallVector<Value> values;
    for (OpOperand &init : op.getDpsInitsMutable()) {
      positions.push_back(positionOf(init));
      bool isRead = op.payloadUsesValueFromOperand(&init);
      values.push_back(isRead ? loadFrom(init, positions.back()) : Value());
    }
    values = emitLoops(reductions, values);
    for (auto [init, value, position] : llvm::zip_equal(op.getDpsInits(), values, positions))
      if (vector > 1)
        vector::StoreOp::create(b, b.loc, value, mapping.lookup(init), position,
                                /*nontemporal=*/false, alignmentOf(init));
      else
        memref::StoreOp::create(b, b.loc, value, mapping.lookup(init), position);
  }

  SmallVector<Value> emitLoops(ArrayRef<unsigned> loops, ArrayRef<Value> values) {
    if (loops.empty())
      return emitBody(values);
    // A result that does not read what was there still has a value in each round.
    SmallVector<Value> carried;
    for (auto [value, init] : llvm::zip_equal(values, op.getDpsInits()))
      carried.push_back(value ? value : zeroOf(typeOf(init)));
    int64_t size = op.getStaticLoopRanges()[loops.front()];
    auto loop = scf::ForOp::create(b, b.loc, b.index(0), b.index(size), b.index(1), carried);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    counters[loops.front()] = loop.getInductionVar();
    SmallVector<Value> next =
        emitLoops(loops.drop_front(), llvm::to_vector_of<Value>(loop.getRegionIterArgs()));
    scf::YieldOp::create(b, b.loc, next);
    return SmallVector<Value>(loop.getResults());
  }

  SmallVector<Value> emitBody(ArrayRef<Value> values) {
    if (vector > 1)
      return emitWideBody(values);
    IRMapping body = mapping;
    for (OpOperand *input : op.getDpsInputOperands())
      if (op.payloadUsesValueFromOperand(input))
        body.map(op.getMatchingBlockArgument(input), loadFrom(*input, positionOf(*input)));
    for (auto [argument, value] : llvm::zip_equal(op.getRegionOutputArgs(), values))
      if (value)
        body.map(argument, value);
    for (Operation &inner : op.getBody()->without_terminator()) {
      if (auto index = dyn_cast<linalg::IndexOp>(inner))
        body.map(index.getResult(), counters[index.getDim()]);
      else
        b.clone(inner, body);
    }
    return llvm::map_to_vector(op.getBody()->getTerminator()->getOperands(),
                               [&](Value value) { return body.lookup(value); });
  }

  SmallVector<Value> emitWideBody(ArrayRef<Value> values) {
    SmallVector<Value> arguments;
    for (OpOperand *input : op.getDpsInputOperands())
      arguments.push_back(op.payloadUsesValueFromOperand(input)
                              ? loadFrom(*input, positionOf(*input))
                              : zeroOf(getElementTypeOrSelf(input->get().getType())));
    for (auto [value, init] : llvm::zip_equal(values, op.getDpsInits()))
      arguments.push_back(value ? value : zeroOf(typeOf(init)));
    b.outer = mapping;
    return b.emitBody(op, arguments, vector, counters.back(),
                      llvm::to_vector(op.getBody()->getTerminator()->getOperands()));
  }

  SmallVector<Value> positionOf(OpOperand &operand) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    SmallVector<Value> position;
    for (AffineExpr result : map.getResults()) {
      if (auto dim = dyn_cast<AffineDimExpr>(result))
        position.push_back(counters[dim.getPosition()]);
      else
        position.push_back(affine::AffineApplyOp::create(
            b, b.loc, AffineMap::get(map.getNumDims(), 0, result), used(counters)));
    }
    return position;
  }

  /// Counters of loops that are not open yet do not index outputs; any value does for them.
  SmallVector<Value> used(ArrayRef<Value> counters) {
    return llvm::map_to_vector(counters, [&](Value v) { return v ? v : b.index(0); });
  }

  Value loadFrom(OpOperand &operand, ValueRange position) {
    Value value = operand.get();
    if (!isa<MemRefType>(value.getType()))
      return mapping.lookup(value);
    if (isWide(operand))
      return vector::LoadOp::create(b, b.loc, cast<VectorType>(typeOf(value)),
                                    mapping.lookup(value), position, /*nontemporal=*/false,
                                    alignmentOf(value));
    return memref::LoadOp::create(b, b.loc, mapping.lookup(value), position);
  }

  /// Of what a thread has of a buffer that it writes or reads widely.
  Type typeOf(Value buffer) {
    Type element = getElementTypeOrSelf(buffer.getType());
    return vector > 1 ? Type(VectorType::get({vector}, element)) : element;
  }

  llvm::MaybeAlign alignmentOf(Value buffer) {
    const int64_t bytes = getElementTypeOrSelf(buffer.getType()).getIntOrFloatBitWidth() / 8;
    return llvm::Align(std::min<int64_t>(16, bytes * vector));
  }

  Value zeroOf(Type type) { return arith::ConstantOp::create(b, b.loc, b.getZeroAttr(type)); }

  linalg::GenericOp op;
  KernelBuilder b;
  llvm::SetVector<Value> arguments;
  llvm::SetVector<Operation *> constants;
  IRMapping mapping;
  SmallVector<Value> counters;
  int64_t vector = 1;
};

} // namespace

ElementKernel cuda::emitElementKernel(linalg::GenericOp op, gpu::GPUModuleOp module, StringRef name,
                                      std::string &reason) {
  return Emitter(op, module).emit(name, reason);
}

ElementKernel cuda::emitConstantKernel(StringRef global, MemRefType type, gpu::GPUModuleOp module,
                                       StringRef name, Location loc) {
  KernelBuilder b(OpBuilder::atBlockEnd(module.getBody()), loc);
  auto plain = MemRefType::get(type.getShape(), type.getElementType());
  int64_t elements = type.getNumElements();
  ElementKernel kernel = createKernel(b, name, plain, elements);
  Block &entry = kernel.function.getBody().front();
  b.setInsertionPointToStart(&entry);
  Value constant = memref::GetGlobalOp::create(b, loc, type, global);
  emitThreads(b, kernel, elements, [&](Value element) {
    SmallVector<Value> position(type.getRank());
    for (unsigned i = type.getRank(); i-- > 0;) {
      position[i] = b.rem(element, type.getDimSize(i));
      element = b.div(element, type.getDimSize(i));
    }
    Value value = memref::LoadOp::create(b, loc, constant, position);
    memref::StoreOp::create(b, loc, value, entry.getArgument(0), position);
  });
  return kernel;
}
