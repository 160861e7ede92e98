//===- Bufferize.cpp - The cpu-bufferize pass ------------------------------===//

#include "bigmac/Target/CPUPasses.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Bufferize.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace bigmac {
#define GEN_PASS_DEF_CPUBUFFERIZE
#include "bigmac/Target/CPUPasses.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;

namespace {

struct CPUBufferize : bigmac::impl::CPUBufferizeBase<CPUBufferize> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    IRRewriter rewriter(module);
    // Results that end up in a part of another tensor are computed there.
    if (failed(bufferization::eliminateEmptyTensors(rewriter, module)))
      return signalPassFailure();

    RewritePatternSet patterns(&getContext());
    bufferization::populateEmptyTensorToAllocTensorPattern(patterns);
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return signalPassFailure();

    bufferization::OneShotBufferizationOptions options;
    // Allocations become offsets into a workspace: nothing has to be freed.
    options.allowUnknownOps = false;
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotBufferize(module, options, state)))
      return signalPassFailure();
  }
};

} // namespace
