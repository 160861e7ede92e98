//===- CompileCommand.cpp - The compiler's command line --------------------===//

#include "CompileCommand.h"

#include "CommandLine.h"
#include "bigmac/Import/ONNX.h"
#include "bigmac/Pipelines/Auto.h"
#include "bigmac/Target/CUDA.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace bigmac;

/// Of --auto's table, of those that can be chosen and of the rejected ones.
static constexpr size_t kMostRows = 20;

bool bigmac::wantsCompiler(int argc, char **argv) { return isCompilerCommandLine(argc, argv); }

static LogicalResult fail(const Twine &message) {
  llvm::errs() << "bigmac-opt: error: " << message << "\n";
  return failure();
}

/// What the command line may say but this version cannot do.
static LogicalResult checkSupported(const CommandLine &options) {
  if (options.target != "cpu" && options.target != "cuda")
    return fail("--target is '" + options.target + "', expected cpu or cuda");
  std::string missing;
  if (options.target == "cuda" && !hasCUDA(missing))
    return fail("--target=cuda: this compiler was built without " + missing +
                "; install it and build again, or use --target=cpu");
  if (options.precision == "fp32" && (options.master != "fp32" || options.grads != "fp32"))
    return fail("--master and --grads apply to --precision=bf16");
  if (!options.automatic && (options.world || options.globalBatch))
    return fail(
        "--world-size and --global-batch say what --auto arranges; without it give --ranks, "
        "--data-parallel and --microbatches");
  if (options.globalBatch && options.given.count("--microbatches"))
    return fail("--global-batch and --microbatches both say how much a step is; give one");
  if (!options.report.empty() && options.report != "-" &&
      !StringRef(options.report).ends_with(".json") &&
      !StringRef(options.report).ends_with(".html"))
    return fail("--report is '" + options.report + "', expected FILE.json, FILE.html or -");
  auto range = [](StringRef name, int64_t value, int64_t low, int64_t high) -> LogicalResult {
    if (value >= low && value <= high)
      return success();
    return fail(name + " is " + Twine(value) + ", expected " + Twine(low) + " to " + Twine(high));
  };
  if (failed(range("--ranks", options.ranks, 1, 65535)) ||
      failed(range("--chunks", options.chunks, 1, 65535)) ||
      failed(range("--data-parallel", options.replicas, 1, 65535)) ||
      failed(range("--microbatches", options.microbatches, 0, 1 << 30)) ||
      failed(range("--world-size", options.world, 0, 65535)) ||
      failed(range("--global-batch", options.globalBatch, 0, INT64_MAX)) ||
      failed(range("--effort", options.effort, 0, UINT32_MAX)) ||
      failed(range("--workspace", options.workspace, 0, INT64_MAX)) ||
      failed(range("--memory-limit", options.memoryLimit, 0, INT64_MAX)) ||
      failed(range("--host-limit", options.hostLimit, 0, INT64_MAX)))
    return failure();
  return success();
}

static FailureOr<ONNXImportOptions> importOptions(const CommandLine &options) {
  ONNXImportOptions result;
  for (const std::string &dim : options.dims) {
    auto [name, text] = StringRef(dim).split('=');
    int64_t value;
    if (name.empty() || text.getAsInteger(10, value) || value < 1)
      return fail("--dim is '" + dim + "', expected NAME=VALUE with a value of at least 1");
    result.dims.push_back({name.str(), value});
  }
  result.freeze = options.freeze;
  result.train = options.train;
  result.lossName = options.loss;
  return result;
}

static OwningOpRef<ModuleOp> readModule(MLIRContext &context, const CommandLine &options,
                                        llvm::SourceMgr &sources) {
  StringRef input = options.input;
  if (input.ends_with(".pt")) {
    (void)fail("'" + input +
               "' is TorchScript, whose importer is not built in this version; "
               "export the model to ONNX (examples/bigmac_export.py)");
    return nullptr;
  }
  if (input.ends_with(".onnx")) {
    FailureOr<ONNXImportOptions> import = importOptions(options);
    if (failed(import))
      return nullptr;
    std::vector<InitializerInfo> initializers;
    OwningOpRef<ModuleOp> module = importONNX(context, input, *import, &initializers);
    if (module && options.printParameters)
      printInitializers(initializers, llvm::errs());
    return module;
  }
  if (!options.dims.empty() || !options.freeze.empty() || !options.train.empty() ||
      !options.loss.empty() || options.printParameters) {
    (void)fail("--dim, --freeze, --train, --loss and --print-parameters apply to ONNX models");
    return nullptr;
  }
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(input, /*IsText=*/true);
  if (!buffer) {
    (void)fail("cannot read '" + input + "': " + buffer.getError().message());
    return nullptr;
  }
  sources.AddNewSourceBuffer(std::move(*buffer), llvm::SMLoc());
  return parseSourceFile<ModuleOp>(sources, &context);
}

