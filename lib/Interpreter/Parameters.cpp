//===- Parameters.cpp - Initial values of parameters -----------------------===//

#include "bigmac/Interpreter/Interpreter.h"

#include "Bits.h"

#include "dialects/NN/IR/NN.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace bigmac::interpreter {

static FailureOr<Tensor> readExternal(nn::ParameterOp op, const nn::ParameterPart &part,
                                      const InterpreterOptions &options) {
  auto external = cast<nn::ExternalAttr>(part.init);
  RankedTensorType type = part.type;
  SmallString<128> path(external.getFile());
  if (llvm::sys::path::is_relative(path) && !options.externalRoot.empty()) {
    path = options.externalRoot;
    llvm::sys::path::append(path, external.getFile());
  }
  uint64_t fileSize = 0;
  std::error_code error = llvm::sys::fs::file_size(path, fileSize);
  if (error)
    return op.emitOpError("cannot read '") << path << "': " << error.message();
  if (external.getOffset() > fileSize || external.getSize() > fileSize - external.getOffset())
    return op.emitOpError("needs ")
           << external.getSize() << " bytes at offset " << external.getOffset() << " of '" << path
           << "', which has " << fileSize << " bytes";
  auto buffer = llvm::MemoryBuffer::getFileSlice(path, external.getSize(), external.getOffset());
  if (!buffer)
    return op.emitOpError("cannot read '") << path << "': " << buffer.getError().message();
  StringRef bytes = (*buffer)->getBuffer();
  FailureOr<Tensor> value =
      Tensor::fromBytes(type.getShape(), op.getInitElementType(), {bytes.data(), bytes.size()});
  if (failed(value))
    return op.emitOpError("of type ")
           << type << " cannot be read from " << bytes.size() << " bytes";
  return value;
}

FailureOr<Tensor> readParameter(Operation *parameter, const InterpreterOptions &options) {
  auto op = cast<nn::ParameterOp>(parameter);
  auto type = cast<RankedTensorType>(op.getType());
  if (!canHold(type, options))
    return op.emitOpError("has type ") << type << ", which the interpreter cannot hold";
  FailureOr<Tensor> value;
  for (const nn::ParameterPart &part : op.getParts()) {
    FailureOr<Tensor> rows;
    if (isa<nn::ExternalAttr>(part.init)) {
      rows = readExternal(op, part, options);
      if (failed(rows))
        return failure();
    } else {
      rows = Tensor::fromAttribute(part.init);
      if (failed(rows))
        return op.emitOpError(
            "has a value that the interpreter cannot read: expected dense elements");
    }
    if (failed(value))
      value = std::move(rows);
    else
      value->appendRows(*rows);
  }
  // The initial value may be wider than the parameter.
  if (value->elementType() != type.getElementType()) {
    *value = value->retyped(type.getElementType());
    if (!options.float64)
      value->roundToType();
  }
  return value;
}

} // namespace bigmac::interpreter
