//===- TaskCosts.cpp - What planning must know of a program ----------------===//

#include "dialects/Pipeline/Transforms/TaskCosts.h"

#include "OpCost.h"
#include "bigmac/Support/ByteSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

/// Bytes that stay between tasks of one rank: what the later ones read of the earlier ones' results
/// and of other tasks' values that an earlier one read too. Absent tasks are null.
static uint64_t heldBytes(ArrayRef<TaskOp> earlier, ArrayRef<TaskOp> later) {
  uint64_t bytes = 0;
  DenseSet<Value> seen;
  for (TaskOp reader : later) {
    if (!reader)
      continue;
    for (Value input : reader.getInputs()) {
      auto producer = input.getDefiningOp<TaskOp>();
      bool stays =
          producer && llvm::any_of(earlier, [&](TaskOp task) {
            return task && (producer == task || llvm::is_contained(task.getInputs(), input));
          });
      if (stays && seen.insert(input).second)
        bytes += byteSize(input.getType());
    }
  }
  return bytes;
}

planning::Costs pipeline::taskCosts(const Program &program, ModuleOp module) {
  SymbolTable symbols(module);
  auto seconds = [&](TaskOp task) {
    if (!task)
      return 0.0;
    return secondsOf(symbols.lookup<func::FuncOp>(task.getCallee()).getBody().front());
  };
  planning::Costs costs;
  planning::ActivationBytes bytes;
  int64_t stages = program.ranks() * program.chunks();
  std::vector<double> forward, weight;
  std::vector<std::optional<double>> backward;
  std::vector<uint64_t> held, waiting;
  for (int64_t stage = 0; stage < stages; ++stage) {
    TaskOp f = program.task(Component::llm, Phase::forward, stage);
    TaskOp b = program.task(Component::llm, Phase::backward, stage);
    TaskOp w = program.task(Component::llm, Phase::weight_gradient, stage);
    forward.push_back(seconds(f));
    backward.push_back(b ? std::optional(seconds(b)) : std::nullopt);
    weight.push_back(seconds(w));
    held.push_back(heldBytes({f}, {b, w}));
    waiting.push_back(heldBytes({f, b}, {w}));
  }
  costs.llmForward = std::move(forward);
  costs.llmBackwardInput = std::move(backward);
  costs.llmBackwardWeight = std::move(weight);
  bytes.llm = std::move(held);
  bytes.weightGradient = std::move(waiting);
  if (TaskOp encoder = program.task(Component::encoder, Phase::forward, 0)) {
    TaskOp back = program.task(Component::encoder, Phase::backward, 0);
    planning::Costs::Part part;
    part.forward = seconds(encoder);
    if (back)
      part.backward = planning::PerIndex<double>(seconds(back));
    costs.encoder = part;
    bytes.encoder = heldBytes({encoder}, {back});
  }
  if (TaskOp generator = program.task(Component::generator, Phase::forward_backward, 0)) {
    // One task does both: a third of it is the forward.
    planning::Costs::Part part;
    part.forward = seconds(generator) / 3;
    part.backward = planning::PerIndex<double>(seconds(generator) * 2 / 3);
    costs.generator = part;
  }
  costs.activationBytes = bytes;
  return costs;
}
