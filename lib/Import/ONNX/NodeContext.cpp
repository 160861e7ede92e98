//===- NodeContext.cpp - What an op's importer works with ------------------===//

#include "NodeContext.h"

#include "dialects/NN/Transforms/FoldConstants.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

Type bigmac::onnx::elementTypeOf(MLIRContext *context, DataType type) {
  switch (type) {
  case DataType::Bool:
    return IntegerType::get(context, 1);
  case DataType::Float16:
    return Float16Type::get(context);
  case DataType::BFloat16:
    return BFloat16Type::get(context);
  case DataType::Float:
    return Float32Type::get(context);
  case DataType::Double:
    return Float64Type::get(context);
  case DataType::UInt8:
  case DataType::Int8:
  case DataType::UInt16:
  case DataType::Int16:
  case DataType::Int32:
  case DataType::UInt32:
  case DataType::Int64:
  case DataType::UInt64:
    return IntegerType::get(context, 8 * byteWidth(type));
  default:
    return {};
  }
}

bool bigmac::onnx::isSaneShape(ArrayRef<int64_t> shape) {
  int64_t elements = 1;
  bool empty = false;
  for (int64_t dim : shape) {
    if (dim < 0 || dim > kMaxElements)
      return false;
    empty = empty || dim == 0;
    if (dim > 0 && llvm::MulOverflow(elements, dim, elements))
      return false;
    if (elements > kMaxElements)
      return false;
  }
  return true;
}

NodeContext::NodeContext(OpBuilder &builder, Location loc, const Node &node,
                         SmallVector<ImportedValue> inputs)
    : b(builder), loc(loc), node(node), results(node.outputs.size()), inputs(std::move(inputs)) {}

