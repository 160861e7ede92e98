//===- EmitHostCode.cpp - The cuda-emit-host-code pass ---------------------===//
//
// Launches and library calls become calls of the runtime (bigmac-rt/cuda.h), which know what they
// do by an index into the program's tables; those become the constant `bm_cuda`.
//
//===----------------------------------------------------------------------===//

#include "bigmac-rt/cuda.h"
#include "bigmac-rt/plan.h"
#include "bigmac/Target/CUDAPasses.h"
#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cstring>
#include <limits>

namespace bigmac {
#define GEN_PASS_DEF_CUDAEMITHOSTCODE
#include "bigmac/Target/CUDAPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// Structs by content: equal ones have one index.
template <typename T> class Table {
public:
  uint32_t indexOf(const T &entry) {
    StringRef key(reinterpret_cast<const char *>(&entry), sizeof(T));
    auto [it, isNew] = known.try_emplace(key, known.size());
    if (isNew)
      bytes += key.str();
    return it->second;
  }
  StringRef contents() const { return bytes; }
  int64_t size() const { return known.size(); }

private:
  llvm::StringMap<uint32_t> known;
  std::string bytes;
};

uint32_t typeOf(Type element) {
  if (element.isBF16())
    return BM_BF16;
  return element.isF16() ? BM_F16 : BM_F32;
}

struct Layout {
  SmallVector<int64_t> strides;
  int64_t offset = 0;
};

Layout layoutOf(Value buffer) {
  Layout layout;
  LogicalResult isStrided =
      cast<MemRefType>(buffer.getType()).getStridesAndOffset(layout.strides, layout.offset);
  assert(succeeded(isStrided) && "the op takes strided buffers only");
  (void)isStrided;
  return layout;
}

/// What cuBLASLt's fastest products on Hopper take.
constexpr uint64_t kMatmulWorkspace = 32 << 20;

/// What bigmac-rt/cuda.h says that an attention needs.
uint64_t workspaceOf(const bm_cuda_attention &x) {
  bool isForward = x.dq_strides[0] == 0;
  uint64_t bytes = 256;
  if (isForward)
    return bytes;
  uint64_t rows = x.batch * x.heads * x.queries;
  bytes += 4 * rows + 4 * rows * x.depth;
  if (x.kv_heads != x.heads)
    bytes += 2 * x.batch * x.heads * x.keys * (x.depth + x.value_depth);
  return bytes;
}

class HostCode {
public:
  explicit HostCode(ModuleOp module) : module(module), b(module.getContext()) {}

  LogicalResult run(uint64_t workspace) {
    workspaceBytes = workspace;
    for (auto task : llvm::to_vector(module.getOps<func::FuncOp>()))
      if (!task.isExternal() && failed(lowerTask(task)))
        return failure();
    if (!workspaceBytes)
      workspaceBytes = std::max(matmuls.size() ? kMatmulWorkspace : 0, attentionWorkspace);
    return emitProgram();
  }

private:
  LogicalResult lowerTask(func::FuncOp task) {
    SmallVector<Operation *> ops;
    WalkResult onDevice = task.walk([&](Operation *op) {
      if (isa<gpu::LaunchFuncOp>(op) || isa_and_nonnull<cuda::CUDADialect>(op->getDialect()))
        ops.push_back(op);
      if (!isa<memref::GetGlobalOp, memref::LoadOp, memref::StoreOp, memref::CopyOp>(op))
        return WalkResult::advance();
      op->emitOpError("would mix the memories of host and device");
      return WalkResult::interrupt();
    });
    if (onDevice.wasInterrupted())
      return failure();
    size_t most = 0;
    for (Operation *op : ops)
      if (auto launch = dyn_cast<gpu::LaunchFuncOp>(op))
        most = std::max<size_t>(most, launch.getNumKernelOperands());
    makeSlots(task, most);
    for (Operation *op : ops) {
      b.setInsertionPoint(op);
      LogicalResult lowered =
          llvm::TypeSwitch<Operation *, LogicalResult>(op)
              .Case([&](gpu::LaunchFuncOp op) { return lower(op); })
              .Case([&](cuda::MatmulOp op) { return lower(op); })
              .Case([&](cuda::AttentionOp op) { return lower(op); })
              .Case([&](cuda::AttentionBackwardOp op) { return lower(op); })
              .Case([&](cuda::ScatterRowsOp op) { return lower(op); })
              .Case([&](cuda::CheckIndicesOp op) { return lower(op); })
              .Default([](Operation *op) { return op->emitOpError("is no call of the runtime"); });
      if (failed(lowered))
        return failure();
      op->erase();
    }
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Calls
  //===--------------------------------------------------------------------===//

  Type pointerType() { return LLVM::LLVMPointerType::get(module.getContext()); }

  Value integer(Location loc, int64_t value, unsigned width) {
    return arith::ConstantIntOp::create(b, loc, value, width);
  }

  Value null(Location loc) { return LLVM::ZeroOp::create(b, loc, pointerType()); }

  /// The address of a buffer's first byte, or of the element at `offset`.
  Value address(Location loc, Value buffer, int64_t offset = 0) {
    Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, buffer);
    unsigned width = cast<MemRefType>(buffer.getType()).getElementTypeBitWidth();
    if (offset)
      base = arith::AddIOp::create(
          b, loc, base,
          arith::ConstantIndexOp::create(b, loc, offset * llvm::divideCeil(width, 8)));
    Value bits = arith::IndexCastOp::create(b, loc, b.getI64Type(), base);
    return LLVM::IntToPtrOp::create(b, loc, pointerType(), bits);
  }

