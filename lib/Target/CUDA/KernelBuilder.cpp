//===- KernelBuilder.cpp - Pieces that kernels are made of -----------------===//

#include "KernelBuilder.h"

#include "bigmac/Conversion/ExpandMath.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::cuda;

std::string cuda::kernelName(StringRef task, StringRef kind, unsigned number) {
  std::string name = (task + kind + "_" + Twine(number)).str();
  for (char &c : name)
    if (!llvm::isAlnum(c))
      c = '_';
  return name;
}

gpu::GPUFuncOp KernelBuilder::createKernel(StringRef name, TypeRange arguments, TypeRange shared,
                                           int64_t threads) {
  auto kernel = gpu::GPUFuncOp::create(*this, loc, name, getFunctionType(arguments, {}), shared);
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), getUnitAttr());
  kernel.setKnownBlockSizeAttr(getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  // Said, not left to LLVM: it joins loads as if large arrays were aligned to 16 bytes, and prints
  // them with their elements' alignment.
  for (unsigned i = 0; i < shared.size(); ++i)
    kernel.setWorkgroupAttributionAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                                       getI64IntegerAttr(16));
  return kernel;
}

MemRefType KernelBuilder::workgroupType(ArrayRef<int64_t> sizes, Type element) {
  return MemRefType::get(sizes, element, MemRefLayoutAttrInterface{},
                         gpu::AddressSpaceAttr::get(getContext(), gpu::AddressSpace::Workgroup));
}

Value KernelBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(*this, loc, value);
}

Value KernelBuilder::add(Value a, Value b) { return createOrFold<arith::AddIOp>(loc, a, b); }

Value KernelBuilder::mul(Value a, int64_t b) {
  return b == 1 ? a : createOrFold<arith::MulIOp>(loc, a, index(b));
}

Value KernelBuilder::div(Value a, int64_t b) {
  return b == 1 ? a : createOrFold<arith::DivUIOp>(loc, a, index(b));
}

Value KernelBuilder::rem(Value a, int64_t b) {
  return b == 1 ? index(0) : createOrFold<arith::RemUIOp>(loc, a, index(b));
}

Value KernelBuilder::less(Value a, Value b) {
  return createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, a, b);
}

Value KernelBuilder::splat(Value scalar, int64_t size) {
  return vector::BroadcastOp::create(*this, loc, VectorType::get({size}, scalar.getType()), scalar);
}

Value KernelBuilder::neutral(arith::AtomicRMWKind kind, Type type) {
  TypedAttr value = arith::getIdentityValueAttr(kind, getElementTypeOrSelf(type), *this, loc);
  if (auto vector = dyn_cast<VectorType>(type))
    value = DenseElementsAttr::get(vector, value);
  return arith::ConstantOp::create(*this, loc, value);
}

Value KernelBuilder::combine(arith::AtomicRMWKind kind, Value a, Value b) {
  return arith::getReductionOp(kind, *this, loc, a, b);
}

Value KernelBuilder::reduceVector(arith::AtomicRMWKind kind, Value vector) {
  int64_t size = cast<VectorType>(vector.getType()).getDimSize(0);
  // A tree of halves: fewer dependent operations than a chain.
  SmallVector<Value> parts;
  for (int64_t i = 0; i < size; ++i)
    parts.push_back(vector::ExtractOp::create(*this, loc, vector, i));
  for (; parts.size() > 1; parts.resize(parts.size() / 2))
    for (size_t i = 0, half = parts.size() / 2; i < half; ++i)
      parts[i] = combine(kind, parts[i], parts[i + half]);
  return parts.front();
}

Value KernelBuilder::reduceLanes(arith::AtomicRMWKind kind, Value value, int64_t width) {
  for (int64_t offset = width / 2; offset > 0; offset /= 2) {
    Value other =
        gpu::ShuffleOp::create(*this, loc, value, offset, 32, gpu::ShuffleMode::XOR).getResult(0);
    value = combine(kind, value, other);
  }
  return value;
}

