//===- Weights.cpp - Initial parameter values as safetensors ---------------===//

#include "bigmac-rt/BFloat16.h"
#include "bigmac-rt/Hash.h"
#include "bigmac/Support/ByteSize.h"
#include "bigmac/Target/Executable.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <vector>

using namespace mlir;
using namespace bigmac;

static StringRef dtypeName(Type type) {
  if (type.isF32())
    return "F32";
  if (type.isF64())
    return "F64";
  if (type.isF16())
    return "F16";
  if (type.isBF16())
    return "BF16";
  if (type.isInteger(64))
    return "I64";
  if (type.isInteger(32))
    return "I32";
  if (type.isInteger(1))
    return "BOOL";
  return "";
}

/// The type in which a parameter's initial value is written: unrounded where a master copy is made
/// of it, else the parameter's own.
static Type writtenType(nn::ParameterOp parameter) {
  return parameter.getMaster() ? parameter.getInitElementType()
                               : getElementTypeOrSelf(parameter.getType());
}

/// Writes f32 numbers rounded to bf16.
static void writeRounded(StringRef bytes, llvm::raw_ostream &os) {
  std::vector<uint16_t> rounded(bytes.size() / sizeof(float));
  for (auto [i, element] : llvm::enumerate(rounded)) {
    float value;
    std::memcpy(&value, bytes.data() + i * sizeof(float), sizeof(float));
    element = rt::toBFloat16(value);
  }
  os.write(reinterpret_cast<const char *>(rounded.data()), rounded.size() * sizeof(uint16_t));
}

/// Writes elements as the bytes of a dense row-major array.
static void writeElements(DenseElementsAttr elements, bool rounds, llvm::raw_ostream &os) {
  ArrayRef<char> raw = elements.getRawData();
  int64_t repeat = elements.isSplat() ? elements.getNumElements() : 1;
  if (elements.getElementType().isInteger(1)) {
    for (bool value : elements.getValues<bool>())
      os << static_cast<char>(value);
    return;
  }
  for (int64_t i = 0; i < repeat; ++i) {
    if (rounds)
      writeRounded({raw.data(), raw.size()}, os);
    else
      os.write(raw.data(), raw.size());
  }
}

static LogicalResult writeExternal(nn::ParameterOp parameter, StringRef name,
                                   nn::ExternalAttr external, bool rounds, llvm::raw_ostream &os) {
  // A mapping a few megabytes at a time keeps the resident memory small for any model.
  constexpr uint64_t kPiece = 64 << 20;
  for (uint64_t done = 0; done < external.getSize(); done += kPiece) {
    uint64_t size = std::min(kPiece, external.getSize() - done);
    auto buffer =
        llvm::MemoryBuffer::getFileSlice(external.getFile(), size, external.getOffset() + done);
    if (!buffer)
      return parameter.emitError("cannot read the value of '")
             << name << "' from '" << external.getFile() << "': " << buffer.getError().message();
    if ((*buffer)->getBufferSize() != size)
      return parameter.emitError("the value of '")
             << name << "' ends beyond '" << external.getFile() << "'";
    if (rounds)
      writeRounded((*buffer)->getBuffer(), os);
    else
      os.write((*buffer)->getBufferStart(), size);
  }
  return success();
}

FailureOr<WeightsFile> bigmac::writeWeights(ModuleOp module, StringRef path) {
  llvm::json::Object header;
  uint64_t offset = 0;
  for (auto parameter : module.getOps<nn::ParameterOp>()) {
    Type element = writtenType(parameter);
    StringRef dtype = dtypeName(element);
    if (dtype.empty())
      return parameter.emitError("element type ") << element << " cannot be written as safetensors";
    for (const nn::ParameterPart &part : parameter.getParts()) {
      uint64_t bytes = byteSize(RankedTensorType::get(part.type.getShape(), element));
      header[part.name] =
          llvm::json::Object{{"dtype", dtype},
                             {"shape", llvm::json::Array(part.type.getShape())},
                             {"data_offsets", llvm::json::Array{offset, offset + bytes}}};
      offset += bytes;
    }
  }
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(header));
  text.resize(llvm::alignTo(text.size(), 8), ' ');
  std::string start(8, '\0');
  for (unsigned i = 0; i < 8; ++i)
    start[i] = static_cast<char>(static_cast<uint64_t>(text.size()) >> (8 * i));
  start += text;

  auto temporary = llvm::sys::fs::TempFile::create(path + ".%%%%%%.tmp");
  if (!temporary)
    return module.emitError("cannot write '")
           << path << "': " << llvm::toString(temporary.takeError());
  llvm::raw_fd_ostream os(temporary->FD, /*shouldClose=*/false);
  os << start;
  LogicalResult written = success();
  for (auto parameter : module.getOps<nn::ParameterOp>()) {
    bool rounds = writtenType(parameter) != parameter.getInitElementType();
    for (const nn::ParameterPart &part : parameter.getParts()) {
      if (auto external = dyn_cast<nn::ExternalAttr>(part.init))
        written = writeExternal(parameter, part.name, external, rounds, os);
      else if (auto elements = dyn_cast<DenseElementsAttr>(part.init))
        writeElements(elements, rounds, os);
      else
        written = parameter.emitError("has a value that cannot be written as safetensors");
      if (failed(written))
        break;
    }
    if (failed(written))
      break;
  }
  os.flush();
  if (os.has_error()) {
    if (succeeded(written))
      written = module.emitError("cannot write '") << path << "': " << os.error().message();
    os.clear_error();
  }
  if (failed(written)) {
    llvm::consumeError(temporary->discard());
    return failure();
  }
  if (llvm::Error error = temporary->keep(path))
    return module.emitError("cannot write '") << path << "': " << llvm::toString(std::move(error));
  return WeightsFile{start.size() + offset, rt::hash64(start.data(), start.size())};
}
