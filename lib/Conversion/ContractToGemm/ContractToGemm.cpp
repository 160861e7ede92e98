//===- ContractToGemm.cpp - The convert-contract-to-gemm pass --------------===//

#include "ContractOnBuffers.h"

#include "bigmac/Conversion/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace bigmac {
#define GEN_PASS_DEF_CONVERTCONTRACTTOGEMM
#include "bigmac/Conversion/Passes.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

static constexpr llvm::StringLiteral kGemmName = "bm_sgemm";

namespace {

/// The address of `buffer`'s first element, advanced by loop counters times strides.
Value addressOf(OpBuilder &b, Location loc, Value buffer, ValueRange counters,
                ArrayRef<int64_t> strides) {
  auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, buffer);
  Value offset = metadata.getOffset();
  for (auto [counter, stride] : llvm::zip_equal(counters, strides)) {
    if (!stride)
      continue;
    Value scaled =
        arith::MulIOp::create(b, loc, counter, arith::ConstantIndexOp::create(b, loc, stride));
    offset = arith::AddIOp::create(b, loc, offset, scaled);
  }
  Value bytes = arith::MulIOp::create(b, loc, offset, arith::ConstantIndexOp::create(b, loc, 4));
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, metadata.getBaseBuffer());
  Value address = arith::AddIOp::create(b, loc, base, bytes);
  Value integer = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
  return LLVM::IntToPtrOp::create(b, loc, LLVM::LLVMPointerType::get(b.getContext()), integer);
}

void emitCall(OpBuilder &b, Location loc, linalg::ContractOp op, const GemmShape &shape, float beta,
              ValueRange counters) {
  auto integer = [&](int64_t value, unsigned width) -> Value {
    return arith::ConstantIntOp::create(b, loc, value, width);
  };
  auto real = [&](float value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  };
  Value a = op.getDpsInputs()[0], bb = op.getDpsInputs()[1], c = op.getDpsInits()[0];
  if (shape.swapped)
    std::swap(a, bb);
  auto address = [&](Value buffer, int64_t ContractDim::*field) {
    return addressOf(
        b, loc, buffer, counters,
        llvm::map_to_vector(shape.loops, [&](const ContractDim &dim) { return dim.*field; }));
  };
  SmallVector<Value> operands = {integer(shape.transA, 32),
                                 integer(shape.transB, 32),
                                 integer(shape.m, 64),
                                 integer(shape.n, 64),
                                 integer(shape.k, 64),
                                 real(1.0f),
                                 address(a, &ContractDim::lhs),
                                 integer(shape.lda, 64),
                                 integer(shape.batch.lhs, 64),
                                 address(bb, &ContractDim::rhs),
                                 integer(shape.ldb, 64),
                                 integer(shape.batch.rhs, 64),
                                 real(beta),
                                 address(c, &ContractDim::out),
                                 integer(shape.ldc, 64),
                                 integer(shape.batch.out, 64),
                                 integer(shape.batch.size, 64)};
  func::CallOp::create(b, loc, kGemmName, TypeRange(), operands);
}

void lower(linalg::ContractOp op, const GemmShape &shape) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  bool sumsInLoop = llvm::any_of(shape.loops, [](const ContractDim &dim) { return !dim.out; });
  float beta = 1.0f;
  if (!sumsInLoop)
    if (linalg::FillOp fill = asZeroFill(initializerOf(op))) {
      fill.erase();
      beta = 0.0f;
    }
  SmallVector<Value> counters;
  for (const ContractDim &dim : shape.loops) {
    auto loop = scf::ForOp::create(b, loc, arith::ConstantIndexOp::create(b, loc, 0),
                                   arith::ConstantIndexOp::create(b, loc, dim.size),
                                   arith::ConstantIndexOp::create(b, loc, 1));
    counters.push_back(loop.getInductionVar());
    b.setInsertionPoint(loop.getBody()->getTerminator());
  }
  emitCall(b, loc, op, shape, beta, counters);
  op.erase();
}

