//===- NNShapeOps.cpp - Parameters, shape and lookup ops -------------------===//

#include "dialects/NN/IR/NN.h"

#include "bigmac/Support/ByteSize.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace bigmac::nn;

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

static RankedTensorType widened(RankedTensorType type) {
  return type.clone(Float32Type::get(type.getContext()));
}

/// Whether the initial value has the parameter's type, or f32 where that is narrower.
static LogicalResult verifyInit(ParameterOp op, const ParameterPart &part, bool isNarrow) {
  if (auto elements = dyn_cast<ElementsAttr>(part.init)) {
    if (elements.getShapedType() != part.type &&
        !(isNarrow && elements.getShapedType() == widened(part.type)))
      return op.emitOpError("has type ")
             << part.type << " but its value has type " << elements.getShapedType();
    return success();
  }
  auto external = dyn_cast<ExternalAttr>(part.init);
  if (!external)
    return op.emitOpError("expects elements or #nn.external as its value, found ") << part.init;
  uint64_t bytes = bigmac::byteSize(part.type);
  if (external.getSize() != bytes &&
      !(isNarrow && external.getSize() == bigmac::byteSize(widened(part.type))))
    return op.emitOpError("needs ")
           << bytes << " bytes, its external value has " << external.getSize();
  return success();
}

static Type initElementType(const ParameterPart &part) {
  if (auto elements = dyn_cast<ElementsAttr>(part.init))
    return elements.getElementType();
  uint64_t size = cast<ExternalAttr>(part.init).getSize();
  return size == bigmac::byteSize(part.type) ? part.type.getElementType()
                                             : Type(Float32Type::get(part.type.getContext()));
}

LogicalResult ParameterOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (getTrained() && !isa<FloatType>(type.getElementType()))
    return emitOpError("is trained, so its element type must be floating-point, found ")
           << type.getElementType();
  bool isNarrow = isa<FloatType>(type.getElementType()) &&
                  computeType(type.getElementType()) != type.getElementType();
  if (getMaster() && (!getTrained() || !isNarrow))
    return emitOpError("has a master copy, so it must be trained and narrower than f32, found ")
           << type;
  if (auto parts = dyn_cast<ArrayAttr>(getInit())) {
    if (parts.empty())
      return emitOpError("packs no parameter");
    int64_t rows = 0;
    llvm::StringSet<> names;
    for (Attribute part : parts) {
      if (!isa<PartAttr>(part))
        return emitOpError("expects #nn.part of each parameter that it packs, found ") << part;
      rows += cast<PartAttr>(part).getRows();
      if (!names.insert(cast<PartAttr>(part).getName()).second)
        return emitOpError("packs '") << cast<PartAttr>(part).getName() << "' twice";
    }
    if (type.getRank() == 0 || rows != type.getDimSize(0))
      return emitOpError("has type ") << type << " but its parts have " << rows << " rows";
  }
  for (const ParameterPart &part : getParts()) {
    if (failed(verifyInit(*this, part, isNarrow)))
      return failure();
    if (initElementType(part) != getInitElementType())
      return emitOpError("packs initial values of several types: ")
             << getInitElementType() << " and, of '" << part.name << "', " << initElementType(part);
  }
  return success();
}

SmallVector<ParameterPart> ParameterOp::getParts() {
  auto type = cast<RankedTensorType>(getType());
  auto parts = dyn_cast<ArrayAttr>(getInit());
  if (!parts)
    return {{getSymName(), type, getInit()}};
  SmallVector<ParameterPart> result;
  for (auto part : parts.getAsRange<PartAttr>()) {
    SmallVector<int64_t> shape(type.getShape());
    shape.front() = part.getRows();
    result.push_back({part.getName(), type.clone(shape), part.getInit()});
  }
  return result;
}

Type ParameterOp::getInitElementType() { return initElementType(getParts().front()); }

LogicalResult GetParameterOp::verifySymbolUses(SymbolTableCollection &symbolTable) {
  auto parameter =
      symbolTable.lookupNearestSymbolFrom<ParameterOp>(getOperation(), getParameterAttr());
  if (!parameter)
    return emitOpError("names '") << getParameter() << "', which is no nn.parameter";
  if (parameter.getType() != getType())
    return emitOpError("has type ")
           << getType() << " but the parameter has type " << parameter.getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Transpose and broadcast
//===----------------------------------------------------------------------===//

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  ArrayRef<int64_t> permutation = adaptor.getPermutation();
  if (static_cast<int64_t>(permutation.size()) != type.getRank())
    return emitOptionalError(location, "expects a permutation of ", type.getRank(),
                             " dimensions, found ", permutation.size());
  SmallVector<bool> seen(permutation.size());
  SmallVector<int64_t> shape;
  for (int64_t dim : permutation) {
    if (dim < 0 || dim >= type.getRank() || seen[dim])
      return emitOptionalError(location, "expects each dimension below ", type.getRank(),
                               " once in its permutation");
    seen[dim] = true;
    shape.push_back(type.getDimSize(dim));
  }
  inferred.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (llvm::equal(getPermutation(), llvm::seq<int64_t>(0, getPermutation().size())))
    return getInput();
  if (auto producer = getInput().getDefiningOp<TransposeOp>()) {
    SmallVector<int64_t> permutation;
    for (int64_t dim : getPermutation())
      permutation.push_back(producer.getPermutation()[dim]);
    setPermutation(permutation);
    getInputMutable().assign(producer.getInput());
    return getResult();
  }
  return {};
}

