//===- FusedProducts.cpp - Products that do more, on buffers ---------------===//

#include "Products.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;

namespace {

using Dims = SmallVector<ContractDim>;

struct Layout {
  SmallVector<int64_t> strides;
  int64_t offset = 0;
};

std::optional<Layout> layoutOf(Value buffer) {
  Layout layout;
  if (failed(
          cast<MemRefType>(buffer.getType()).getStridesAndOffset(layout.strides, layout.offset)) ||
      ShapedType::isDynamic(layout.offset) || llvm::any_of(layout.strides, ShapedType::isDynamic))
    return std::nullopt;
  return layout;
}

/// [batch..., m, n, k]; nothing where a stride is not static. `transposed` is of lhs and rhs.
std::optional<Dims> dimsOf(const ProductOperands &operands, bool lhsTransposed,
                           bool rhsTransposed) {
  auto outType = cast<MemRefType>(operands.out.getType());
  unsigned batch = outType.getRank() - 2, m = batch, n = batch + 1, k = batch + 2;
  Dims dims(batch + 3);
  auto add = [&](Value buffer, int64_t ContractDim::*field, unsigned row, unsigned column) {
    auto type = cast<MemRefType>(buffer.getType());
    std::optional<Layout> layout = layoutOf(buffer);
    if (!layout)
      return false;
    SmallVector<unsigned> indices;
    if (type.getRank() > 2)
      llvm::append_range(indices, llvm::seq<unsigned>(0, batch));
    indices.append({row, column});
    for (auto [dim, size, stride] : llvm::zip_equal(indices, type.getShape(), layout->strides)) {
      dims[dim].size = size;
      dims[dim].*field = stride;
    }
    return true;
  };
  bool hasStrides =
      add(operands.lhs, &ContractDim::lhs, lhsTransposed ? k : m, lhsTransposed ? m : k) &&
      add(operands.rhs, &ContractDim::rhs, rhsTransposed ? n : k, rhsTransposed ? k : n) &&
      add(operands.out, &ContractDim::out, m, n);
  return hasStrides ? std::optional(dims) : std::nullopt;
}

/// Whether every operand begins, and has its rows, at multiples of 16 bytes.
bool isAligned(const ProductOperands &operands, const GemmShape &shape) {
  SmallVector<int64_t> steps = {shape.lda, shape.ldb, shape.ldc};
  auto add = [&](const ContractDim &dim) { steps.append({dim.lhs, dim.rhs, dim.out}); };
  add(shape.batch);
  llvm::for_each(shape.loops, add);
  for (Value buffer :
       {operands.lhs, operands.rhs, operands.out, operands.bias, operands.aux, operands.sums}) {
    std::optional<Layout> layout = buffer ? layoutOf(buffer) : Layout{{1}};
    if (!layout || layout->strides.back() != 1)
      return false;
    steps.push_back(layout->offset);
  }
  return llvm::all_of(steps, [](int64_t step) { return step % cuda::kRowElements == 0; });
}

/// Whether the matrix that gelu is of, if there is one, is stepped through as the result is.
bool hasAuxLikeOut(const ProductOperands &operands) {
  if (!operands.aux)
    return true;
  std::optional<Layout> aux = layoutOf(operands.aux), out = layoutOf(operands.out);
  return aux && out && aux->strides == out->strides;
}

bool isDense(Value buffer) { return cast<MemRefType>(buffer.getType()).getLayout().isIdentity(); }

Value denseLike(OpBuilder &b, Location loc, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  return memref::AllocOp::create(b, loc, MemRefType::get(type.getShape(), type.getElementType()));
}

/// A dense buffer with the contents of `buffer`.
Value copied(OpBuilder &b, Location loc, Value buffer) {
  if (!buffer || isDense(buffer))
    return buffer;
  Value dense = denseLike(b, loc, buffer);
  memref::CopyOp::create(b, loc, buffer, dense);
  return dense;
}

/// A dense buffer that is copied to `buffer` after `op`.
Value copiedBack(OpBuilder &b, Operation *op, Value buffer) {
  if (!buffer || isDense(buffer))
    return buffer;
  Value dense = denseLike(b, op->getLoc(), buffer);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(op);
  memref::CopyOp::create(b, op->getLoc(), dense, buffer);
  return dense;
}

/// Of dense buffers, by their types alone: of matrices with one row or column strides say less.
template <typename OpTy> GemmShape denseShapeOf(OpTy op) {
  auto sizesOf = [](Value value) { return cast<MemRefType>(value.getType()).getShape(); };
  ArrayRef<int64_t> lhs = sizesOf(op.getLhs()), rhs = sizesOf(op.getRhs()),
                    out = sizesOf(op.getOutput());
  GemmShape shape;
  shape.transA = op.getTransposeLhs();
  shape.transB = op.getTransposeRhs();
  shape.m = out[out.size() - 2];
  shape.n = out.back();
  shape.k = shape.transA ? lhs[lhs.size() - 2] : lhs.back();
  shape.lda = lhs.back();
  shape.ldb = rhs.back();
  shape.ldc = out.back();
  int64_t batch = 1;
  for (int64_t size : out.drop_back(2))
    batch *= size;
  if (rhs.size() == 2 && !shape.transA)
    shape.m *= batch;
  else if (batch > 1)
    shape.batch = {batch, shape.m * shape.k, rhs.size() == 2 ? 0 : shape.k * shape.n,
                   shape.m * shape.n};
  return shape;
}

template <typename OpTy> void lower(OpTy op, ProductOperands operands) {
  OpBuilder b(op);
  auto dims = dimsOf(operands, op.getTransposeLhs(), op.getTransposeRhs());
  std::optional<GemmShape> shape = dims ? matchGemm(*dims) : std::nullopt;
  bool fits = shape && !shape->swapped && isWorthCalls(*shape) && isAligned(operands, *shape) &&
              hasAuxLikeOut(operands);
  if (fits && operands.sums)
    fits = shape->transA && !shape->transB;
  if (!fits) {
    // Such as what is a part of a wider tensor. Rare, and a copy is cheaper than a kernel beside
    // it.
    operands.lhs = copied(b, op.getLoc(), operands.lhs);
    operands.rhs = copied(b, op.getLoc(), operands.rhs);
    operands.bias = copied(b, op.getLoc(), operands.bias);
    bool savesAux = operands.activation == cuda::Activation::gelu;
    operands.aux =
        savesAux ? copiedBack(b, op, operands.aux) : copied(b, op.getLoc(), operands.aux);
    Value out = operands.out;
    operands.out = copiedBack(b, op, out);
    if (operands.accumulates && operands.out != out)
      memref::CopyOp::create(b, op.getLoc(), out, operands.out);
    operands.sums = copiedBack(b, op, operands.sums);
    shape = denseShapeOf(op);
  }
  createProducts(b, op.getLoc(), operands, *shape);
  op.erase();
}

} // namespace

