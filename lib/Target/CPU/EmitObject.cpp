//===- EmitObject.cpp - LLVM dialect to an object file ---------------------===//

#include "EmitObject.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

using namespace mlir;
using namespace bigmac;

static std::unique_ptr<llvm::TargetMachine> createMachine(ModuleOp module,
                                                          const CPUOptions &options) {
  static bool isInitialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)isInitialized;
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    module.emitError("has no code generator for ") << triple.str() << ": " << error;
    return nullptr;
  }
  std::string cpu = options.cpu, features;
  if (cpu == "native") {
    cpu = llvm::sys::getHostCPUName().str();
    // Sorted: the map's order is not that of names.
    llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
    std::vector<std::string> names;
    for (const auto &feature : host)
      names.push_back((feature.second ? "+" : "-") + feature.first().str());
    llvm::sort(names, [](StringRef a, StringRef b) { return a.drop_front() < b.drop_front(); });
    features = llvm::join(names, ",");
  }
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(target->createMCSubtargetInfo(triple, "", ""));
  if (!subtarget->isCPUStringValid(cpu)) {
    module.emitError("cannot compile for cpu '")
        << cpu << "', which LLVM does not know for " << triple.str()
        << "; expected native or a name as of clang's -march, such as x86-64-v3";
    return nullptr;
  }
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, cpu, features, llvm::TargetOptions(), llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.LoopInterleaving = true;
  tuning.SLPVectorization = true;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

static void optimizeFor(llvm::Module &module, llvm::TargetMachine &machine) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  optimize(module, machine);
}

static std::unique_ptr<llvm::Module> translate(ModuleOp module, llvm::LLVMContext &context) {
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  module.getContext()->appendDialectRegistry(registry);
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(module, context, "tasks");
  // Symbols of the IR, not where it was read from.
  if (result)
    result->setSourceFileName("tasks");
  return result;
}

LogicalResult bigmac::printLLVMForCPU(ModuleOp lowered, const CPUOptions &options,
                                      llvm::raw_ostream &os) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(lowered, options);
  llvm::LLVMContext context;
  if (!machine)
    return failure();
  std::unique_ptr<llvm::Module> module = translate(lowered, context);
  if (!module)
    return failure();
  optimizeFor(*module, *machine);
  module->print(os, nullptr);
  return success();
}

LogicalResult bigmac::emitObject(ModuleOp lowered, const CPUOptions &options, StringRef path) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = translate(lowered, context);
  return module ? emitObject(lowered, *module, options, path) : failure();
}

LogicalResult bigmac::emitObject(ModuleOp lowered, llvm::Module &module, const CPUOptions &options,
                                 StringRef path) {
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(lowered, options);
  if (!machine)
    return failure();
  optimizeFor(module, *machine);
  SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return lowered.emitError("cannot be written as an object file for ")
           << machine->getTargetTriple().str();
  passes.run(module);
  // Written beside and renamed: the file is whole or absent.
  llvm::Error error = llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
    os.write(bytes.data(), bytes.size());
    return llvm::Error::success();
  });
  if (error)
    return lowered.emitError("cannot write '") << path << "': " << llvm::toString(std::move(error));
  return success();
}
