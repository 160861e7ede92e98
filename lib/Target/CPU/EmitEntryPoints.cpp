//===- EmitEntryPoints.cpp - The cpu-emit-entry-points pass ----------------===//

#include "bigmac/Target/CPUPasses.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/SymbolTable.h"

namespace bigmac {
#define GEN_PASS_DEF_CPUEMITENTRYPOINTS
#include "bigmac/Target/CPUPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

void emitEntryPoint(LLVM::LLVMFuncOp body) {
  MLIRContext *context = body.getContext();
  Location loc = body.getLoc();
  OpBuilder builder(body);
  Type pointer = LLVM::LLVMPointerType::get(context);
  std::string name = body.getName().str();
  body.setName(name + ".body");
  body.setLinkage(LLVM::Linkage::Internal);

  auto entry = LLVM::LLVMFuncOp::create(
      builder, loc, name, LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), pointer));
  Block *block = entry.addEntryBlock(builder);
  builder.setInsertionPointToStart(block);
  SmallVector<Value> arguments;
  for (unsigned i = 0, e = body.getNumArguments(); i < e; ++i) {
    Value slot = LLVM::GEPOp::create(builder, loc, pointer, pointer, block->getArgument(0),
                                     ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
    arguments.push_back(LLVM::LoadOp::create(builder, loc, pointer, slot));
  }
  LLVM::CallOp::create(builder, loc, body, arguments);
  LLVM::ReturnOp::create(builder, loc, ValueRange());
}

struct CPUEmitEntryPoints : bigmac::impl::CPUEmitEntryPointsBase<CPUEmitEntryPoints> {
  void runOnOperation() override {
    WalkResult lowered = getOperation()->walk([&](Operation *op) {
      if (op == getOperation() || isa_and_nonnull<LLVM::LLVMDialect>(op->getDialect()))
        return WalkResult::advance();
      op->emitOpError("was not lowered to the LLVM dialect");
      return WalkResult::interrupt();
    });
    if (lowered.wasInterrupted())
      return signalPassFailure();
    for (auto function : llvm::to_vector(getOperation().getOps<LLVM::LLVMFuncOp>())) {
      if (function.isExternal())
        continue;
      if (SymbolTable::getSymbolVisibility(function) == SymbolTable::Visibility::Public) {
        emitEntryPoint(function);
        continue;
      }
      // Inlined into its caller a kernel would lose what its arguments say of aliasing.
      function.setLinkage(LLVM::Linkage::Internal);
      function.setNoInline(true);
    }
    // Does not return, and is cold: code before it need not be ready for what it might do.
    if (auto function = getOperation().lookupSymbol<LLVM::LLVMFuncOp>("bm_index_error")) {
      Builder builder(&getContext());
      function.setPassthroughAttr(builder.getStrArrayAttr({"noreturn", "cold", "nounwind"}));
    }
  }
};

} // namespace
