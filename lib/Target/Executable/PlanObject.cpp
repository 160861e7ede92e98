//===- PlanObject.cpp - The plan image and the task table as an object -----===//

#include "bigmac/Target/Executable.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace bigmac;

LogicalResult bigmac::writePlanObject(ModuleOp module, ArrayRef<unsigned char> image,
                                      StringRef objectPath) {
  llvm::LLVMContext context;
  llvm::Module object("bigmac-plan", context);
  auto define = [&](StringRef name, llvm::Constant *value, unsigned alignment) {
    auto *global = new llvm::GlobalVariable(object, value->getType(), /*isConstant=*/true,
                                            llvm::GlobalValue::ExternalLinkage, value, name);
    global->setAlignment(llvm::Align(alignment));
  };
  llvm::Type *i64 = llvm::Type::getInt64Ty(context);
  define("bm_plan_image", llvm::ConstantDataArray::get(context, image), 64);
  define("bm_plan_image_size", llvm::ConstantInt::get(i64, image.size()), 8);

  llvm::Type *pointer = llvm::PointerType::getUnqual(context);
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), {pointer}, false);
  SmallVector<llvm::Constant *> tasks;
  for (auto program : module.getOps<rt::ProgramOp>())
    for (auto task : program.getBody()->getOps<rt::TaskOp>())
      tasks.push_back(llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage,
                                             task.getCallee(), object));
  uint64_t count = tasks.size();
  define("bm_task_table", llvm::ConstantArray::get(llvm::ArrayType::get(pointer, count), tasks), 8);
  define("bm_task_count", llvm::ConstantInt::get(i64, count), 8);

  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return module.emitError("no code generator for ") << triple.str() << ": " << error;
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, "x86-64", "", {}, llvm::Reloc::PIC_));
  object.setTargetTriple(triple);
  object.setDataLayout(machine->createDataLayout());
  std::error_code code;
  llvm::raw_fd_ostream os(objectPath, code);
  if (code)
    return module.emitError("cannot write '") << objectPath << "': " << code.message();
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, os, nullptr, llvm::CodeGenFileType::ObjectFile))
    return module.emitError("the code generator cannot write object files");
  passes.run(object);
  os.flush();
  if (os.has_error()) {
    auto diagnostic = module.emitError("cannot write '")
                      << objectPath << "': " << os.error().message();
    os.clear_error();
    return diagnostic;
  }
  return success();
}
