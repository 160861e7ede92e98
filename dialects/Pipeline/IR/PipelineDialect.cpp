//===- PipelineDialect.cpp - Dialect registration --------------------------===//

#include "dialects/Pipeline/IR/Pipeline.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bigmac::pipeline;

#include "dialects/Pipeline/IR/PipelineDialect.cpp.inc"
#include "dialects/Pipeline/IR/PipelineEnums.cpp.inc"

void PipelineDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Pipeline/IR/PipelineOps.cpp.inc"
      >();
}

namespace bigmac::pipeline {

planning::Component toPlanning(Component component) {
  static_assert(
      static_cast<int>(Component::llm) == static_cast<int>(planning::Component::Llm) &&
      static_cast<int>(Component::encoder) == static_cast<int>(planning::Component::Encoder) &&
      static_cast<int>(Component::generator) == static_cast<int>(planning::Component::Generator));
  return static_cast<planning::Component>(component);
}

planning::Phase toPlanning(Phase phase) {
  static_assert(static_cast<int>(Phase::forward) == static_cast<int>(planning::Phase::Forward) &&
                static_cast<int>(Phase::backward) == static_cast<int>(planning::Phase::Backward) &&
                static_cast<int>(Phase::weight_gradient) ==
                    static_cast<int>(planning::Phase::WeightGradient) &&
                static_cast<int>(Phase::forward_backward) ==
                    static_cast<int>(planning::Phase::ForwardBackward));
  return static_cast<planning::Phase>(phase);
}

llvm::SmallVector<int32_t> packActions(llvm::ArrayRef<planning::Action> actions) {
  llvm::SmallVector<int32_t> packed;
  packed.reserve(actions.size() * 3);
  for (const planning::Action &action : actions)
    packed.append({static_cast<int32_t>(action.component) * 4 + static_cast<int32_t>(action.phase),
                   action.chunk, static_cast<int32_t>(action.microbatch)});
  return packed;
}

std::vector<planning::Action> unpackActions(llvm::ArrayRef<int32_t> packed, uint32_t ranks) {
  std::vector<planning::Action> actions;
  for (size_t i = 0; i + 2 < packed.size(); i += 3) {
    auto component = static_cast<planning::Component>(packed[i] / 4);
    auto phase = static_cast<planning::Phase>(packed[i] % 4);
    uint32_t microbatch = packed[i + 2];
    if (component == planning::Component::Llm)
      actions.push_back(planning::Action::llm(phase, packed[i + 1], microbatch));
    else
      actions.push_back(planning::Action::ofUnit(component, phase, microbatch / ranks, ranks,
                                                 microbatch % ranks));
  }
  return actions;
}

} // namespace bigmac::pipeline