InFlightDiagnostic NodeContext::error() const {
  InFlightDiagnostic diagnostic = emitError(loc) << "node '" << node.name << "' (" << node.opType
                                                 << ", opset " << node.opset << ") ";
  // One error says enough of a node.
  if (hasError)
    diagnostic.abandon();
  hasError = true;
  return diagnostic;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

DenseElementsAttr NodeContext::constant(unsigned i) const {
  if (!has(i) || !in(i))
    return {};
  return dyn_cast_or_null<DenseElementsAttr>(nn::constantValueOf(in(i)));
}

FailureOr<SmallVector<int64_t>> NodeContext::ints(unsigned i, StringRef what) const {
  DenseElementsAttr elements = constant(i);
  if (!elements)
    return error() << "needs its " << what
                   << " at compile time, but it is computed from inputs or parameters";
  if (!isa<IntegerType>(elements.getElementType()))
    return error() << "expects integers as its " << what << ", found " << elements.getType();
  if (elements.getNumElements() > kMaxConstantElements)
    return error() << "has too many elements in its " << what << ": " << elements.getType();
  bool isUnsigned = isUnsignedInput(i) || elements.getElementType().isInteger(1);
  SmallVector<int64_t> values;
  for (const APInt &value : elements.getValues<APInt>())
    values.push_back(isUnsigned ? static_cast<int64_t>(value.getLimitedValue())
                                : value.getSExtValue());
  return values;
}

FailureOr<int64_t> NodeContext::integer(unsigned i, StringRef what) const {
  FailureOr<SmallVector<int64_t>> values = ints(i, what);
  if (failed(values))
    return failure();
  if (values->size() != 1)
    return error() << "expects one integer as its " << what << ", found " << values->size();
  return values->front();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

const NodeAttribute *NodeContext::attribute(StringRef name) const {
  for (const NodeAttribute &attribute : node.attributes)
    if (attribute.name == name)
      return &attribute;
  return nullptr;
}

const NodeAttribute *NodeContext::typed(StringRef name, NodeAttribute::Kind kind,
                                        StringRef kindName) const {
  const NodeAttribute *found = attribute(name);
  if (!found || found->kind == kind)
    return found;
  error() << "expects " << kindName << " as its attribute '" << name << "'";
  badAttribute = true;
  return nullptr;
}

int64_t NodeContext::attrInt(StringRef name, int64_t otherwise) const {
  const NodeAttribute *found = typed(name, NodeAttribute::Kind::Int, "an integer");
  return found ? found->i : otherwise;
}

double NodeContext::attrFloat(StringRef name, double otherwise) const {
  const NodeAttribute *found = typed(name, NodeAttribute::Kind::Float, "a float");
  return found ? found->f : otherwise;
}

std::string NodeContext::attrString(StringRef name, StringRef otherwise) const {
  const NodeAttribute *found = typed(name, NodeAttribute::Kind::String, "a string");
  return found ? found->s : otherwise.str();
}

std::optional<SmallVector<int64_t>> NodeContext::attrInts(StringRef name) const {
  const NodeAttribute *found = typed(name, NodeAttribute::Kind::Ints, "a list of integers");
  if (!found)
    return std::nullopt;
  return SmallVector<int64_t>(found->ints.begin(), found->ints.end());
}

FailureOr<int64_t> NodeContext::axis(int64_t value, int64_t rank) const {
  if (value < -rank || value >= rank)
    return error() << "has axis " << value << ", but its tensor has rank " << rank;
  return value < 0 ? value + rank : value;
}

FailureOr<SmallVector<int64_t>> NodeContext::axes(ArrayRef<int64_t> values, int64_t rank) const {
  SmallVector<int64_t> dims;
  for (int64_t value : values) {
    FailureOr<int64_t> dim = axis(value, rank);
    if (failed(dim))
      return failure();
    dims.push_back(*dim);
  }
  llvm::sort(dims);
  if (std::adjacent_find(dims.begin(), dims.end()) != dims.end())
    return error() << "names one of its axes twice";
  return dims;
}

//===----------------------------------------------------------------------===//
// Results and shapes
//===----------------------------------------------------------------------===//

LogicalResult NodeContext::setResult(Value value, unsigned i) {
  assert(value && "a result must be a value");
  if (i < results.size())
    results[i].tensor = value;
  return success();
}

Value NodeContext::reshape(Value value, ArrayRef<int64_t> shape) const {
  return nn::createReshape(b, loc, value, shape);
}

Value NodeContext::broadcast(Value value, ArrayRef<int64_t> shape) const {
  return nn::createBroadcast(b, loc, value, shape);
}

Value NodeContext::transpose(Value value, ArrayRef<int64_t> permutation) const {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return value;
  return nn::TransposeOp::create(b, loc, value, permutation);
}

Value NodeContext::swapDims(Value value, int64_t first, int64_t second) const {
  SmallVector<int64_t> permutation =
      llvm::to_vector(llvm::seq<int64_t>(0, typeOf(value).getRank()));
  std::swap(permutation[first], permutation[second]);
  return transpose(value, permutation);
}

static SmallVector<OpFoldResult> asFoldResults(OpBuilder &b, ArrayRef<int64_t> values) {
  return llvm::map_to_vector(values,
                             [&](int64_t value) { return OpFoldResult(b.getIndexAttr(value)); });
}

Value NodeContext::slice(Value value, ArrayRef<int64_t> offsets, ArrayRef<int64_t> sizes,
                         ArrayRef<int64_t> strides) const {
  if (sizes == shapeOf(value) &&
      (typeOf(value).getNumElements() == 0 ||
       (llvm::all_of(offsets, [](int64_t offset) { return offset == 0; }) &&
        llvm::all_of(strides, [](int64_t stride) { return stride == 1; }))))
    return value;
  return tensor::ExtractSliceOp::create(b, loc, value, asFoldResults(b, offsets),
                                        asFoldResults(b, sizes), asFoldResults(b, strides));
}

Value NodeContext::sliceDim(Value value, int64_t dim, int64_t offset, int64_t count) const {
  SmallVector<int64_t> offsets(typeOf(value).getRank(), 0), strides(typeOf(value).getRank(), 1);
  SmallVector<int64_t> sizes(shapeOf(value));
  offsets[dim] = offset;
  sizes[dim] = count;
  return slice(value, offsets, sizes, strides);
}

Value NodeContext::concat(ArrayRef<Value> values, int64_t dim) const {
  SmallVector<Value> parts;
  for (Value value : values)
    if (shapeOf(value)[dim] != 0)
      parts.push_back(value);
  if (parts.empty())
    return values.front();
  if (parts.size() == 1)
    return parts.front();
  return tensor::ConcatOp::create(b, loc, dim, parts);
}

Value NodeContext::lookup(Value table, Value ids) const {
  return nn::EmbeddingOp::create(b, loc, table, ids);
}

Value NodeContext::lookup(Value table, ArrayRef<int64_t> ids) const {
  return lookup(table, constantInts({static_cast<int64_t>(ids.size())}, ids));
}

Value NodeContext::reduceSum(Value value, ArrayRef<int64_t> dims) const {
  return dims.empty() ? value : Value(nn::ReduceSumOp::create(b, loc, value, dims));
}

Value NodeContext::reduceMax(Value value, ArrayRef<int64_t> dims) const {
  return dims.empty() ? value : Value(nn::ReduceMaxOp::create(b, loc, value, dims));
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value NodeContext::constantOf(DenseElementsAttr elements) const {
  return arith::ConstantOp::create(b, loc, elements);
}

Value NodeContext::constantInts(ArrayRef<int64_t> shape, ArrayRef<int64_t> values) const {
  return constantOf(DenseElementsAttr::get(RankedTensorType::get(shape, b.getI64Type()), values));
}

Value NodeContext::constantBools(ArrayRef<int64_t> shape, ArrayRef<bool> values) const {
  return constantOf(DenseElementsAttr::get(RankedTensorType::get(shape, b.getI1Type()), values));
}

Value NodeContext::splat(Value like, double value) const {
  RankedTensorType type = typeOf(like);
  if (!isa<FloatType>(type.getElementType()))
    return splatInt(type, static_cast<int64_t>(value));
  return constantOf(DenseElementsAttr::get(type, b.getFloatAttr(type.getElementType(), value)));
}

Value NodeContext::splatInt(RankedTensorType type, int64_t value) const {
  unsigned width = type.getElementTypeBitWidth();
  return constantOf(
      DenseElementsAttr::get(type, APInt(width, static_cast<uint64_t>(value), /*isSigned=*/true,
                                         /*implicitTrunc=*/true)));
}

//===----------------------------------------------------------------------===//
// Broadcasting
//===----------------------------------------------------------------------===//

FailureOr<Shape> NodeContext::commonShape(ArrayRef<Value> values) const {
  size_t rank = 0;
  for (Value value : values)
    rank = std::max<size_t>(rank, shapeOf(value).size());
  Shape common(rank, 1);
  for (Value value : values) {
    ArrayRef<int64_t> shape = shapeOf(value);
    for (auto [i, size] : llvm::enumerate(shape)) {
      int64_t &dim = common[rank - shape.size() + i];
      if (dim == 1)
        dim = size;
      else if (size != 1 && size != dim) {
        auto diagnostic = error() << "has operands that cannot be broadcast to one shape:";
        for (Value operand : values)
          diagnostic << " " << operand.getType();
        return failure();
      }
    }
  }
  if (!isSaneShape(common))
    return error() << "has a result of too many elements";
  return common;
}

LogicalResult NodeContext::unify(MutableArrayRef<Value> values) const {
  FailureOr<Shape> shape = commonShape(values);
  if (failed(shape))
    return failure();
  for (Value &value : values)
    value = broadcast(value, *shape);
  return success();
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

Value NodeContext::cast(Value value, Type to, bool fromUnsigned, bool toUnsigned) const {
  RankedTensorType type = typeOf(value);
  Type from = type.getElementType();
  if (from == to)
    return value;
  RankedTensorType target = RankedTensorType::get(type.getShape(), to);
  fromUnsigned = fromUnsigned || from.isInteger(1);
  if (to.isInteger(1)) {
    Value zero = splat(value, 0.0);
    if (isa<FloatType>(from))
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, value, zero);
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, value, zero);
  }
  auto fromFloat = dyn_cast<FloatType>(from), toFloat = dyn_cast<FloatType>(to);
  if (fromFloat && toFloat) {
    if (fromFloat.getWidth() < toFloat.getWidth())
      return arith::ExtFOp::create(b, loc, target, value);
    if (fromFloat.getWidth() > toFloat.getWidth())
      return arith::TruncFOp::create(b, loc, target, value);
    // f16 and bf16: neither contains the other.
    Value wide = arith::ExtFOp::create(
        b, loc, RankedTensorType::get(type.getShape(), b.getF32Type()), value);
    return arith::TruncFOp::create(b, loc, target, wide);
  }
  if (fromFloat) {
    if (toUnsigned)
      return arith::FPToUIOp::create(b, loc, target, value);
    return arith::FPToSIOp::create(b, loc, target, value);
  }
  if (toFloat) {
    if (fromUnsigned)
      return arith::UIToFPOp::create(b, loc, target, value);
    return arith::SIToFPOp::create(b, loc, target, value);
  }
  if (from.getIntOrFloatBitWidth() > to.getIntOrFloatBitWidth())
    return arith::TruncIOp::create(b, loc, target, value);
  if (fromUnsigned)
    return arith::ExtUIOp::create(b, loc, target, value);
  return arith::ExtSIOp::create(b, loc, target, value);
}

Value NodeContext::add(Value a, Value c) const {
  if (isFloat(a))
    return arith::AddFOp::create(b, loc, a, c);
  return arith::AddIOp::create(b, loc, a, c);
}

Value NodeContext::sub(Value a, Value c) const {
  if (isFloat(a))
    return arith::SubFOp::create(b, loc, a, c);
  return arith::SubIOp::create(b, loc, a, c);
}

Value NodeContext::mul(Value a, Value c) const {
  if (isFloat(a))
    return arith::MulFOp::create(b, loc, a, c);
  return arith::MulIOp::create(b, loc, a, c);
}

Value NodeContext::div(Value a, Value c) const {
  if (isFloat(a))
    return arith::DivFOp::create(b, loc, a, c);
  return arith::DivSIOp::create(b, loc, a, c);
}

Value NodeContext::neg(Value a) const {
  if (isFloat(a))
    return arith::NegFOp::create(b, loc, a);
  return arith::SubIOp::create(b, loc, splat(a, 0), a);
}

Value NodeContext::select(Value condition, Value a, Value c) const {
  return arith::SelectOp::create(b, loc, condition, a, c);
}

Value NodeContext::compare(Compare how, Value a, Value c, bool isUnsigned) const {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  isUnsigned = isUnsigned || isBool(a);
  F floatPredicate = F::OEQ;
  I intPredicate = I::eq;
  switch (how) {
  case Compare::Equal:
    break;
  case Compare::Less:
    floatPredicate = F::OLT;
    intPredicate = isUnsigned ? I::ult : I::slt;
    break;
  case Compare::LessOrEqual:
    floatPredicate = F::OLE;
    intPredicate = isUnsigned ? I::ule : I::sle;
    break;
  case Compare::Greater:
    floatPredicate = F::OGT;
    intPredicate = isUnsigned ? I::ugt : I::sgt;
    break;
  case Compare::GreaterOrEqual:
    floatPredicate = F::OGE;
    intPredicate = isUnsigned ? I::uge : I::sge;
    break;
  }
  if (isFloat(a))
    return arith::CmpFOp::create(b, loc, floatPredicate, a, c);
  return arith::CmpIOp::create(b, loc, intPredicate, a, c);
}

Value NodeContext::sigmoid(Value x) const { return nn::SigmoidOp::create(b, loc, x); }
