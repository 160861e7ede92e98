//===- Tensor.cpp - Values of the reference interpreter --------------------===//

#include "bigmac/Interpreter/Tensor.h"

#include "Bits.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/Endian.h"

#include <charconv>
#include <cmath>
#include <limits>

using namespace mlir;

namespace bigmac::interpreter {

static int64_t countElements(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

//===----------------------------------------------------------------------===//
// Construction
//===----------------------------------------------------------------------===//

Tensor::Tensor(ArrayRef<int64_t> shape, Type elementType)
    : dims(shape), type(elementType), count(countElements(shape)), splatFlag(true) {
  assert(isSupportedElementType(elementType) && "the interpreter has no such elements");
  if (isa<FloatType>(elementType))
    floatData = std::make_shared<std::vector<double>>(1, 0.0);
  else
    intData = std::make_shared<std::vector<int64_t>>(1, 0);
}

Tensor Tensor::splat(ArrayRef<int64_t> shape, Type elementType, double value) {
  Tensor result(shape, elementType);
  result.floatData->front() = value;
  return result;
}

Tensor Tensor::splatInt(ArrayRef<int64_t> shape, Type elementType, int64_t value) {
  Tensor result(shape, elementType);
  result.intData->front() = value;
  return result;
}

Tensor Tensor::fromFloats(ArrayRef<int64_t> shape, Type elementType, std::vector<double> values) {
  Tensor result(shape, elementType);
  assert(result.isFloat() && static_cast<int64_t>(values.size()) == result.count);
  *result.floatData = std::move(values);
  result.splatFlag = false;
  return result;
}

Tensor Tensor::fromInts(ArrayRef<int64_t> shape, Type elementType, std::vector<int64_t> values) {
  Tensor result(shape, elementType);
  assert(!result.isFloat() && static_cast<int64_t>(values.size()) == result.count);
  *result.intData = std::move(values);
  result.splatFlag = false;
  return result;
}

static uint64_t readLittleEndian(const char *bytes, unsigned width) {
  uint64_t bits = 0;
  for (unsigned i = 0; i < width; ++i)
    bits |= uint64_t(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return bits;
}

FailureOr<Tensor> Tensor::fromBytes(ArrayRef<int64_t> shape, Type elementType,
                                    ArrayRef<char> bytes) {
  if (!isSupportedElementType(elementType))
    return failure();
  int64_t count = countElements(shape);
  unsigned width = elementBytes(elementType);
  if (bytes.size() != static_cast<uint64_t>(count) * width)
    return failure();
  if (isa<FloatType>(elementType)) {
    std::vector<double> values(count);
    for (int64_t i = 0; i < count; ++i)
      values[i] = floatFromBits(readLittleEndian(bytes.data() + i * width, width), elementType);
    return fromFloats(shape, elementType, std::move(values));
  }
  std::vector<int64_t> values(count);
  for (int64_t i = 0; i < count; ++i)
    values[i] = wrapToIntegerType(
        static_cast<int64_t>(readLittleEndian(bytes.data() + i * width, width)), elementType);
  return fromInts(shape, elementType, std::move(values));
}

/// A scalar constant as a splat of `shape`.
static FailureOr<Tensor> fromScalar(ArrayRef<int64_t> shape, Attribute attribute) {
  if (auto value = dyn_cast<FloatAttr>(attribute)) {
    if (!isSupportedElementType(value.getType()))
      return failure();
    return Tensor::splat(shape, value.getType(), value.getValueAsDouble());
  }
  if (auto value = dyn_cast<IntegerAttr>(attribute)) {
    if (!isSupportedElementType(value.getType()))
      return failure();
    return Tensor::splatInt(
        shape, value.getType(),
        wrapToIntegerType(static_cast<int64_t>(value.getValue().getZExtValue()), value.getType()));
  }
  return failure();
}

FailureOr<Tensor> Tensor::fromAttribute(Attribute attribute) {
  auto elements = dyn_cast_or_null<ElementsAttr>(attribute);
  if (!elements)
    return attribute ? fromScalar({}, attribute) : FailureOr<Tensor>(failure());
  auto tensorType = dyn_cast<RankedTensorType>(elements.getShapedType());
  if (!tensorType || !isSupportedElementType(tensorType.getElementType()))
    return failure();
  Type elementType = tensorType.getElementType();
  ArrayRef<int64_t> shape = tensorType.getShape();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attribute)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? fromBytes(shape, elementType, blob->getData()) : FailureOr<Tensor>(failure());
  }
  auto dense = dyn_cast<DenseElementsAttr>(attribute);
  if (!dense)
    return failure();
  if (dense.isSplat())
    return fromScalar(shape, dense.getSplatValue<Attribute>());
  if (elementType.isInteger(1)) {
    auto range = dense.getValues<bool>();
    return fromInts(shape, elementType, std::vector<int64_t>(range.begin(), range.end()));
  }
  return fromBytes(shape, elementType, dense.getRawData());
}

//===----------------------------------------------------------------------===//
// Access
//===----------------------------------------------------------------------===//

void Tensor::writeOut() {
  if (!splatFlag)
    return;
  if (floatData)
    floatData = std::make_shared<std::vector<double>>(count, floatData->front());
  else
    intData = std::make_shared<std::vector<int64_t>>(count, intData->front());
  splatFlag = false;
}

void Tensor::makeUnique() {
  if (floatData && floatData.use_count() > 1)
    floatData = std::make_shared<std::vector<double>>(*floatData);
  if (intData && intData.use_count() > 1)
    intData = std::make_shared<std::vector<int64_t>>(*intData);
}

ArrayRef<double> Tensor::floats() const {
  assert(isFloat() && !splatFlag && "write the splat out first");
  return *floatData;
}

ArrayRef<int64_t> Tensor::ints() const {
  assert(intData && !splatFlag && "write the splat out first");
  return *intData;
}

MutableArrayRef<double> Tensor::mutableFloats() {
  assert(isFloat());
  writeOut();
  makeUnique();
  return *floatData;
}

MutableArrayRef<int64_t> Tensor::mutableInts() {
  assert(intData);
  writeOut();
  makeUnique();
  return *intData;
}

Tensor Tensor::expanded() const {
  Tensor result = *this;
  result.writeOut();
  return result;
}

Tensor Tensor::reshaped(ArrayRef<int64_t> shape) const {
  assert(countElements(shape) == count && "a reshape keeps the number of elements");
  Tensor result = *this;
  result.dims.assign(shape.begin(), shape.end());
  return result;
}

Tensor Tensor::retyped(Type elementType) const {
  assert(isa<FloatType>(elementType) == isFloat());
  Tensor result = *this;
  result.type = elementType;
  return result;
}

void Tensor::appendRows(const Tensor &rows) {
  assert(rows.type == type && rank() > 0 && rows.dims.size() == dims.size() &&
         llvm::equal(llvm::drop_begin(rows.dims), llvm::drop_begin(dims)));
  writeOut();
  makeUnique();
  const Tensor more = rows.expanded();
  if (isFloat())
    llvm::append_range(*floatData, *more.floatData);
  else
    llvm::append_range(*intData, *more.intData);
  dims.front() += more.dims.front();
  count += more.count;
}

void Tensor::roundToType() {
  // Moves of data leave every element as it is and their results share it: copy only on a change.
  auto roundAll = [&](auto &data, auto round) {
    auto unchanged = [&](auto value) {
      auto rounded = round(value);
      return rounded == value || (rounded != rounded && value != value);
    };
    if (llvm::all_of(*data, unchanged))
      return;
    makeUnique();
    for (auto &value : *data)
      value = round(value);
  };
  if (floatData)
    roundAll(floatData, [&](double value) { return roundToFloatType(value, type); });
  else if (intData)
    roundAll(intData, [&](int64_t value) { return wrapToIntegerType(value, type); });
}

SmallVector<int64_t> rowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

Attribute Tensor::toAttribute(Type target) const {
  auto tensorType = dyn_cast<RankedTensorType>(target);
  if (!tensorType) {
    if (isFloat())
      return FloatAttr::get(target, roundToFloatType(at(0), target));
    return IntegerAttr::get(target, APInt(integerWidth(target), static_cast<uint64_t>(intAt(0)),
                                          /*isSigned=*/false, /*implicitTrunc=*/true));
  }
  if (!isFloat() && type.isInteger(1)) {
    SmallVector<bool> values(splatFlag && count > 0 ? 1 : count);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = boolAt(i);
    return DenseElementsAttr::get(tensorType, ArrayRef<bool>(values));
  }
  if (count == 0)
    return DenseElementsAttr::get(tensorType, ArrayRef<Attribute>());
  int64_t held = splatFlag ? 1 : count;
  unsigned width = elementBytes(type);
  std::vector<char> bytes(held * width);
  for (int64_t i = 0; i < held; ++i) {
    uint64_t bits = isFloat() ? floatToBits(at(i), type) : static_cast<uint64_t>(intAt(i));
    if (!isFloat() && integerWidth(type) < 64)
      bits &= (uint64_t(1) << integerWidth(type)) - 1;
    for (unsigned b = 0; b < width; ++b)
      bytes[i * width + b] = static_cast<char>(bits >> (8 * b));
  }
  return DenseElementsAttr::getFromRawBuffer(tensorType, bytes);
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

static void printFloat(raw_ostream &os, double value, Type type, int digits) {
  if (std::isnan(value)) {
    os << "nan";
    return;
  }
  char text[64];
  auto single = static_cast<float>(value);
  std::to_chars_result end;
  if (digits > 0)
    end = std::to_chars(text, text + sizeof(text), value, std::chars_format::general,
                        std::min(digits, std::numeric_limits<double>::max_digits10));
  else if (!type.isF64() && static_cast<double>(single) == value)
    end = std::to_chars(text, text + sizeof(text), single);
  else
    end = std::to_chars(text, text + sizeof(text), value);
  os << StringRef(text, end.ptr - text);
}

void Tensor::print(raw_ostream &os, int digits) const {
  os << "tensor<";
  for (int64_t size : dims)
    os << size << "x";
  os << type << "> = ";
  // Prints dimension `d` from element `first` on.
  auto printDim = [&](auto &self, size_t d, int64_t first, int64_t stride) -> void {
    if (d == dims.size()) {
      if (isFloat())
        printFloat(os, at(first), type, digits);
      else
        os << intAt(first);
      return;
    }
    stride = dims[d] ? stride / dims[d] : 0;
    os << "[";
    for (int64_t i = 0; i < dims[d]; ++i) {
      os << (i ? ", " : "");
      self(self, d + 1, first + i * stride, stride);
    }
    os << "]";
  };
  printDim(printDim, 0, 0, count);
}

} // namespace bigmac::interpreter
