//===- NodeTests.cpp - ONNX's own node tests -------------------------------===//
//
//   bigmac-onnx-node-tests DATA EXPECTED [NAME...]
//
// Runs the tests in the folders of DATA (Debian's libonnx-testdata): each has a model and sets of
// inputs and outputs. A model is imported and run by the reference interpreter. What a compiler for
// static shapes needs at compile time, such as the shape of a Reshape, is an input in these tests:
// where the import fails, integer and boolean inputs, then all inputs, become initializers. A test
// of an opset before 13 is of an op that did not change until 13, so it is run as one of 13.
//
// EXPECTED lists the tests that fail, by a glob and a reason a line. A failure that is not listed,
// a listed test that passes, and a line that fits no failure are errors.
//
//===----------------------------------------------------------------------===//

#include "bigmac/Import/ONNX.h"
#include "bigmac/Interpreter/Interpreter.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <set>

using namespace mlir;
using namespace bigmac;
using bigmac::interpreter::Tensor;
namespace fs = llvm::sys::fs;

namespace {

struct Expectation {
  std::string text, reason;
  llvm::GlobPattern glob;
  bool used = false;
};

/// A field of protobuf's wire format whose content is bytes.
std::string field(unsigned number, StringRef bytes) {
  std::string out;
  auto varint = [&](uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  };
  varint(uint64_t(number) << 3 | 2);
  varint(bytes.size());
  return out + bytes.str();
}

constexpr unsigned kModelOpset = 8, kModelGraph = 7, kGraphInitializer = 5, kTensorName = 8;

std::optional<std::string> readFile(const Twine &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return std::nullopt;
  return (*buffer)->getBuffer().str();
}

constexpr char kOtherShape[] = "an input has another shape than the model's";

class Runner {
public:
  explicit Runner(StringRef scratch) : model((scratch + "/model.onnx").str()) {}

  /// The reason why a test fails; empty where it passes.
  std::string run(const Twine &folder);

private:
  OwningOpRef<ModuleOp> import(MLIRContext &context, StringRef bytes);
  std::optional<Tensor> readTensor(MLIRContext &context, StringRef bytes);
  std::string runSet(const std::string &bytes, const Twine &set);
  std::string check(ModuleOp module, const Twine &set, ArrayRef<std::string> inputs);

  std::string model;
  std::string diagnostics;
};

} // namespace

/// Writes a model and imports it. Nothing is trained: every initializer keeps its value.
OwningOpRef<ModuleOp> Runner::import(MLIRContext &context, StringRef bytes) {
  std::error_code code;
  llvm::raw_fd_ostream file(model, code);
  file << bytes;
  file.close();
  ONNXImportOptions options;
  options.requireLoss = false;
  return importONNX(context, model, options);
}

/// A serialized TensorProto, read as an initializer that is an output.
std::optional<Tensor> Runner::readTensor(MLIRContext &context, StringRef bytes) {
  std::string named = bytes.str() + field(kTensorName, "t");
  std::string valueInfo = field(1, "t");
  std::string graph = field(kGraphInitializer, named) + field(12, valueInfo);
  std::string opset = {0x10, 18};
  std::string bytesOfModel =
      std::string({0x08, 8}) + field(kModelOpset, opset) + field(kModelGraph, graph);
  OwningOpRef<ModuleOp> module = import(context, bytesOfModel);
  if (!module)
    return std::nullopt;
  auto function = cast<func::FuncOp>(module->lookupSymbol("main"));
  auto results = interpreter::interpret(function, {});
  if (failed(results))
    return std::nullopt;
  return results->front();
}

static bool isClose(double found, double expected, Type type) {
  if (std::isnan(expected) || std::isinf(expected))
    return std::isnan(expected) ? std::isnan(found) : found == expected;
  double relative = type.isF16() || type.isBF16() ? 1e-2 : 1e-3;
  return std::abs(found - expected) <= relative * std::abs(expected) + 1e-6;
}

