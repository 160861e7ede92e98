//===- CUDALookup.cpp - Lookups by index for a GPU -------------------------===//

#include "NNToCUDA.h"

#include "dialects/CUDA/IR/CUDA.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::lowering;

Value lowering::convert(Emitter &e, Value scalar, Type element) {
  Type from = scalar.getType();
  if (from == element)
    return scalar;
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(e.builder, e.loc, element, scalar);
  return arith::TruncFOp::create(e.builder, e.loc, element, scalar);
}

Value lowering::safeIndex(Emitter &e, Value index, int64_t size, bool wrap) {
  Value position = e.toIndex(index), zero = e.index(0), last = e.index(size - 1);
  if (wrap) {
    Value negative =
        arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::slt, position, zero);
    Value fromEnd = arith::AddIOp::create(e.builder, e.loc, position, e.index(size));
    position = e.select(negative, fromEnd, position);
  }
  position = arith::MaxSIOp::create(e.builder, e.loc, position, zero);
  return arith::MinSIOp::create(e.builder, e.loc, position, last);
}

void lowering::checkIndices(Emitter &e, Value indices, int64_t size, bool wrap,
                            std::optional<int64_t> ignored) {
  RankedTensorType type = typeOf(indices);
  unsigned width = type.getElementTypeBitWidth();
  if (width != 32 && width != 64) {
    Type i64 = e.builder.getI64Type();
    SmallVector<int64_t> dims = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
    indices = e.map(type.getShape(), i64, {{indices, dims}}, [&](Emitter &e, ValueRange args) {
      return arith::ExtSIOp::create(e.builder, e.loc, i64, args[0]).getResult();
    });
  }
  cuda::CheckIndicesOp::create(e.builder, e.loc, indices, wrap ? -size : 0, size,
                               ignored ? e.builder.getI64IntegerAttr(*ignored) : IntegerAttr());
}

static int64_t widthOf(RankedTensorType table) {
  return llvm::product_of(table.getShape().drop_front());
}

void lowering::lowerEmbedding(nn::EmbeddingOp op, IRRewriter &rewriter) {
  Emitter e(rewriter, op.getLoc());
  RankedTensorType tableType = op.getTable().getType();
  int64_t size = tableType.getDimSize(0), width = widthOf(tableType);
  int64_t count = op.getIds().getType().getNumElements();
  Value table = nn::createReshape(rewriter, e.loc, op.getTable(), {size, width});
  Value ids = nn::createReshape(rewriter, e.loc, op.getIds(), {count});
  checkIndices(e, ids, size, /*wrap=*/true);
  Value result =
      e.map({count, width}, tableType.getElementType(), {{ids, {0}}},
            [&](Emitter &e, ValueRange args) -> Value {
              Value row = safeIndex(e, args[0], size, /*wrap=*/true);
              Value column = linalg::IndexOp::create(e.builder, e.loc, 1);
              return tensor::ExtractOp::create(e.builder, e.loc, table, ValueRange{row, column});
            });
  rewriter.replaceOp(op, nn::createReshape(rewriter, e.loc, result, op.getType().getShape()));
}

/// The addition that takes `value` as its only use, so that it can be added in place.
static arith::AddFOp soleAddition(Value value) {
  if (!value.hasOneUse())
    return {};
  auto add = dyn_cast<arith::AddFOp>(*value.user_begin());
  return add && add.getLhs() != add.getRhs() ? add : arith::AddFOp();
}