LogicalResult BroadcastOp::verify() {
  auto from = cast<RankedTensorType>(getInput().getType());
  auto to = cast<RankedTensorType>(getType());
  if (from.getElementType() != to.getElementType())
    return emitOpError("must keep the element type");
  int64_t lead = to.getRank() - from.getRank();
  for (int64_t i = 0; i < from.getRank(); ++i)
    if (lead < 0 || (from.getDimSize(i) != 1 && from.getDimSize(i) != to.getDimSize(i + lead)))
      return emitOpError("cannot repeat ") << from << " to " << to;
  return success();
}

OpFoldResult BroadcastOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto splat = dyn_cast_or_null<SplatElementsAttr>(adaptor.getInput()))
    return SplatElementsAttr::get(cast<ShapedType>(getType()), splat.getSplatValue<Attribute>());
  if (auto producer = getInput().getDefiningOp<BroadcastOp>()) {
    getInputMutable().assign(producer.getInput());
    return getResult();
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static LogicalResult inferReduce(std::optional<Location> location, Value input,
                                 ArrayRef<int64_t> dims, SmallVectorImpl<Type> &inferred) {
  auto type = cast<RankedTensorType>(input.getType());
  for (auto [i, dim] : llvm::enumerate(dims))
    if (dim < 0 || dim >= type.getRank() || (i && dim <= dims[i - 1]))
      return emitOptionalError(location, "expects strictly ascending dimensions below ",
                               type.getRank());
  SmallVector<int64_t> shape;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (!llvm::is_contained(dims, i))
      shape.push_back(type.getDimSize(i));
  inferred.push_back(RankedTensorType::get(shape, type.getElementType()));
  return success();
}

LogicalResult ReduceSumOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  return inferReduce(location, adaptor.getInput(), adaptor.getDims(), inferred);
}

LogicalResult ReduceMaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  return inferReduce(location, adaptor.getInput(), adaptor.getDims(), inferred);
}

LogicalResult ArgMaxOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location,
                                         Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  if (type.getRank() == 0 || type.getShape().back() == 0)
    return emitOptionalError(location, "expects a non-empty last dimension, found ", type);
  inferred.push_back(
      RankedTensorType::get(type.getShape().drop_back(), IntegerType::get(context, 64)));
  return success();
}

//===----------------------------------------------------------------------===//
// Lookup
//===----------------------------------------------------------------------===//

LogicalResult EmbeddingOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                            Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto table = cast<RankedTensorType>(adaptor.getTable().getType());
  auto ids = cast<RankedTensorType>(adaptor.getIds().getType());
  if (table.getRank() == 0)
    return emitOptionalError(location, "expects a table of rank 1 or more");
  SmallVector<int64_t> shape(ids.getShape());
  llvm::append_range(shape, table.getShape().drop_front());
  inferred.push_back(RankedTensorType::get(shape, table.getElementType()));
  return success();
}

LogicalResult EmbeddingBackwardOp::verify() {
  auto ids = cast<RankedTensorType>(getIds().getType());
  auto grad = cast<RankedTensorType>(getGrad().getType());
  auto table = cast<RankedTensorType>(getType());
  if (table.getRank() == 0)
    return emitOpError("expects a table of rank 1 or more");
  SmallVector<int64_t> expected(ids.getShape());
  llvm::append_range(expected, table.getShape().drop_front());
  Type element = grad.getElementType();
  if (grad.getShape() != ArrayRef<int64_t>(expected) ||
      (table.getElementType() != element && table.getElementType() != computeType(element)))
    return emitOpError("has grad ")
           << grad << " that fits no row lookup of " << table << " by " << ids;
  return success();
}

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *, std::optional<Location> location,
                                                 Adaptor adaptor, SmallVectorImpl<Type> &inferred) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  auto indices = cast<RankedTensorType>(adaptor.getIndices().getType());
  if (input.getRank() == 0 || input.getRank() != indices.getRank() ||
      input.getShape().drop_back() != indices.getShape().drop_back())
    return emitOptionalError(location, "expects indices shaped like the input but for the last ",
                             "dimension, found ", indices, " for ", input);
  inferred.push_back(RankedTensorType::get(indices.getShape(), input.getElementType()));
  return success();
}

LogicalResult GatherElementsBackwardOp::verify() {
  auto indices = cast<RankedTensorType>(getIndices().getType());
  auto grad = cast<RankedTensorType>(getGrad().getType());
  auto input = cast<RankedTensorType>(getType());
  if (grad.getShape() != indices.getShape() || input.getRank() != indices.getRank() ||
      input.getRank() == 0 || input.getShape().drop_back() != indices.getShape().drop_back() ||
      grad.getElementType() != input.getElementType())
    return emitOpError("has grad ")
           << grad << " and indices " << indices << " that fit no gather from " << input;
  return success();
}
