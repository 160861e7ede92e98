//===- bigmac-interpret.cpp - Runs tensor-level IR by the reference rules --===//

#include "bigmac/AutoDiff/VJPModels.h"
#include "bigmac/Interpreter/GradientCheck.h"
#include "bigmac/Interpreter/NamedTensors.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::interpreter;
namespace cl = llvm::cl;

static cl::OptionCategory category("bigmac-interpret options");

static cl::opt<std::string> inputFile(cl::Positional, cl::desc("FILE.mlir"), cl::init("-"),
                                      cl::cat(category));
static cl::list<std::string> entries("entry", cl::CommaSeparated, cl::value_desc("name,..."),
                                     cl::desc("Functions to run (main)"), cl::cat(category));
static cl::opt<bool> all("all", cl::desc("Run every public function, in order"), cl::cat(category));
static cl::opt<std::string>
    inputs("inputs", cl::value_desc("file.safetensors"),
           cl::desc("Arguments by their nn.name (without one: arg0, arg1, ...)"),
           cl::cat(category));
static cl::opt<int64_t> sample("sample", cl::init(0), cl::value_desc("n"),
                               cl::desc("The tensors of --inputs are samples along their first "
                                        "dimension: take them from the n-th on"),
                               cl::cat(category));
static cl::opt<std::string> externalRoot(
    "external-root", cl::value_desc("folder"),
    cl::desc("Where relative file names of #nn.external are looked up (the current folder)"),
    cl::cat(category));
static cl::opt<bool> float64("float64",
                             cl::desc("Compute in double without rounding to element types"),
                             cl::cat(category));
static cl::opt<bool> print("print",
                           cl::desc("Print the results (the default when nothing else is "
                                    "asked for)"),
                           cl::cat(category));
static cl::opt<int> digits("digits", cl::init(0), cl::value_desc("n"),
                           cl::desc("Print floats with n significant digits (0: as many as name "
                                    "the number)"),
                           cl::cat(category));
static cl::opt<std::string> compare("compare", cl::value_desc("file.safetensors"),
                                    cl::desc("Compare the results with tensors of their names; "
                                             "the exit status is 1 where one differs"),
                                    cl::cat(category));
static cl::opt<double> tolerance("tolerance", cl::value_desc("x"),
                                 cl::desc("Accepted relative error of --compare (1e-5) and "
                                          "--check-gradient (1e-7)"),
                                 cl::cat(category));
static cl::opt<bool> checkGradients("check-gradient",
                                    cl::desc("Check the derivative rules against central "
                                             "differences; without --inputs at random arguments"),
                                    cl::cat(category));
static cl::opt<uint64_t> seed("seed", cl::init(0), cl::desc("Of --check-gradient's numbers"),
                              cl::cat(category));
static cl::opt<double> low("low", cl::init(-1.0), cl::desc("Lowest random float (-1)"),
                           cl::cat(category));
static cl::opt<double> high("high", cl::init(1.0), cl::desc("Highest random float (1)"),
                            cl::cat(category));
static cl::opt<int64_t> integers("integers", cl::init(2),
                                 cl::desc("Random integers are below this (2)"), cl::cat(category));
static cl::opt<int64_t>
    samples("samples", cl::init(64),
            cl::desc("Elements of each value whose derivatives are checked (64)"),
            cl::cat(category));
static cl::opt<double> step("step", cl::init(1e-4), cl::desc("Of the differences (1e-4)"),
                            cl::cat(category));

static LogicalResult reportError(llvm::Error error) {
  llvm::errs() << "bigmac-interpret: error: " << llvm::toString(std::move(error)) << "\n";
  return failure();
}

static LogicalResult reportError(const llvm::Twine &message) {
  llvm::errs() << "bigmac-interpret: error: " << message << "\n";
  return failure();
}