/// Prints errors and warnings with the model's own node names.
static LogicalResult printDiagnostic(Diagnostic &diagnostic) {
  auto print = [](Diagnostic &d, StringRef kind) {
    llvm::errs() << "bigmac-opt: " << kind << ": " << d << "\n";
    if (!isa<UnknownLoc>(d.getLocation()))
      llvm::errs() << "  at " << d.getLocation() << "\n";
  };
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Error:
    print(diagnostic, "error");
    break;
  case DiagnosticSeverity::Warning:
    print(diagnostic, "warning");
    break;
  case DiagnosticSeverity::Note:
  case DiagnosticSeverity::Remark:
    print(diagnostic, "note");
    break;
  }
  for (Diagnostic &note : diagnostic.getNotes())
    print(note, "note");
  return success();
}

/// With locations: they carry the model's names, which later levels use.
static std::string printModule(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  flags.enableDebugInfo(true, /*prettyForm=*/false);
  module.print(os, flags);
  os << "\n";
  return text;
}

static LogicalResult checkRoundTrip(ModuleOp module) {
  std::string text = printModule(module);
  OwningOpRef<ModuleOp> read = parseSourceString<ModuleOp>(text, module.getContext());
  if (!read)
    return fail("the printed IR cannot be read");
  if (printModule(*read) != text)
    return fail("the IR read is not what was printed");
  return success();
}

static LogicalResult writeIR(ModuleOp module, Level level, const CompileOptions &compile,
                             bool roundTrip, StringRef output) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (level == Level::LLVM) {
    if (failed(printLLVM(module, compile, os)))
      return failure();
  } else {
    if (failed(lowerTo(module, level, compile)))
      return failure();
    if (roundTrip && failed(checkRoundTrip(module)))
      return failure();
    os << printModule(module);
  }
  std::error_code code;
  llvm::ToolOutputFile file(output.empty() ? "-" : output, code, llvm::sys::fs::OF_Text);
  if (code)
    return fail("cannot write '" + output + "': " + code.message());
  file.os() << text;
  file.keep();
  return success();
}

/// What changes the program, spelled in one way: equal compilations give equal bytes.
static std::string canonicalOptions(const CommandLine &options) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "--target=" << options.target << " --cpu=" << options.cpu << " --ranks=" << options.ranks
     << " --chunks=" << options.chunks << " --data-parallel=" << options.replicas
     << " --microbatches=" << options.microbatches << " --schedule=" << options.schedule
     << " --effort=" << options.effort << " --precision=" << options.precision;
  if (options.robust)
    os << " --robust";
  if (options.precision != "fp32")
    os << " --master=" << options.master << " --grads=" << options.grads;
  auto list = [&](StringRef name, const std::vector<std::string> &values) {
    for (const std::string &value : values)
      os << " " << name << "=" << value;
  };
  list("--dim", options.dims);
  list("--component", options.components);
  list("--freeze", options.freeze);
  list("--train", options.train);
  if (!options.loss.empty())
    os << " --loss=" << options.loss;
  if (!options.lossWeight.empty())
    os << " --loss-weight=" << options.lossWeight;
  if (options.device != "cpu")
    os << " --device=" << options.device;
  if (!options.profile.empty())
    os << " --profile=" << llvm::sys::path::filename(options.profile);
  if (options.memoryLimit)
    os << " --memory-limit=" << options.memoryLimit;
  if (options.packProjections != "auto")
    os << " --pack-projections=" << options.packProjections;
  if (options.epilogues != "auto")
    os << " --epilogues=" << options.epilogues;
  if (options.recompute != "auto")
    os << " --recompute=" << options.recompute;
  if (options.offload != "auto")
    os << " --offload=" << options.offload;
  if (options.hostLimit)
    os << " --host-limit=" << options.hostLimit;
  return text;
}