void lowering::lowerEmbeddingBackward(nn::EmbeddingBackwardOp op, IRRewriter &rewriter) {
  RankedTensorType type = op.getType();
  int64_t size = type.getDimSize(0), width = widthOf(type);
  int64_t count = op.getIds().getType().getNumElements();
  // `x + embedding_backward` scatters into x.
  arith::AddFOp addition = soleAddition(op.getResult());
  Value addend;
  if (addition) {
    addend = addition.getLhs() == op.getResult() ? addition.getRhs() : addition.getLhs();
    rewriter.setInsertionPoint(addition);
  }
  Emitter e(rewriter, op.getLoc());
  Value init = addition ? nn::createReshape(rewriter, e.loc, addend, {size, width})
                        : e.filled({size, width}, type.getElementType(), 0.0);
  Value grad = nn::createReshape(rewriter, e.loc, op.getGrad(), {count, width});
  Value ids = nn::createReshape(rewriter, e.loc, op.getIds(), {count});
  unsigned bits = typeOf(ids).getElementTypeBitWidth();
  if (bits != 32 && bits != 64)
    ids = e.map({count}, rewriter.getI64Type(), {{ids, {0}}}, [](Emitter &e, ValueRange args) {
      return arith::ExtSIOp::create(e.builder, e.loc, e.builder.getI64Type(), args[0]).getResult();
    });
  auto scatter =
      cuda::ScatterRowsOp::create(rewriter, e.loc, TypeRange{init.getType()}, ids, grad, init);
  Value result = nn::createReshape(rewriter, e.loc, scatter.getResult(0), type.getShape());
  if (addition) {
    rewriter.replaceOp(addition, result);
    rewriter.eraseOp(op);
  } else {
    rewriter.replaceOp(op, result);
  }
}

static int64_t rowsOf(RankedTensorType type) {
  return llvm::product_of(type.getShape().drop_back());
}

void lowering::lowerGatherElements(nn::GatherElementsOp op, IRRewriter &rewriter) {
  Emitter e(rewriter, op.getLoc());
  RankedTensorType type = op.getType();
  int64_t rows = rowsOf(type), columns = type.getShape().back();
  int64_t size = op.getInput().getType().getShape().back();
  Value input = nn::createReshape(rewriter, e.loc, op.getInput(), {rows, size});
  Value indices = nn::createReshape(rewriter, e.loc, op.getIndices(), {rows, columns});
  checkIndices(e, indices, size, /*wrap=*/true);
  Value result =
      e.map({rows, columns}, type.getElementType(), {{indices, {0, 1}}},
            [&](Emitter &e, ValueRange args) -> Value {
              Value row = linalg::IndexOp::create(e.builder, e.loc, 0);
              Value column = safeIndex(e, args[0], size, /*wrap=*/true);
              return tensor::ExtractOp::create(e.builder, e.loc, input, ValueRange{row, column});
            });
  rewriter.replaceOp(op, nn::createReshape(rewriter, e.loc, result, type.getShape()));
}

/// Every entry of the gradient looks for the indices that name it: rows are short where indices
/// are many.
void lowering::lowerGatherElementsBackward(nn::GatherElementsBackwardOp op, IRRewriter &rewriter) {
  Emitter e(rewriter, op.getLoc());
  RankedTensorType type = op.getType();
  Type element = type.getElementType();
  int64_t rows = rowsOf(type), size = type.getShape().back();
  int64_t columns = op.getIndices().getType().getShape().back();
  Value grad = nn::createReshape(rewriter, e.loc, op.getGrad(), {rows, columns});
  Value indices = nn::createReshape(rewriter, e.loc, op.getIndices(), {rows, columns});
  auto partOf = [&](Emitter &e, Value index, Value part) {
    Value here = linalg::IndexOp::create(e.builder, e.loc, 1);
    Value isHere = arith::CmpIOp::create(e.builder, e.loc, arith::CmpIPredicate::eq,
                                         safeIndex(e, index, size, /*wrap=*/true), here);
    return e.select(isHere, convert(e, part, element), e.constant(element, 0.0));
  };
  Value result;
  if (columns == 1) {
    result = e.map({rows, size}, element,
                   {{nn::createReshape(rewriter, e.loc, indices, {rows}), {0}},
                    {nn::createReshape(rewriter, e.loc, grad, {rows}), {0}}},
                   [&](Emitter &e, ValueRange args) { return partOf(e, args[0], args[1]); });
  } else {
    result = e.sum({rows, size, columns}, {0, 1}, element, {{indices, {0, 2}}, {grad, {0, 2}}},
                   [&](Emitter &e, ValueRange args) { return partOf(e, args[0], args[1]); });
  }
  rewriter.replaceOp(op, nn::createReshape(rewriter, e.loc, result, type.getShape()));
}
