//===- Initializers.cpp - Values of parameters and constants ---------------===//

#include "Initializers.h"

#include "OpImporters.h"

#include "bigmac/Support/ModelLoc.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

Initializers::Initializers(ModuleOp module, StringRef path, const Model &model,
                           const ONNXImportOptions &options)
    : module(module), path(path), model(model), options(options), external(path) {}

Location Initializers::locationOf(StringRef name) {
  return makeModelLoc(module.getContext(), name, "");
}

/// The tensor's type, with checks that its values have as many bytes as its shape needs.
LogicalResult Initializers::checkTensor(Location loc, const Tensor &tensor,
                                        RankedTensorType &type) {
  Type element = elementTypeOf(module.getContext(), tensor.type);
  if (!element)
    return emitError(loc) << "tensor '" << tensor.name << "' has elements of "
                          << nameOf(tensor.type) << ", which is not supported";
  if (!isSaneShape(tensor.dims))
    return emitError(loc) << "tensor '" << tensor.name
                          << "' has a negative dimension or too many elements";
  type = RankedTensorType::get(tensor.dims, element);
  uint64_t expected = type.getNumElements() * uint64_t(byteWidth(tensor.type));
  uint64_t found = tensor.storage == Tensor::Storage::InModel  ? tensor.size
                   : tensor.storage == Tensor::Storage::Inline ? tensor.bytes.size()
                                                               : expected;
  if (found != expected)
    return emitError(loc) << "tensor '" << tensor.name << "' of type " << type << " needs "
                          << expected << " bytes, the model has " << found;
  return success();
}

bool Initializers::locate(const Tensor &tensor, RankedTensorType type, ExternalData::Range &range,
                          std::string &error) {
  uint64_t expected = type.getNumElements() * uint64_t(byteWidth(tensor.type));
  switch (tensor.storage) {
  case Tensor::Storage::Inline:
    range.bytes = tensor.bytes.data();
    range.size = expected;
    return true;
  case Tensor::Storage::InModel:
    range.path = path;
    range.bytes = model.file->data() + tensor.offset;
    range.offset = tensor.offset;
    range.size = expected;
    return true;
  case Tensor::Storage::External:
    break;
  }
  return external.resolve(tensor, expected, range, error);
}

FailureOr<ExternalData::Range> Initializers::locate(Location loc, const Tensor &tensor,
                                                    RankedTensorType type) {
  ExternalData::Range range;
  std::string error;
  if (!locate(tensor, type, range, error))
    return emitError(loc) << "tensor '" << tensor.name << "': " << error;
  return range;
}

FailureOr<Value> Initializers::makeConstant(OpBuilder &builder, Location loc,
                                            const Tensor &tensor) {
  RankedTensorType type;
  if (failed(checkTensor(loc, tensor, type)))
    return failure();
  FailureOr<ExternalData::Range> range = locate(loc, tensor, type);
  if (failed(range))
    return failure();
  DenseElementsAttr elements =
      makeElements(type, ArrayRef<char>(range->bytes, static_cast<size_t>(range->size)));
  return Value(arith::ConstantOp::create(builder, loc, elements));
}

FailureOr<ImportedValue> Initializers::materialize(OpBuilder &builder, StringRef name) {
  size_t index = indices.lookup(name);
  const Tensor &tensor = model.graph.initializers[index];
  const InitializerInfo &info = infos[index];
  Location loc = locationOf(name);
  ImportedValue result;
  result.isUnsigned = isUnsigned(tensor.type);
  if (info.kind == InitializerInfo::Kind::Constant) {
    FailureOr<Value> constant = makeConstant(builder, loc, tensor);
    if (failed(constant))
      return failure();
    result.tensor = *constant;
    return result;
  }
  if (declared.insert(name).second) {
    FailureOr<ExternalData::Range> range = locate(loc, tensor, info.type);
    if (failed(range))
      return failure();
    Attribute init;
    if (range->path.empty())
      init = makeElements(info.type, ArrayRef<char>(range->bytes, range->size));
    else
      init = nn::ExternalAttr::get(builder.getContext(), range->path, range->offset, range->size);
    OpBuilder::InsertionGuard guard(builder);
    // Parameters stand before the function, in the order of their first use.
    builder.setInsertionPoint(&module.getBody()->back());
    auto symbol = builder.getStringAttr(name);
    auto typeAttr = TypeAttr::get(info.type);
    UnitAttr trained =
        info.kind == InitializerInfo::Kind::Trained ? builder.getUnitAttr() : UnitAttr();
    nn::ParameterOp::create(builder, loc, symbol, typeAttr, trained, init);
  }
  result.tensor = nn::GetParameterOp::create(builder, loc, info.type, name);
  return result;
}
