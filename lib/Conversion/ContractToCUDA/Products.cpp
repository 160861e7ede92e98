//===- Products.cpp - A contraction's products as cuda.matmul --------------===//

#include "Products.h"

using namespace mlir;
using namespace bigmac;

/// Of one contraction.
static constexpr int64_t kMostProducts = 64;

static int64_t productsOf(const GemmShape &shape) {
  int64_t products = 1;
  for (const ContractDim &dim : shape.loops)
    products *= dim.size;
  return products;
}

static int64_t offsetOf(Value buffer) {
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  LogicalResult isStrided = cast<MemRefType>(buffer.getType()).getStridesAndOffset(strides, offset);
  assert(succeeded(isStrided) && "the shape comes from its strides");
  (void)isStrided;
  return offset;
}

bool bigmac::isWorthCalls(const GemmShape &shape) { return productsOf(shape) <= kMostProducts; }

void bigmac::createProducts(OpBuilder &b, Location loc, ProductOperands operands,
                            const GemmShape &shape) {
  if (shape.swapped)
    std::swap(operands.lhs, operands.rhs);
  SmallVector<int64_t> leading = {shape.lda, shape.ldb, shape.ldc};
  SmallVector<int64_t> strides = {shape.batch.lhs, shape.batch.rhs, shape.batch.out};
  SmallVector<int64_t> first = {offsetOf(operands.lhs), offsetOf(operands.rhs),
                                offsetOf(operands.out)};
  if (operands.aux) {
    leading.push_back(shape.ldc);
    strides.push_back(shape.batch.out);
    first.push_back(offsetOf(operands.aux));
  }
  cuda::ActivationAttr activation;
  if (operands.activation)
    activation = cuda::ActivationAttr::get(b.getContext(), *operands.activation);
  cuda::OperandAttr summed;
  if (operands.summed)
    summed = cuda::OperandAttr::get(b.getContext(), *operands.summed);
  for (int64_t product = 0; product < productsOf(shape); ++product) {
    SmallVector<int64_t> offsets = first;
    int64_t rest = product;
    for (const ContractDim &dim : llvm::reverse(shape.loops)) {
      int64_t index = rest % dim.size;
      rest /= dim.size;
      const int64_t steps[] = {dim.lhs, dim.rhs, dim.out, dim.out};
      for (auto [offset, step] : llvm::zip_first(offsets, steps))
        offset += index * step;
    }
    cuda::MatmulOp::create(
        b, loc, operands.lhs, operands.rhs, operands.out, operands.bias, operands.aux,
        operands.sums, shape.transA, shape.transB, operands.accumulates, activation, summed,
        {shape.m, shape.n, shape.k, shape.batch.size}, leading, strides, offsets);
  }
}
