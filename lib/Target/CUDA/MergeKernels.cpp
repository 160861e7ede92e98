//===- MergeKernels.cpp - The cuda-merge-kernels pass ----------------------===//

#include "bigmac/Target/CUDAPasses.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/StringMap.h"

namespace bigmac {
#define GEN_PASS_DEF_CUDAMERGEKERNELS
#include "bigmac/Target/CUDAPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

/// The kernel's text without its name.
std::string textOf(gpu::GPUFuncOp kernel) {
  std::string name = kernel.getName().str(), text;
  kernel.setName("kernel");
  llvm::raw_string_ostream os(text);
  kernel->print(os, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs(-1));
  kernel.setName(name);
  return text;
}

struct CUDAMergeKernels : bigmac::impl::CUDAMergeKernelsBase<CUDAMergeKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto kernels : module.getOps<gpu::GPUModuleOp>()) {
      llvm::StringMap<gpu::GPUFuncOp> first;
      llvm::StringMap<SymbolRefAttr> renamed;
      for (auto kernel : llvm::make_early_inc_range(kernels.getOps<gpu::GPUFuncOp>())) {
        auto [it, isNew] = first.try_emplace(textOf(kernel), kernel);
        if (isNew)
          continue;
        renamed[kernel.getName()] = SymbolRefAttr::get(
            kernels.getNameAttr(), {FlatSymbolRefAttr::get(it->second.getNameAttr())});
        kernel.erase();
      }
      module.walk([&](gpu::LaunchFuncOp launch) {
        if (launch.getKernelModuleName() != kernels.getNameAttr())
          return;
        auto it = renamed.find(launch.getKernelName());
        if (it != renamed.end())
          launch.setKernelAttr(it->second);
      });
    }
  }
};

} // namespace
