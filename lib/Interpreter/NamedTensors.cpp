//===- NamedTensors.cpp - Arguments and results by name --------------------===//

#include "bigmac/Interpreter/NamedTensors.h"

#include "dialects/NN/IR/NN.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace bigmac::interpreter {

std::string argumentName(func::FuncOp function, unsigned index) {
  auto name = function.getArgAttrOfType<StringAttr>(index, nn::kNameAttr);
  return name ? name.str() : "arg" + std::to_string(index);
}

std::string resultName(func::FuncOp function, unsigned index) {
  auto name = function.getResultAttrOfType<StringAttr>(index, nn::kNameAttr);
  return name ? name.str() : "result" + std::to_string(index);
}

static Type elementTypeOf(MLIRContext *context, StringRef dtype) {
  Builder builder(context);
  return llvm::StringSwitch<Type>(dtype)
      .Case("F64", builder.getF64Type())
      .Case("F32", builder.getF32Type())
      .Case("F16", builder.getF16Type())
      .Case("BF16", builder.getBF16Type())
      .Cases({"I64", "U64"}, builder.getI64Type())
      .Cases({"I32", "U32"}, builder.getI32Type())
      .Cases({"I16", "U16"}, builder.getIntegerType(16))
      .Cases({"I8", "U8"}, builder.getIntegerType(8))
      .Case("BOOL", builder.getI1Type())
      .Default(Type());
}

/// "F32 [2, 3]".
static std::string describe(const SafetensorsFile::Entry &entry) {
  std::string text = entry.dtype + " [";
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(entry.shape, os);
  return text + "]";
}

namespace {
/// Whom an error is about: "function 'main' takes 'x' as 'tensor<2xf32>', the file has F32 [3]".
struct Subject {
  func::FuncOp function;
  StringRef verb;
  StringRef name;
  RankedTensorType type;

  InFlightDiagnostic error() const {
    return emitFunctionError(function) << verb << " '" << name << "' as " << type << ", the file";
  }
};
} // namespace

/// The entry's elements from `bytes`, which are as many as the type has.
static FailureOr<Tensor> convert(const Subject &subject, const SafetensorsFile::Entry &entry,
                                 ArrayRef<char> bytes) {
  Type from = elementTypeOf(subject.type.getContext(), entry.dtype);
  Type to = subject.type.getElementType();
  FailureOr<Tensor> tensor = Tensor::fromBytes(subject.type.getShape(), from, bytes);
  assert(succeeded(tensor) && "the reader checks sizes");
  if (isa<FloatType>(to) != tensor->isFloat())
    return subject.error() << " has " << describe(entry);
  if (tensor->isFloat()) {
    Tensor result = tensor->retyped(to);
    result.roundToType();
    return result;
  }
  bool isUnsigned = StringRef(entry.dtype).starts_with("U");
  unsigned width = integerWidth(from);
  for (int64_t &value : tensor->mutableInts()) {
    if (isUnsigned && width < 64)
      value &= (int64_t(1) << width) - 1;
    if (wrapToIntegerType(value, to) != value || (isUnsigned && width == 64 && value < 0))
      return subject.error() << "'s value " << value << " does not fit";
  }
  return tensor->retyped(to);
}

/// The part of `entry` that is a value of the subject's type: all of it, or samples from
/// `firstSample` on.
static FailureOr<ArrayRef<char>> selectBytes(const Subject &subject,
                                             const SafetensorsFile::Entry &entry,
                                             std::optional<int64_t> firstSample) {
  ArrayRef<int64_t> wanted = subject.type.getShape(), given = entry.shape;
  if (!firstSample) {
    if (wanted != given)
      return subject.error() << " has " << describe(entry);
    return entry.bytes;
  }
  if (wanted.empty() || given.size() != wanted.size() || given.drop_front() != wanted.drop_front())
    return subject.error() << "'s samples do not fit: it has " << describe(entry);
  if (*firstSample < 0 || *firstSample > given[0] - wanted[0])
    return subject.error() << " has " << given[0] << " samples, too few to take " << wanted[0]
                           << " from " << *firstSample << " on";
  if (given[0] == 0)
    return entry.bytes;
  uint64_t sampleBytes = entry.bytes.size() / given[0];
  return entry.bytes.slice(*firstSample * sampleBytes, wanted[0] * sampleBytes);
}

