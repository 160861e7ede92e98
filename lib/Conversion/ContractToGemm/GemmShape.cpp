//===- GemmShape.cpp - A contraction as a strided matrix product -----------===//

#include "GemmShape.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace bigmac;

namespace {

/// Dimensions of one kind: those of batch index all three tensors, of rows lhs and out, of columns
/// rhs and out, of depth lhs and rhs.
using Dims = llvm::SmallVector<ContractDim>;

int64_t mainStride(const ContractDim &dim) { return dim.out ? dim.out : dim.lhs; }

/// Whether `outer` and `inner` count as one dimension.
bool areContiguous(const ContractDim &outer, const ContractDim &inner) {
  return outer.lhs == inner.lhs * inner.size && outer.rhs == inner.rhs * inner.size &&
         outer.out == inner.out * inner.size;
}

/// Merges neighbours, outermost first.
Dims merged(Dims dims) {
  llvm::sort(dims, [](const ContractDim &a, const ContractDim &b) {
    return std::make_pair(mainStride(a), a.rhs) > std::make_pair(mainStride(b), b.rhs);
  });
  Dims result;
  for (const ContractDim &dim : dims) {
    if (!result.empty() && areContiguous(result.back(), dim)) {
      int64_t size = result.back().size * dim.size;
      result.back() = dim;
      result.back().size = size;
    } else {
      result.push_back(dim);
    }
  }
  return result;
}

/// Removes and returns the dimension that `isUnit` holds for, or else the largest; a unit
/// dimension (size 1, no strides) if there is none.
template <typename Predicate> ContractDim take(Dims &dims, Predicate isUnit) {
  if (dims.empty())
    return {};
  auto it = llvm::find_if(dims, isUnit);
  if (it == dims.end())
    it = std::max_element(dims.begin(), dims.end(), [](const ContractDim &a, const ContractDim &b) {
      return a.size < b.size;
    });
  ContractDim dim = *it;
  dims.erase(it);
  return dim;
}

/// Orientation of a row-major matrix operand, `rows` x `columns` as the product sees it.
struct Layout {
  bool transposed;
  int64_t leading;
};

std::optional<Layout> layoutOf(int64_t rows, int64_t rowStride, int64_t columns,
                               int64_t columnStride) {
  // A dimension of size 1 is never stepped over, so its stride may be anything.
  if ((columns == 1 || columnStride == 1) && (rows == 1 || rowStride >= columns))
    return Layout{false, rows == 1 ? std::max<int64_t>(columns, 1) : rowStride};
  if ((rows == 1 || rowStride == 1) && (columns == 1 || columnStride >= rows))
    return Layout{true, columns == 1 ? std::max<int64_t>(rows, 1) : columnStride};
  return std::nullopt;
}

} // namespace

std::optional<GemmShape> bigmac::matchGemm(llvm::ArrayRef<ContractDim> all) {
  Dims batch, rows, columns, depth;
  for (const ContractDim &dim : all) {
    if (dim.size == 1)
      continue;
    if (!dim.out)
      depth.push_back(dim);
    else if (dim.lhs && dim.rhs)
      batch.push_back(dim);
    else
      (dim.lhs ? rows : columns).push_back(dim);
  }
  batch = merged(batch);
  rows = merged(rows);
  columns = merged(columns);
  depth = merged(depth);

  // The innermost dimension of the result makes its rows contiguous: a column as it should be, or
  // a row, and then the transposed product is computed.
  GemmShape shape;
  auto isUnitOut = [](const ContractDim &dim) { return dim.out == 1; };
  shape.swapped = llvm::none_of(columns, isUnitOut) && llvm::any_of(rows, isUnitOut);
  if (shape.swapped) {
    for (Dims *dims : {&batch, &rows, &columns, &depth})
      for (ContractDim &dim : *dims)
        std::swap(dim.lhs, dim.rhs);
    std::swap(rows, columns);
  }
  ContractDim n = take(columns, isUnitOut);
  auto isUnitIn = [](const ContractDim &dim) { return dim.lhs == 1 || dim.rhs == 1; };
  ContractDim k = take(depth, isUnitIn);
  ContractDim m = take(rows, [](const ContractDim &dim) { return dim.lhs == 1; });

  std::optional<Layout> a = layoutOf(m.size, m.lhs, k.size, k.lhs);
  std::optional<Layout> b = layoutOf(k.size, k.rhs, n.size, n.rhs);
  std::optional<Layout> c = layoutOf(m.size, m.out, n.size, n.out);
  if (!a || !b || !c || c->transposed)
    return std::nullopt;
  shape.transA = a->transposed;
  shape.transB = b->transposed;
  shape.lda = a->leading;
  shape.ldb = b->leading;
  shape.ldc = c->leading;
  shape.m = m.size;
  shape.n = n.size;
  shape.k = k.size;

  Dims parallel = batch;
  llvm::append_range(parallel, rows);
  llvm::append_range(parallel, columns);
  shape.batch = take(parallel, [](const ContractDim &) { return false; });
  shape.loops = parallel;
  llvm::append_range(shape.loops, depth);
  return shape;
}
