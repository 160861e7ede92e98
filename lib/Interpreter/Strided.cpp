//===- Strided.cpp - Reading and writing elements by strides ---------------===//

#include "Strided.h"

using namespace mlir;

namespace bigmac::interpreter {

Tensor gatherStrided(const Tensor &source, ArrayRef<int64_t> shape, int64_t start,
                     ArrayRef<int64_t> steps) {
  Tensor result(shape, source.elementType());
  bool isFloat = source.isFloat();
  if (source.isSplat() && source.size() > 0 && result.size() > 0)
    return isFloat ? Tensor::splat(shape, source.elementType(), source.at(0))
                   : Tensor::splatInt(shape, source.elementType(), source.intAt(0));
  if (isFloat) {
    MutableArrayRef<double> out = result.mutableFloats();
    walkStrided(shape, start, steps, [&](int64_t i, int64_t from) { out[i] = source.at(from); });
  } else {
    MutableArrayRef<int64_t> out = result.mutableInts();
    walkStrided(shape, start, steps, [&](int64_t i, int64_t from) { out[i] = source.intAt(from); });
  }
  return result;
}

void scatterStrided(Tensor &target, const Tensor &source, ArrayRef<int64_t> shape, int64_t start,
                    ArrayRef<int64_t> steps) {
  if (target.isFloat()) {
    MutableArrayRef<double> out = target.mutableFloats();
    walkStrided(shape, start, steps, [&](int64_t i, int64_t to) { out[to] = source.at(i); });
  } else {
    MutableArrayRef<int64_t> out = target.mutableInts();
    walkStrided(shape, start, steps, [&](int64_t i, int64_t to) { out[to] = source.intAt(i); });
  }
}

Tensor broadcastTo(const Tensor &input, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides = rowMajorStrides(input.shape());
  size_t lead = shape.size() - input.shape().size();
  SmallVector<int64_t> steps(lead, 0);
  for (auto [size, stride] : llvm::zip_equal(input.shape(), strides))
    steps.push_back(size == 1 ? 0 : stride);
  return gatherStrided(input, shape, 0, steps);
}

} // namespace bigmac::interpreter