static std::string compare(const Tensor &found, const Tensor &expected) {
  if (found.shape() != expected.shape() || found.elementType() != expected.elementType()) {
    std::string text;
    llvm::raw_string_ostream os(text);
    os << "gives " << RankedTensorType::get(found.shape(), found.elementType()) << ", expected "
       << RankedTensorType::get(expected.shape(), expected.elementType());
    return text;
  }
  for (int64_t i = 0; i < found.size(); ++i) {
    bool same = found.isFloat() ? isClose(found.at(i), expected.at(i), expected.elementType())
                                : found.intAt(i) == expected.intAt(i);
    if (same)
      continue;
    std::string text;
    llvm::raw_string_ostream os(text);
    os << "element " << i << " is ";
    if (found.isFloat())
      os << found.at(i) << ", expected " << expected.at(i);
    else
      os << found.intAt(i) << ", expected " << expected.intAt(i);
    return text;
  }
  return "";
}

/// Runs an imported model on the inputs that are its arguments.
std::string Runner::check(ModuleOp module, const Twine &set, ArrayRef<std::string> inputs) {
  MLIRContext &context = *module.getContext();
  auto function = cast<func::FuncOp>(module.lookupSymbol("main"));
  if (function.getNumArguments() > inputs.size())
    return "the test has fewer inputs than the model";
  SmallVector<Tensor> arguments;
  // Inputs that became initializers are no arguments: the others are in order.
  SmallVector<std::string> names;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    names.push_back(cast<StringAttr>(function.getArgAttr(i, nn::kNameAttr)).str());
  size_t next = 0;
  for (const std::string &input : inputs) {
    if (next == names.size())
      break;
    std::optional<Tensor> tensor = readTensor(context, input);
    if (!tensor)
      return "an input cannot be read";
    auto type = cast<RankedTensorType>(function.getArgumentTypes()[next]);
    // An input whose name is not known is told apart by its type.
    if (inputs.size() != names.size() &&
        (type.getShape() != tensor->shape() || type.getElementType() != tensor->elementType()))
      continue;
    if (type.getShape() != tensor->shape())
      return kOtherShape;
    arguments.push_back(*tensor);
    ++next;
  }
  if (arguments.size() != names.size())
    return "the test has too few inputs for the model";
  auto results = interpreter::interpret(function, arguments);
  if (failed(results))
    return "cannot be run: " + diagnostics;
  for (unsigned i = 0; i < results->size(); ++i) {
    std::optional<std::string> golden = readFile(set + "/output_" + Twine(i) + ".pb");
    std::optional<Tensor> expected = golden ? readTensor(context, *golden) : std::nullopt;
    if (!expected)
      return "an expected output cannot be read";
    if (std::string reason = compare((*results)[i], *expected); !reason.empty())
      return "output " + std::to_string(i) + ": " + reason;
  }
  return "";
}

std::string Runner::runSet(const std::string &bytes, const Twine &set) {
  SmallVector<std::string> inputs;
  while (auto input = readFile(set + "/input_" + Twine(inputs.size()) + ".pb"))
    inputs.push_back(*input);
  enum { AllArguments, IntegersBound, AllBound };
  std::string reason;
  for (int binding : {AllArguments, IntegersBound, AllBound}) {
    MLIRContext context;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      if (diagnostics.empty()) {
        llvm::raw_string_ostream os(diagnostics);
        os << diagnostic;
        for (Diagnostic &note : diagnostic.getNotes())
          os << " | " << note;
      }
      return success();
    });
    context.loadDialect<nn::NNDialect>();
    std::string bound = bytes;
    for (const std::string &input : inputs) {
      diagnostics.clear();
      bool bind = binding == AllBound;
      if (binding == IntegersBound) {
        std::optional<Tensor> tensor = readTensor(context, input);
        bind = tensor && !tensor->isFloat();
      }
      // The tensor has its input's name; a second graph field is merged into the first.
      if (bind)
        bound += field(kModelGraph, field(kGraphInitializer, input));
    }
    diagnostics.clear();
    OwningOpRef<ModuleOp> module = import(context, bound);
    if (!module && StringRef(diagnostics).starts_with("the model uses opset")) {
      diagnostics.clear();
      module = import(context, bound + field(kModelOpset, std::string({0x10, 13})));
    }
    if (!module) {
      reason = "cannot be imported: " + diagnostics;
      continue;
    }
    if (std::string why = check(*module, set, inputs); !why.empty()) {
      // Some models declare another shape than their data has.
      if (why != kOtherShape || binding == AllBound)
        return why;
      continue;
    }
    // Raised forms mean the same.
    PassManager passes(&context);
    nn::buildRaisePipeline(passes);
    diagnostics.clear();
    if (failed(passes.run(*module)))
      return "cannot be raised: " + diagnostics;
    std::string why = check(*module, set, inputs);
    return why.empty() ? why : "after raising: " + why;
  }
  return reason;
}