static FailureOr<SmallVector<Tensor>> readArguments(func::FuncOp function) {
  if (!inputs.empty()) {
    llvm::Expected<SafetensorsFile> file = SafetensorsFile::open(inputs);
    if (!file)
      return reportError(file.takeError());
    bool hasSamples = sample.getNumOccurrences() > 0;
    return loadArguments(function, *file,
                         hasSamples ? std::optional<int64_t>(sample) : std::nullopt);
  }
  SmallVector<Tensor> args;
  if (function.getNumArguments() && !checkGradients)
    return emitFunctionError(function) << "takes arguments; give them with --inputs";
  RandomValues random(seed);
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    if (!canHold(type))
      return emitFunctionError(function) << "takes argument " << i << " of type " << type
                                         << ", for which there are no random values";
    args.push_back(random.draw(type, low, high, integers));
  }
  return args;
}

static LogicalResult checkGradientOf(func::FuncOp function, ArrayRef<Tensor> args,
                                     const InterpreterOptions &options) {
  GradientCheckOptions checkOptions;
  checkOptions.seed = seed;
  checkOptions.step = step;
  checkOptions.samples = samples;
  if (tolerance.getNumOccurrences())
    checkOptions.tolerance = tolerance;
  checkOptions.interpreter = options;
  auto checked = checkGradient(function, args, checkOptions);
  if (failed(checked))
    return failure();
  for (const GradientCheckEntry &entry : *checked)
    llvm::outs() << entry.name << ": " << entry.checked << " derivatives, largest error "
                 << llvm::format("%.1e", entry.largestError) << "\n";
  return success();
}

static LogicalResult runFunction(func::FuncOp function, const InterpreterOptions &options) {
  FailureOr<SmallVector<Tensor>> args = readArguments(function);
  if (failed(args))
    return failure();
  if (checkGradients)
    return checkGradientOf(function, *args, options);
  FailureOr<SmallVector<Tensor>> results = interpret(function, *args, options);
  if (failed(results))
    return failure();
  if (print || compare.empty())
    for (auto [i, result] : llvm::enumerate(*results)) {
      llvm::outs() << resultName(function, i) << ": ";
      result.print(llvm::outs(), digits);
      llvm::outs() << "\n";
    }
  if (compare.empty())
    return success();
  llvm::Expected<SafetensorsFile> golden = SafetensorsFile::open(compare);
  if (!golden)
    return reportError(golden.takeError());
  double accepted = tolerance.getNumOccurrences() ? tolerance.getValue() : 1e-5;
  return compareResults(function, *results, *golden, accepted, llvm::outs());
}

static FailureOr<SmallVector<func::FuncOp>> findFunctions(ModuleOp module) {
  SmallVector<func::FuncOp> functions;
  if (all) {
    for (auto function : module.getOps<func::FuncOp>())
      if (function.isPublic())
        functions.push_back(function);
    if (functions.empty())
      return reportError("'" + inputFile + "' has no public function");
    return functions;
  }
  SmallVector<std::string> names(entries.begin(), entries.end());
  if (names.empty())
    names.push_back("main");
  for (const std::string &name : names) {
    auto function = module.lookupSymbol<func::FuncOp>(name);
    if (!function)
      return reportError("'" + inputFile + "' has no function '" + name +
                         "'; name one with --entry");
    functions.push_back(function);
  }
  return functions;
}

static LogicalResult run() {
  if (samples < 1)
    return reportError("--samples=" + llvm::Twine(samples) + " checks nothing; expected 1 or more");
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(inputFile, &message);
  if (!buffer)
    return reportError(message);
  DialectRegistry registry;
  registry.insert<arith::ArithDialect, func::FuncDialect, math::MathDialect, nn::NNDialect,
                  tensor::TensorDialect>();
  registerVJPModels(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  auto sources = std::make_shared<llvm::SourceMgr>();
  sources->AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  SourceMgrDiagnosticHandler handler(*sources, &context);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
  if (!module)
    return failure();
  FailureOr<SmallVector<func::FuncOp>> functions = findFunctions(*module);
  if (failed(functions))
    return failure();

  InterpreterOptions options;
  options.float64 = float64;
  options.externalRoot = externalRoot;
  bool failedAny = false;
  for (func::FuncOp function : *functions) {
    if (functions->size() > 1)
      llvm::outs() << "@" << function.getName() << "\n";
    failedAny |= failed(runFunction(function, options));
  }
  return failure(failedAny);
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(
      argc, argv, "Runs functions of nn, arith, math and tensor ops by BigMac's reference rules\n");
  return failed(run()) ? 1 : 0;
}
