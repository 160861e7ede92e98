//===- ContractToCUDA.cpp - The convert-contract-to-cuda pass --------------===//

#include "bigmac/Conversion/Passes.h"
#include "dialects/CUDA/IR/CUDA.h"
#include "lib/Conversion/ContractToGemm/ContractOnBuffers.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace bigmac {
#define GEN_PASS_DEF_CONVERTCONTRACTTOCUDA
#include "bigmac/Conversion/Passes.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// Of one contraction. Each costs a launch; more would be better off in one kernel.
constexpr int64_t kMostProducts = 64;

bool isSupported(linalg::ContractOp op) {
  Type lhs = getElementTypeOrSelf(op->getOperand(0).getType());
  Type rhs = getElementTypeOrSelf(op->getOperand(1).getType());
  Type out = getElementTypeOrSelf(op->getOperand(2).getType());
  return lhs == rhs && (lhs.isF32() || lhs.isBF16() || lhs.isF16()) && (out == lhs || out.isF32());
}

int64_t offsetOf(Value buffer) {
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  LogicalResult isStrided = cast<MemRefType>(buffer.getType()).getStridesAndOffset(strides, offset);
  assert(succeeded(isStrided) && "dimsOf() has accepted it");
  (void)isStrided;
  return offset;
}

/// The row that `initializer` repeats to every row of the products' result.
Value biasOf(linalg::LinalgOp initializer, const GemmShape &shape) {
  auto generic =
      initializer ? dyn_cast<linalg::GenericOp>(initializer.getOperation()) : linalg::GenericOp();
  if (!generic || generic.getNumDpsInputs() != 1 || generic.getNumReductionLoops() != 0 ||
      !llvm::hasSingleElement(*generic.getBody()) ||
      generic.getBody()->getTerminator()->getOperand(0) != generic.getBody()->getArgument(0))
    return {};
  AffineMap from = generic.getIndexingMapsArray()[0], to = generic.getIndexingMapsArray()[1];
  Value bias = generic.getDpsInputs()[0];
  auto type = dyn_cast<MemRefType>(bias.getType());
  if (!type || type.getRank() != 1 || !type.getLayout().isIdentity() ||
      type.getDimSize(0) != shape.n || from.getNumResults() != 1 || to.getNumResults() == 0 ||
      from.getResult(0) != to.getResults().back() ||
      type.getElementType() != getElementTypeOrSelf(generic.getDpsInits()[0].getType()))
    return {};
  // The last dimension is n: it has the unit stride.
  auto outType = cast<MemRefType>(generic.getDpsInits()[0].getType());
  return outType.getShape().back() == shape.n ? bias : Value();
}

void lower(linalg::ContractOp op, const GemmShape &shape) {
  OpBuilder b(op);
  Value a = op.getDpsInputs()[0], bb = op.getDpsInputs()[1], c = op.getDpsInits()[0];
  if (shape.swapped)
    std::swap(a, bb);
  bool accumulates = true;
  Value bias;
  bool sumsInLoop = llvm::any_of(shape.loops, [](const ContractDim &dim) { return !dim.out; });
  if (!sumsInLoop) {
    linalg::LinalgOp initializer = initializerOf(op);
    bias = biasOf(initializer, shape);
    if (bias || asZeroFill(initializer)) {
      initializer.erase();
      accumulates = false;
    }
  }
  int64_t products = 1;
  for (const ContractDim &dim : shape.loops)
    products *= dim.size;
  for (int64_t product = 0; product < products; ++product) {
    SmallVector<int64_t> offsets = {offsetOf(a), offsetOf(bb), offsetOf(c)};
    int64_t rest = product;
    for (const ContractDim &dim : llvm::reverse(shape.loops)) {
      int64_t index = rest % dim.size;
      rest /= dim.size;
      offsets[0] += index * dim.lhs;
      offsets[1] += index * dim.rhs;
      offsets[2] += index * dim.out;
    }
    cuda::MatmulOp::create(b, op.getLoc(), a, bb, c, bias, shape.transA, shape.transB, accumulates,
                           {shape.m, shape.n, shape.k, shape.batch.size},
                           {shape.lda, shape.ldb, shape.ldc},
                           {shape.batch.lhs, shape.batch.rhs, shape.batch.out}, offsets);
  }
  op.erase();
}

struct ConvertContractToCUDA : bigmac::impl::ConvertContractToCUDABase<ConvertContractToCUDA> {
  void runOnOperation() override {
    SmallVector<linalg::ContractOp> ops;
    getOperation().walk([&](linalg::ContractOp op) { ops.push_back(op); });
    for (linalg::ContractOp op : ops) {
      if (!op.hasPureBufferSemantics()) {
        op.emitOpError("must be bufferized before its conversion to a call");
        return signalPassFailure();
      }
      auto dims = isSupported(op) ? dimsOf(op) : std::nullopt;
      std::optional<GemmShape> shape = dims ? matchGemm(*dims) : std::nullopt;
      if (!shape)
        continue;
      int64_t products = 1;
      for (const ContractDim &dim : shape->loops)
        products *= dim.size;
      if (products <= kMostProducts)
        lower(op, *shape);
    }
  }
};

} // namespace