std::string Runner::run(const Twine &folder) {
  std::optional<std::string> bytes = readFile(folder + "/model.onnx");
  if (!bytes)
    return "has no model";
  for (unsigned set = 0;; ++set) {
    std::string path = (folder + "/test_data_set_" + Twine(set)).str();
    if (!fs::is_directory(path))
      return set ? "" : "has no data";
    if (std::string reason = runSet(*bytes, path); !reason.empty())
      return reason;
  }
}

/// `text` receives the file, to which the globs refer.
static bool readExpectations(StringRef path, std::optional<std::string> &text,
                             std::vector<Expectation> &expectations) {
  text = readFile(path);
  if (!text) {
    llvm::errs() << "error: cannot read " << path << "\n";
    return false;
  }
  SmallVector<StringRef> lines;
  StringRef(*text).split(lines, '\n');
  for (StringRef line : lines) {
    line = line.split('#').first.trim();
    if (line.empty())
      continue;
    auto [pattern, reason] = line.split(' ');
    llvm::Expected<llvm::GlobPattern> glob = llvm::GlobPattern::create(pattern);
    if (!glob || reason.trim().empty()) {
      llvm::errs() << "error: " << path << ": expected a glob and a reason: " << line << "\n";
      llvm::consumeError(glob.takeError());
      return false;
    }
    expectations.push_back({pattern.str(), reason.trim().str(), std::move(*glob)});
  }
  return true;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    llvm::errs() << "usage: bigmac-onnx-node-tests DATA EXPECTED [NAME...]\n";
    return 2;
  }
  std::optional<std::string> text;
  std::vector<Expectation> expectations;
  if (!readExpectations(argv[2], text, expectations))
    return 2;
  std::set<std::string> wanted(argv + 3, argv + argc), names;
  std::error_code code;
  for (fs::directory_iterator it(argv[1], code), end; it != end && !code; it.increment(code))
    if (fs::is_directory(it->path()))
      names.insert(llvm::sys::path::filename(it->path()).str());
  SmallString<128> scratch;
  if (fs::createUniqueDirectory("bigmac-node-tests", scratch)) {
    llvm::errs() << "error: cannot make a folder for temporary files\n";
    return 2;
  }
  Runner runner(scratch);
  unsigned passed = 0, expected = 0, wrong = 0;
  for (const std::string &name : names) {
    if (!wanted.empty() && !wanted.count(name))
      continue;
    std::string reason = runner.run(Twine(argv[1]) + "/" + name);
    Expectation *listed = nullptr;
    for (Expectation &expectation : expectations)
      if (expectation.glob.match(name))
        listed = &expectation;
    if (reason.empty() == !listed) {
      ++(listed ? expected : passed);
      if (listed)
        listed->used = true;
      continue;
    }
    ++wrong;
    if (listed)
      llvm::outs() << name << ": passes, but is listed to fail (" << listed->text << ")\n";
    else
      llvm::outs() << name << ": " << reason << "\n";
  }
  for (const Expectation &expectation : expectations)
    if (!expectation.used && wanted.empty()) {
      llvm::outs() << expectation.text << ": fits no test that fails\n";
      ++wrong;
    }
  (void)fs::remove_directories(scratch);
  llvm::outs() << passed << " node tests pass, " << expected << " fail as listed, " << wrong
               << " are wrong\n";
  return wrong || passed == 0 ? 1 : 0;
}