  Value start(Location loc, Value buffer) { return address(loc, buffer, layoutOf(buffer).offset); }

  void call(Location loc, StringRef name, ValueRange operands) {
    if (!module.lookupSymbol(name)) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(module.getBody());
      func::FuncOp::create(b, module.getLoc(), name, b.getFunctionType(operands.getTypes(), {}))
          .setPrivate();
    }
    func::CallOp::create(b, loc, name, TypeRange(), operands);
  }

  /// Places for the arguments of a launch and for their addresses.
  void makeSlots(func::FuncOp task, size_t count) {
    arguments = addresses = nullptr;
    if (!count)
      return;
    b.setInsertionPointToStart(&task.front());
    Value size = integer(task.getLoc(), count, 64);
    arguments = LLVM::AllocaOp::create(b, task.getLoc(), pointerType(), pointerType(), size);
    addresses = LLVM::AllocaOp::create(b, task.getLoc(), pointerType(), pointerType(), size);
  }

  LogicalResult lower(gpu::LaunchFuncOp op) {
    Location loc = op.getLoc();
    auto slot = [&](Value base, unsigned i) -> Value {
      return LLVM::GEPOp::create(b, loc, pointerType(), pointerType(), base,
                                 ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
    };
    for (auto [i, operand] : llvm::enumerate(op.getKernelOperands())) {
      if (!isa<MemRefType>(operand.getType()))
        return op.emitOpError("passes a ") << operand.getType() << "; kernels take buffers only";
      // A static offset is part of the kernel's own type of the buffer.
      Value place = slot(arguments, i);
      LLVM::StoreOp::create(b, loc, address(loc, operand), place);
      LLVM::StoreOp::create(b, loc, place, slot(addresses, i));
    }
    auto [it, isNew] = kernels.try_emplace(op.getKernelName(), kernelNames.size());
    if (isNew)
      kernelNames.push_back(op.getKernelName().str());
    SmallVector<Value> operands = {integer(loc, it->second, 32)};
    for (Value size : {op.getGridSizeX(), op.getGridSizeY(), op.getGridSizeZ(), op.getBlockSizeX(),
                       op.getBlockSizeY(), op.getBlockSizeZ()}) {
      std::optional<int64_t> constant = getConstantIntValue(size);
      if (!constant)
        return op.emitOpError("has a size that is not constant");
      operands.push_back(integer(loc, *constant, 32));
    }
    operands.push_back(addresses ? addresses : null(loc));
    call(loc, "bm_cuda_launch", operands);
    return success();
  }

  static uint32_t epilogueOf(cuda::MatmulOp op) {
    uint32_t epilogue = op.getBias() ? BM_EPILOGUE_BIAS : BM_EPILOGUE_NONE;
    if (op.getActivation() == cuda::Activation::gelu)
      epilogue |= op.getAux() ? BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU : BM_EPILOGUE_GELU;
    if (op.getActivation() == cuda::Activation::gelu_backward)
      epilogue |= BM_EPILOGUE_GELU_BACKWARD;
    if (op.getSummed())
      epilogue |= op.getSummed() == cuda::Operand::a ? BM_EPILOGUE_SUM_A : BM_EPILOGUE_SUM_B;
    return epilogue;
  }

  LogicalResult lower(cuda::MatmulOp op) {
    Location loc = op.getLoc();
    bm_cuda_matmul entry;
    std::memset(&entry, 0, sizeof(entry));
    entry.a_type = typeOf(op.getA().getType().getElementType());
    entry.b_type = typeOf(op.getB().getType().getElementType());
    entry.c_type = typeOf(op.getC().getType().getElementType());
    entry.trans_a = op.getTransposeA();
    entry.trans_b = op.getTransposeB();
    entry.epilogue = epilogueOf(op);
    entry.beta = op.getAccumulate() ? 1 : 0;
    ArrayRef<int64_t> sizes = op.getSizes(), leading = op.getLeading(), strides = op.getStrides();
    entry.m = sizes[0], entry.n = sizes[1], entry.k = sizes[2], entry.batch = sizes[3];
    entry.lda = leading[0], entry.ldb = leading[1], entry.ldc = leading[2];
    entry.stride_a = strides[0], entry.stride_b = strides[1], entry.stride_c = strides[2];
    if (op.getAux())
      entry.ld_aux = leading[3], entry.stride_aux = strides[3];
    ArrayRef<int64_t> offsets = op.getOffsets();
    Value vector = op.getBias() ? op.getBias() : op.getSums();
    call(loc, "bm_cuda_matmul_run",
         {integer(loc, matmuls.indexOf(entry), 32), address(loc, op.getA(), offsets[0]),
          address(loc, op.getB(), offsets[1]), address(loc, op.getC(), offsets[2]),
          vector ? start(loc, vector) : null(loc),
          op.getAux() ? address(loc, op.getAux(), offsets[3]) : null(loc)});
    return success();
  }

  static void copyStrides(Value buffer, bool rowsFirst, int64_t (&to)[4]) {
    SmallVector<int64_t> strides = layoutOf(buffer).strides;
    if (rowsFirst)
      std::swap(strides[1], strides[2]);
    std::copy(strides.begin(), strides.end(), to);
  }

  template <typename OpTy> static bm_cuda_attention describe(OpTy op) {
    bm_cuda_attention entry;
    std::memset(&entry, 0, sizeof(entry));
    auto sizesOf = [&](Value buffer, unsigned operand) {
      SmallVector<int64_t> sizes(cast<MemRefType>(buffer.getType()).getShape());
      if (op.getRowsFirst()[operand])
        std::swap(sizes[1], sizes[2]);
      return sizes;
    };
    SmallVector<int64_t> query = sizesOf(op.getQuery(), 0), key = sizesOf(op.getKey(), 1),
                         value = sizesOf(op.getValue(), 2);
    entry.type = typeOf(cast<MemRefType>(op.getQuery().getType()).getElementType());
    entry.causal = op.getCausal();
    entry.scale = op.getScale().convertToFloat();
    entry.batch = query[0], entry.heads = query[1], entry.queries = query[2];
    entry.depth = query[3], entry.kv_heads = key[1], entry.keys = key[2];
    entry.value_depth = value[3];
    copyStrides(op.getQuery(), op.getRowsFirst()[0], entry.q_strides);
    copyStrides(op.getKey(), op.getRowsFirst()[1], entry.k_strides);
    copyStrides(op.getValue(), op.getRowsFirst()[2], entry.v_strides);
    copyStrides(op.getOutput(), op.getRowsFirst()[3], entry.o_strides);
    if (Value mask = op.getMask()) {
      entry.has_mask = 1;
      auto type = cast<MemRefType>(mask.getType());
      std::copy(type.getShape().begin(), type.getShape().end(), entry.mask_sizes);
      copyStrides(mask, false, entry.mask_strides);
    }
    return entry;
  }

  Value maskOf(Location loc, Value mask) { return mask ? start(loc, mask) : null(loc); }

  LogicalResult lower(cuda::AttentionOp op) {
    Location loc = op.getLoc();
    bm_cuda_attention entry = describe(op);
    attentionWorkspace = std::max(attentionWorkspace, workspaceOf(entry));
    call(loc, "bm_cuda_attention_forward",
         {integer(loc, attentions.indexOf(entry), 32), start(loc, op.getQuery()),
          start(loc, op.getKey()), start(loc, op.getValue()), maskOf(loc, op.getMask()),
          start(loc, op.getOutput()), start(loc, op.getLogsumexp())});
    return success();
  }

  LogicalResult lower(cuda::AttentionBackwardOp op) {
    Location loc = op.getLoc();
    bm_cuda_attention entry = describe(op);
    copyStrides(op.getGrad(), op.getRowsFirst()[4], entry.do_strides);
    copyStrides(op.getQueryGrad(), op.getRowsFirst()[5], entry.dq_strides);
    copyStrides(op.getKeyGrad(), op.getRowsFirst()[6], entry.dk_strides);
    copyStrides(op.getValueGrad(), op.getRowsFirst()[7], entry.dv_strides);
    attentionWorkspace = std::max(attentionWorkspace, workspaceOf(entry));
    call(loc, "bm_cuda_attention_backward",
         {integer(loc, attentions.indexOf(entry), 32), start(loc, op.getQuery()),
          start(loc, op.getKey()), start(loc, op.getValue()), maskOf(loc, op.getMask()),
          start(loc, op.getOutput()), start(loc, op.getLogsumexp()), start(loc, op.getGrad()),
          start(loc, op.getQueryGrad()), start(loc, op.getKeyGrad()),
          start(loc, op.getValueGrad())});
    return success();
  }

  LogicalResult lower(cuda::ScatterRowsOp op) {
    Location loc = op.getLoc();
    auto ids = cast<MemRefType>(op.getIds().getType()),
         rows = cast<MemRefType>(op.getRows().getType()),
         table = cast<MemRefType>(op.getTable().getType());
    for (MemRefType type : {ids, rows, table})
      if (!type.getLayout().isIdentity())
        return op.emitOpError("takes dense buffers, found ") << type;
    call(loc, "bm_cuda_scatter_rows",
         {start(loc, op.getTable()), integer(loc, typeOf(table.getElementType()), 32),
          integer(loc, table.getDimSize(0), 64), integer(loc, table.getDimSize(1), 64),
          start(loc, op.getIds()), integer(loc, ids.getElementTypeBitWidth() / 8, 32),
          integer(loc, ids.getDimSize(0), 64), start(loc, op.getRows()),
          integer(loc, typeOf(rows.getElementType()), 32)});
    return success();
  }

  LogicalResult lower(cuda::CheckIndicesOp op) {
    Location loc = op.getLoc();
    auto type = cast<MemRefType>(op.getIndices().getType());
    if (!type.getLayout().isIdentity())
      return op.emitOpError("takes a dense buffer, found ") << type;
    call(loc, "bm_cuda_check_indices",
         {start(loc, op.getIndices()), integer(loc, type.getElementTypeBitWidth() / 8, 32),
          integer(loc, type.getNumElements(), 64), integer(loc, op.getLowest(), 64),
          integer(loc, op.getSize(), 64),
          integer(loc, op.getIgnored().value_or(std::numeric_limits<int64_t>::min()), 64)});
    return success();
  }

  //===--------------------------------------------------------------------===//
  // The program
  //===--------------------------------------------------------------------===//

  LLVM::GlobalOp constant(StringRef name, StringRef bytes, unsigned alignment) {
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size());
    return LLVM::GlobalOp::create(b, module.getLoc(), type, /*isConstant=*/true,
                                  LLVM::Linkage::Internal, name, b.getStringAttr(bytes), alignment);
  }