/// What --auto may choose. Without --world-size, ranks and replicas say how many devices there are.
static AutoOptions openOptions(const CommandLine &options) {
  AutoOptions open;
  open.world = options.world ? options.world : options.ranks * options.replicas;
  auto given = [&](const char *name, int64_t value) {
    return options.given.count(name) ? std::optional(value) : std::nullopt;
  };
  open.chunks = given("--chunks", options.chunks);
  if (options.world) {
    open.ranks = given("--ranks", options.ranks);
    open.replicas = given("--data-parallel", options.replicas);
  }
  if (options.given.count("--schedule"))
    open.schedule = options.schedule;
  open.globalBatch = options.globalBatch;
  open.microbatches = options.microbatches ? options.microbatches * options.replicas : open.world;
  return open;
}

/// Chooses, prints the table, and takes the choice over into the command line.
static LogicalResult choose(ModuleOp module, CommandLine &options, CompileOptions &compile) {
  if (failed(chooseArrangement(module, compile, openOptions(options))))
    return failure();
  // IR that goes to standard output is not mixed with it.
  bool toFile = !options.output.empty() && options.output != "-" && options.report != "-";
  (toFile ? llvm::outs() : llvm::errs()) << planning::describeRanking(compile.ranking, kMostRows);
  options.ranks = compile.ranks;
  options.chunks = compile.chunks;
  options.replicas = compile.replicas;
  options.microbatches = compile.microbatches;
  options.schedule = compile.schedule;
  options.memoryLimit = compile.memoryLimit;
  return success();
}

static LogicalResult run(MLIRContext &context, CommandLine options, llvm::SourceMgr &sources) {
  if (failed(checkSupported(options)))
    return failure();
  if (!options.output.empty() && options.output != "-" &&
      llvm::sys::fs::equivalent(options.input, options.output))
    return fail("-o would write over the input '" + options.input + "'; give another file");
  OwningOpRef<ModuleOp> module = readModule(context, options, sources);
  if (!module || (options.verifyRoundTrip && failed(checkRoundTrip(*module))))
    return failure();

  CompileOptions compile;
  compile.target = options.target;
  compile.workspace = options.workspace;
  compile.ranks = options.ranks;
  compile.chunks = options.chunks;
  compile.replicas = options.replicas;
  compile.microbatches = options.microbatches;
  compile.schedule = options.schedule;
  compile.effort = options.effort;
  compile.robust = options.robust;
  compile.components = options.components;
  compile.lossWeight = options.lossWeight;
  compile.device =
      options.target == "cuda" && !options.given.count("--device") ? "h200" : options.device;
  compile.profile = options.profile;
  compile.memoryLimit = options.memoryLimit;
  compile.packProjections = options.packProjections;
  compile.epilogues = options.epilogues;
  compile.recompute = options.recompute;
  compile.offload = options.offload;
  compile.hostLimit = options.hostLimit;
  compile.precision = options.precision;
  compile.master = options.master;
  compile.grads = options.grads;
  compile.cpu = options.cpu;
  compile.cacheFolder = options.cacheFolder;
  compile.modelName = llvm::sys::path::stem(options.input).str();
  compile.report = options.report;
  compile.timing = options.timing;
  if (options.automatic && failed(choose(*module, options, compile)))
    return failure();
  compile.commandLine = canonicalOptions(options);

  Level target = Level::Import;
  if (!options.compileTo.empty())
    target = *parseLevel(options.compileTo);
  else if (!options.output.empty())
    target = Level::Executable;
  if (!options.report.empty() && target < Level::RT)
    return fail("--report has the bytes of a memory plan, which a program has from level rt on; "
                "found level " +
                levelName(target) + ": give -o alone, or --compile-to=rt");
  if (target == Level::Executable) {
    if (options.output.empty())
      return fail("--compile-to=exe needs -o FILE");
    return compileExecutable(*module, compile, options.output);
  }
  return writeIR(*module, target, compile, options.verifyRoundTrip, options.output);
}

int bigmac::compileMain(int argc, char **argv, DialectRegistry &registry) {
  int status = 0;
  std::optional<CommandLine> options = parseCommandLine(argc, argv, status);
  if (!options)
    return status;
  MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  llvm::SourceMgr sources;
  // MLIR text has lines to show; a model has node names.
  std::optional<SourceMgrDiagnosticHandler> sourceHandler;
  std::optional<ScopedDiagnosticHandler> nodeHandler;
  if (StringRef(options->input).ends_with(".onnx"))
    nodeHandler.emplace(&context, printDiagnostic);
  else
    sourceHandler.emplace(sources, &context, llvm::errs());
  return succeeded(run(context, *options, sources)) ? 0 : 1;
}