static void allowApproximation(Operation *op) {
  auto fast = cast<arith::ArithFastMathInterface>(op);
  arith::FastMathFlags flags = fast.getFastMathFlagsAttr().getValue() | arith::FastMathFlags::afn;
  op->setAttr(fast.getFastMathAttrName(), arith::FastMathFlagsAttr::get(op->getContext(), flags));
}

Value KernelBuilder::opaque(Value vector) {
  auto type = cast<VectorType>(vector.getType());
  const int64_t words = type.getDimSize(0) * type.getElementTypeBitWidth() / 32;
  auto asWords = VectorType::get({words}, getI32Type());
  Value bits = vector::BitCastOp::create(*this, loc, asWords, vector);
  for (int64_t i = 0; i < words; ++i) {
    Value word = vector::ExtractOp::create(*this, loc, bits, i);
    Value same =
        LLVM::InlineAsmOp::create(*this, loc, getI32Type(), word, "", "=r,0",
                                  /*has_side_effects=*/true, /*is_align_stack=*/false,
                                  LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr())
            .getRes();
    bits = vector::InsertOp::create(*this, loc, same, bits, i);
  }
  return vector::BitCastOp::create(*this, loc, type, bits);
}

SmallVector<Value> KernelBuilder::emitBody(linalg::GenericOp op, ValueRange arguments, int64_t size,
                                           Value column, ArrayRef<Value> wanted) {
  IRMapping mapping;
  mapping.map(op.getBody()->getArguments(), arguments);
  auto widen = [&](Value value) -> Value {
    if (size == 0 || isa<VectorType>(value.getType()))
      return value;
    return splat(value, size);
  };
  // Constants and the like of the surroundings become constants here.
  auto operand = [&](Value value) -> Value {
    if (Value mapped = mapping.lookupOrNull(value))
      return mapped;
    if (Value mapped = outer.lookupOrNull(value))
      return mapped;
    Value local = clone(*value.getDefiningOp())->getResult(0);
    mapping.map(value, local);
    return local;
  };
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (isa<linalg::IndexOp>(inner)) {
      Value result = column;
      if (size != 0) {
        SmallVector<int64_t> steps(llvm::to_vector(llvm::seq<int64_t>(0, size)));
        Value iota = arith::ConstantOp::create(*this, loc, getIndexVectorAttr(steps));
        result = arith::AddIOp::create(*this, loc, splat(column, size), iota);
      }
      mapping.map(inner.getResult(0), result);
      continue;
    }
    if (isa<arith::ConstantOp>(inner)) {
      mapping.map(inner.getResult(0), clone(inner)->getResult(0));
      continue;
    }
    SmallVector<Value> operands;
    bool isWide = false;
    for (Value value : inner.getOperands()) {
      operands.push_back(operand(value));
      isWide |= isa<VectorType>(operands.back().getType());
    }
    OperationState state(inner.getLoc(), inner.getName());
    state.addAttributes(inner.getAttrs());
    state.propertiesAttr = inner.getPropertiesAsAttribute();
    for (Value value : operands)
      state.operands.push_back(isWide ? widen(value) : value);
    for (Type type : inner.getResultTypes())
      state.types.push_back(isWide ? Type(VectorType::get({size}, type)) : type);
    Operation *made = create(state);
    if (approximate) {
      if (isa<math::ExpOp, arith::DivFOp>(made))
        allowApproximation(made);
      Value simpler;
      if (isa<math::ErfOp>(made))
        simpler = expandErf(*this, loc, made->getOperand(0), arith::FastMathFlags::afn);
      else if (isa<math::ErfcOp>(made))
        simpler = approximateErfc(*this, loc, made->getOperand(0), arith::FastMathFlags::afn);
      if (simpler) {
        mapping.map(inner.getResult(0), simpler);
        made->erase();
        continue;
      }
    }
    mapping.map(inner.getResults(), made->getResults());
  }
  return llvm::map_to_vector(wanted, [&](Value value) { return widen(operand(value)); });
}
