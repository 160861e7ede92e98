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

struct ConvertContractToGemm : bigmac::impl::ConvertContractToGemmBase<ConvertContractToGemm> {
  void runOnOperation() override {
    SmallVector<linalg::ContractOp> ops;
    getOperation().walk([&](linalg::ContractOp op) { ops.push_back(op); });
    for (linalg::ContractOp op : ops) {
      if (!op.hasPureBufferSemantics()) {
        op.emitOpError("must be bufferized before its conversion to a call");
        return signalPassFailure();
      }
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