void bigmac::lowerFusedProducts(ModuleOp module) {
  SmallVector<Operation *> ops;
  module.walk([&](Operation *op) {
    if (isa<cuda::MatmulGeluOp, cuda::MatmulGeluBackwardOp, cuda::MatmulSumsOp>(op))
      ops.push_back(op);
  });
  for (Operation *op : ops)
    llvm::TypeSwitch<Operation *>(op)
        .Case([](cuda::MatmulGeluOp op) {
          lower(op, {.lhs = op.getLhs(),
                     .rhs = op.getRhs(),
                     .out = op.getOutput(),
                     .bias = op.getBias(),
                     .aux = op.getPreactivation(),
                     .activation = cuda::Activation::gelu});
        })
        .Case([](cuda::MatmulGeluBackwardOp op) {
          lower(op, {.lhs = op.getLhs(),
                     .rhs = op.getRhs(),
                     .out = op.getOutput(),
                     .aux = op.getPreactivation(),
                     .activation = cuda::Activation::gelu_backward});
        })
        .Case([](cuda::MatmulSumsOp op) {
          lower(op, {.lhs = op.getLhs(),
                     .rhs = op.getRhs(),
                     .out = op.getOutput(),
                     .sums = op.getSums(),
                     .accumulates = true,
                     .summed = op.getSummed()});
        });
}
