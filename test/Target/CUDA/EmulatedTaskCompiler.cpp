//===- EmulatedTaskCompiler.cpp - Compiles tasks for emulated GPUs ---------===//
//
// The whole CUDA pipeline but its end: in place of device code, the LLVM IR of kernels becomes code
// of this CPU, whose threads are those of Emulator.h.
//
//===----------------------------------------------------------------------===//

#include "Emulator.h"

#include "bigmac-rt/cuda.h"
#include "bigmac/Target/CUDA.h"
#include "bigmac/Target/CUDAPasses.h"
#include "lib/Target/CPU/EmitObject.h"
#include "lib/Target/CPU/Pipeline.h"
#include "test/Target/CPU/TaskCompiler.h"
#include "test/Target/CPU/TaskRunner.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace bigmac;

namespace {

/// Makes a kernels' module one for the CPU.
class Retarget {
public:
  explicit Retarget(llvm::Module &module) : module(module), b(module.getContext()) {}

  LogicalResult run(Operation *kernels) {
    for (llvm::Function &function : llvm::make_early_inc_range(module)) {
      if (function.isDeclaration()) {
        if (function.getName().starts_with("llvm.nvvm.") && !replaceCalls(function))
          return kernels->emitError("has no emulation of ") << function.getName().str();
        continue;
      }
      // Their attributes are for another processor.
      function.setAttributes(llvm::AttributeList());
      if (function.getCallingConv() != llvm::CallingConv::PTX_Kernel)
        continue;
      function.setCallingConv(llvm::CallingConv::C);
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
      pack(function);
    }
    return success();
  }

private:
  llvm::FunctionCallee hook(StringRef name, ArrayRef<llvm::Type *> arguments, bool returns) {
    llvm::Type *type = returns ? static_cast<llvm::Type *>(b.getInt32Ty()) : b.getVoidTy();
    return module.getOrInsertFunction(name, llvm::FunctionType::get(type, arguments, false));
  }

  llvm::Value *emulate(llvm::CallInst &call, StringRef name) {
    if (name == "read.ptx.sreg.tid.x")
      return b.CreateCall(hook("bm_emulated_thread", {}, true));
    if (name == "read.ptx.sreg.ctaid.x")
      return b.CreateCall(hook("bm_emulated_block", {}, true));
    if (name.starts_with("barrier"))
      return b.CreateCall(hook("bm_emulated_barrier", {}, false));
    // (mask, value, lanes, clamp); with a predicate where the name ends in p.
    if (!name.consume_front("shfl.sync.bfly."))
      return nullptr;
    llvm::Value *value = call.getArgOperand(1);
    llvm::Type *type = value->getType();
    value = b.CreateCall(hook("bm_emulated_shuffle_xor", {b.getInt32Ty(), b.getInt32Ty()}, true),
                         {b.CreateBitCast(value, b.getInt32Ty()), call.getArgOperand(2)});
    value = b.CreateBitCast(value, type);
    if (!name.ends_with("p"))
      return value;
    llvm::Value *pair = b.CreateInsertValue(llvm::PoisonValue::get(call.getType()), value, 0);
    return b.CreateInsertValue(pair, b.getTrue(), 1);
  }

  bool replaceCalls(llvm::Function &intrinsic) {
    for (llvm::User *user : llvm::make_early_inc_range(intrinsic.users())) {
      auto *call = cast<llvm::CallInst>(user);
      b.SetInsertPoint(call);
      llvm::Value *value =
          emulate(*call, intrinsic.getName().drop_front(StringRef("llvm.nvvm.").size()));
      if (!value)
        return false;
      if (!call->getType()->isVoidTy())
        call->replaceAllUsesWith(value);
      call->eraseFromParent();
    }
    intrinsic.eraseFromParent();
    return true;
  }

  /// NAME.packed(addresses of arguments)
  void pack(llvm::Function &kernel) {
    llvm::Type *pointer = b.getPtrTy();
    auto *packed = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), {pointer}, false),
                                          llvm::GlobalValue::ExternalLinkage,
                                          kernel.getName() + ".packed", module);
    b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", packed));
    SmallVector<llvm::Value *> arguments;
    for (llvm::Argument &argument : kernel.args()) {
      llvm::Value *place = b.CreateConstGEP1_64(pointer, packed->getArg(0), argument.getArgNo());
      arguments.push_back(b.CreateLoad(argument.getType(), b.CreateLoad(pointer, place)));
    }
    b.CreateCall(&kernel, arguments);
    b.CreateRetVoid();
  }

  llvm::Module &module;
  llvm::IRBuilder<> b;
};

/// In place of device code, which host code must come with.
void replaceByBinary(gpu::GPUModuleOp kernels) {
  OpBuilder b(kernels);
  auto target = NVVM::NVVMTargetAttr::get(b.getContext());
  auto object =
      gpu::ObjectAttr::get(b.getContext(), target, gpu::CompilationTarget::Assembly,
                           b.getStringAttr("emulated"), DictionaryAttr(), gpu::KernelTableAttr());
  gpu::BinaryOp::create(b, kernels.getLoc(), kernels.getName(), Attribute(),
                        b.getArrayAttr({object}));
  kernels.erase();
}

} // namespace

void test::registerTaskDialects(DialectRegistry &registry) {
  registerCPUDialects(registry);
  registerCUDADialects(registry);
}

bool test::isForCPU() { return false; }

LogicalResult test::compileTasks(ModuleOp module, const std::string &cpu, const std::string &path,
                                 SmallVector<TaskInfo> &infos, SmallVector<std::string> &more) {
  PassManager toKernels(module.getContext());
  buildCUDATaskPipeline(toKernels, {.attention = true});
  buildCUDABufferPipeline(toKernels);
  if (failed(toKernels.run(module)))
    return failure();
  readWorkspaces(module, infos);
  PassManager toCode(module.getContext());
  buildCUDAKernelLLVMPipeline(toCode);
  if (failed(toCode.run(module)))
    return failure();
  for (auto kernels : llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>())) {
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(kernels, context, "kernels");
    if (!code || failed(Retarget(*code).run(kernels)))
      return failure();
    more.push_back(path + ".kernels.o");
    if (failed(emitObject(module, *code, CPUOptions{cpu}, more.back())))
      return failure();
    replaceByBinary(kernels);
  }
  PassManager toHost(module.getContext());
  toHost.addPass(createCUDAEmitHostCode());
  buildCPULLVMPipeline(toHost);
  if (failed(toHost.run(module)))
    return failure();
  return emitObject(module, CPUOptions{cpu}, path);
}