/// The value of the subject's type in the file.
static FailureOr<Tensor> load(const Subject &subject, const SafetensorsFile::Entry &entry,
                              std::optional<int64_t> firstSample = std::nullopt) {
  FailureOr<ArrayRef<char>> bytes = selectBytes(subject, entry, firstSample);
  return failed(bytes) ? FailureOr<Tensor>(failure()) : convert(subject, entry, *bytes);
}

FailureOr<SmallVector<Tensor>> loadArguments(func::FuncOp function, const SafetensorsFile &file,
                                             std::optional<int64_t> firstSample) {
  std::string missing;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (std::string name = argumentName(function, i); !file.find(name))
      missing += (missing.empty() ? "'" : ", '") + name + "'";
  if (!missing.empty())
    return emitFunctionError(function)
           << "takes inputs that '" << file.path() << "' does not have: " << missing;
  SmallVector<Tensor> args;
  for (auto [i, argumentType] : llvm::enumerate(function.getArgumentTypes())) {
    std::string name = argumentName(function, i);
    const SafetensorsFile::Entry &entry = *file.find(name);
    auto type = dyn_cast<RankedTensorType>(argumentType);
    if (!type || !canHold(type))
      return emitFunctionError(function)
             << "takes '" << name << "' as " << argumentType << ", which no file can hold";
    FailureOr<Tensor> tensor = load({function, "takes", name, type}, entry, firstSample);
    if (failed(tensor))
      return failure();
    args.push_back(*tensor);
  }
  return args;
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

/// |result - golden| / |golden|, absolute where the golden is zero; NaN only equals NaN.
static double relativeError(const Tensor &result, const Tensor &golden) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < result.size(); ++i) {
    double a = result.at(i), b = golden.at(i);
    if (a == b || (std::isnan(a) && std::isnan(b)))
      difference += 0;
    else if (!std::isfinite(a) || !std::isfinite(b))
      return std::numeric_limits<double>::infinity();
    else
      difference += (a - b) * (a - b);
    if (std::isfinite(b))
      norm += b * b;
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

static LogicalResult compareOne(func::FuncOp function, StringRef name, const Tensor &result,
                                const Tensor &golden, double tolerance, raw_ostream &os) {
  if (!result.isFloat()) {
    int64_t different = 0;
    for (int64_t i = 0; i < result.size(); ++i)
      different += result.intAt(i) != golden.intAt(i);
    os << name << ": " << different << " of " << result.size() << " elements differ\n";
    if (different)
      return emitFunctionError(function)
             << "result '" << name << "' differs from its golden in " << different << " elements";
    return success();
  }
  double error = relativeError(result, golden);
  os << name << ": relative error " << llvm::format("%.3g", error) << "\n";
  if (!(error <= tolerance))
    return emitFunctionError(function)
           << "result '" << name << "' differs from its golden by " << error
           << " in relative L2 norm, expected " << tolerance << " or less";
  return success();
}

LogicalResult compareResults(func::FuncOp function, ArrayRef<Tensor> results,
                             const SafetensorsFile &golden, double tolerance, raw_ostream &os) {
  llvm::StringMap<unsigned> positions;
  for (unsigned i = 0; i < results.size(); ++i)
    positions[resultName(function, i)] = i;
  bool same = true;
  for (const auto &[name, entry] : golden.entries()) {
    auto found = positions.find(name);
    if (found == positions.end()) {
      emitFunctionError(function) << "has no result '" << name << "', which '" << golden.path()
                                  << "' has";
      same = false;
      continue;
    }
    unsigned i = found->second;
    const Tensor &result = results[i];
    auto type = RankedTensorType::get(result.shape(), result.isFloat()
                                                          ? Float64Type::get(function.getContext())
                                                          : result.elementType());
    FailureOr<Tensor> expected = load({function, "gives", name, type}, entry);
    if (failed(expected) || failed(compareOne(function, name, result, *expected, tolerance, os)))
      same = false;
  }
  if (golden.entries().empty())
    return emitFunctionError(function)
           << "has nothing to compare with: '" << golden.path() << "' holds no tensor";
  return success(same);
}

} // namespace bigmac::interpreter