  LogicalResult emitProgram() {
    Location loc = module.getLoc();
    std::string image;
    for (auto binary : llvm::make_early_inc_range(module.getOps<gpu::BinaryOp>())) {
      if (binary.getObjects().size() != 1)
        return binary.emitOpError("has ") << binary.getObjects().size() << " objects, expected one";
      image = cast<gpu::ObjectAttr>(binary.getObjects()[0]).getObject().getValue().str();
      binary.erase();
    }
    if (!kernelNames.empty() && image.empty())
      return module.emitError("has launches but no device code; run cuda-kernel-pipeline first");
    // PTX text, which the driver compiles, ends with a zero.
    image.push_back('\0');
    // Kernels have copies of constants that tasks use.
    for (auto global : llvm::make_early_inc_range(module.getOps<memref::GlobalOp>()))
      global.erase();
    b.setInsertionPointToStart(module.getBody());
    Type pointer = pointerType(), i32 = b.getI32Type(), i64 = b.getI64Type();
    auto imageGlobal = constant("bm_cuda_image", image, 64);
    auto matmulGlobal = constant("bm_cuda_matmuls", matmuls.contents(), 8);
    auto attentionGlobal = constant("bm_cuda_attentions", attentions.contents(), 8);
    SmallVector<LLVM::GlobalOp> names;
    for (auto [i, name] : llvm::enumerate(kernelNames))
      names.push_back(constant(("bm_cuda_name_" + Twine(i)).str(), name + std::string(1, '\0'), 1));

    auto kernelType = LLVM::LLVMStructType::getLiteral(module.getContext(), {pointer, i32, i32});
    auto kernelsType = LLVM::LLVMArrayType::get(kernelType, names.size());
    auto kernelGlobal = define("bm_cuda_kernels", kernelsType, LLVM::Linkage::Internal, [&] {
      Value array = LLVM::ZeroOp::create(b, loc, kernelsType);
      for (auto [i, name] : llvm::enumerate(names)) {
        Value address = LLVM::AddressOfOp::create(b, loc, name);
        array = LLVM::InsertValueOp::create(b, loc, array, address,
                                            ArrayRef<int64_t>{static_cast<int64_t>(i), 0});
      }
      return array;
    });
    auto programType = LLVM::LLVMStructType::getLiteral(
        module.getContext(), {pointer, pointer, i64, pointer, i64, pointer, i64, i64});
    define("bm_cuda", programType, LLVM::Linkage::External, [&] {
      Value program = LLVM::ZeroOp::create(b, loc, programType);
      auto set = [&](int64_t field, Value value) {
        program = LLVM::InsertValueOp::create(b, loc, program, value, ArrayRef<int64_t>{field});
      };
      auto setTable = [&](int64_t field, LLVM::GlobalOp table, int64_t count) {
        set(field, LLVM::AddressOfOp::create(b, loc, table));
        set(field + 1, LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(count)));
      };
      set(0, LLVM::AddressOfOp::create(b, loc, imageGlobal));
      setTable(1, kernelGlobal, names.size());
      setTable(3, matmulGlobal, matmuls.size());
      setTable(5, attentionGlobal, attentions.size());
      set(7, LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(workspaceBytes)));
      return program;
    });
    return success();
  }

  LLVM::GlobalOp define(StringRef name, Type type, LLVM::Linkage linkage,
                        llvm::function_ref<Value()> value) {
    auto global = LLVM::GlobalOp::create(b, module.getLoc(), type, /*isConstant=*/true, linkage,
                                         name, Attribute(), /*alignment=*/8);
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&global.getInitializerRegion());
    LLVM::ReturnOp::create(b, module.getLoc(), value());
    return global;
  }

  ModuleOp module;
  OpBuilder b;
  Value arguments, addresses;
  llvm::StringMap<uint32_t> kernels;
  std::vector<std::string> kernelNames;
  Table<bm_cuda_matmul> matmuls;
  Table<bm_cuda_attention> attentions;
  uint64_t workspaceBytes = 0, attentionWorkspace = 0;
};

struct CUDAEmitHostCode : bigmac::impl::CUDAEmitHostCodeBase<CUDAEmitHostCode> {
  using Base::Base;
  void runOnOperation() override {
    if (failed(HostCode(getOperation()).run(workspace)))
      return signalPassFailure();
    getOperation()->removeAttr(gpu::GPUDialect::getContainerModuleAttrName());
  }
};

} // namespace
