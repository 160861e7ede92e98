//===- PipelineReportCosts.cpp - Says what each op costs -------------------===//

#include "OpCost.h"
#include "dialects/Pipeline/Transforms/CostModel.h"
#include "dialects/Pipeline/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FormatVariadic.h"

namespace bigmac::pipeline {
#define GEN_PASS_DEF_PIPELINEREPORTCOSTS
#include "dialects/Pipeline/Transforms/Passes.h.inc"
} // namespace bigmac::pipeline

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

namespace {
struct PipelineReportCostsPass
    : public pipeline::impl::PipelineReportCostsBase<PipelineReportCostsPass> {
  using Base::Base;
  void runOnOperation() override {
    FailureOr<CostModel> model = CostModel::load(getOperation(), device, /*profile=*/"");
    if (failed(model))
      return signalPassFailure();
    for (auto function : getOperation().getOps<func::FuncOp>())
      function.walk([&](Operation *op) {
        planning::Work work = workOf(op);
        if (op != function && work.kind != planning::WorkKind::None)
          op->emitRemark(
              llvm::formatv("{0} flops, {1} bytes, {2:e3} s", static_cast<uint64_t>(work.flops),
                            static_cast<uint64_t>(work.bytes), secondsOf(op, model->device)));
      });
    markAllAnalysesPreserved();
  }
};
} // namespace