void declareGemm(ModuleOp module) {
  if (module.lookupSymbol(kGemmName))
    return;
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  Type i32 = b.getI32Type(), i64 = b.getI64Type(), f32 = b.getF32Type();
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  auto type = b.getFunctionType(
      {i32, i32, i64, i64, i64, f32, ptr, i64, i64, ptr, i64, i64, f32, ptr, i64, i64, i64}, {});
  func::FuncOp::create(b, module.getLoc(), kGemmName, type).setPrivate();
}

/// Copies all elements of one buffer to another of the same shape, converting them.
void convertInto(OpBuilder &b, Location loc, Value from, Value to) {
  auto type = cast<MemRefType>(to.getType());
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  linalg::GenericOp::create(
      b, loc, ValueRange{from}, ValueRange{to}, ArrayRef<AffineMap>{identity, identity}, iterators,
      [&](OpBuilder &nested, Location, ValueRange args) {
        Type element = type.getElementType();
        bool widens = args[0].getType().getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth();
        Value value = widens ? arith::ExtFOp::create(nested, loc, element, args[0]).getResult()
                             : arith::TruncFOp::create(nested, loc, element, args[0]).getResult();
        linalg::YieldOp::create(nested, loc, value);
      });
}

/// The contraction on f32 copies of what is narrower; the result is rounded back.
void widen(linalg::ContractOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  Type f32 = b.getF32Type();
  auto isNarrow = [](Value buffer) {
    return getElementTypeOrSelf(buffer.getType()).getIntOrFloatBitWidth() < 32;
  };
  auto copyOf = [&](Value buffer) -> Value {
    ArrayRef<int64_t> shape = cast<MemRefType>(buffer.getType()).getShape();
    return memref::AllocOp::create(b, loc, MemRefType::get(shape, f32));
  };
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (!isNarrow(input->get()))
      continue;
    Value copy = copyOf(input->get());
    convertInto(b, loc, input->get(), copy);
    input->set(copy);
  }
  OpOperand &init = op.getDpsInitsMutable()[0];
  if (!isNarrow(init.get()))
    return;
  Value result = init.get(), copy = copyOf(result);
  if (linalg::FillOp fill = asZeroFill(initializerOf(op))) {
    linalg::FillOp::create(
        b, loc, arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0)).getResult(), copy);
    fill.erase();
  } else {
    convertInto(b, loc, result, copy);
  }
  init.set(copy);
  b.setInsertionPointAfter(op);
  convertInto(b, loc, copy, result);
}

struct ConvertContractToGemm : bigmac::impl::ConvertContractToGemmBase<ConvertContractToGemm> {
  void runOnOperation() override {
    SmallVector<linalg::ContractOp> ops;
    getOperation().walk([&](linalg::ContractOp op) { ops.push_back(op); });
    for (linalg::ContractOp op : ops) {
      if (!op.hasPureBufferSemantics()) {
        op.emitOpError("must be bufferized before its conversion to a call");
        return signalPassFailure();
      }
      auto isBF16 = [](Type type) { return getElementTypeOrSelf(type).isBF16(); };
      if (llvm::any_of(op->getOperandTypes(), isBF16))
        widen(op);
      bool isF32 = llvm::all_of(op->getOperandTypes(),
                                [](Type type) { return getElementTypeOrSelf(type).isF32(); });
      std::optional<GemmShape> shape;
      if (isF32)
        if (auto dims = dimsOf(op))
          shape = matchGemm(*dims);
      if (shape) {
        declareGemm(getOperation());
        lower(op, *shape);
        continue;
      }
      IRRewriter rewriter(op);
      if (failed(linalg::linalgOpToLoops(rewriter, op))) {
        op.emitOpError("cannot be lowered to loops");
        return signalPassFailure();
      }
      rewriter.eraseOp(op);
    }
  }
};

} // namespace
