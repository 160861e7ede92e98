//===- TaskCosts.cpp - What planning must know of a program ----------------===//

#include "dialects/Pipeline/Transforms/TaskCosts.h"

#include "OpCost.h"
#include "bigmac/Support/ByteSize.h"
#include "dialects/NN/IR/NN.h"
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

/// The program that the tasks are in.
static Operation *programOf(const Program &program) {
  return program.tasks().front()->getParentOp();
}

static planning::ModelSignature modelSignature(const Program &program, const SymbolTable &symbols) {
  planning::ModelSignature model;
  Operation *op = programOf(program);
  model.name = SymbolTable::getSymbolName(op).str();
  if (auto unscheduled = dyn_cast<UnscheduledOp>(op))
    model.samples = unscheduled.getSamples();
  else
    model.samples = cast<ScheduledOp>(op).getSamples();
  DenseSet<Attribute> seen;
  for (TaskOp task : program.tasks())
    for (ArrayAttr names : {task.getParameters(), task.getGradients()})
      for (auto name : names.getAsRange<FlatSymbolRefAttr>())
        if (seen.insert(name).second) {
          auto parameter = symbols.lookup<nn::ParameterOp>(name.getValue());
          model.parameters += parameter.getParts().size();
          model.parameterBytes += byteSize(parameter.getType());
        }
  return model;
}

/// As the runtime's trace spells it: the buffers of a task are those of its function.
static planning::TaskSignature signatureOf(TaskOp task, func::FuncOp function) {
  planning::TaskSignature signature;
  signature.name = task.getCallee().str();
  signature.component = toPlanning(task.getComponent());
  signature.phase = toPlanning(task.getPhase());
  for (ArrayRef<Type> types : {function.getArgumentTypes(), function.getResultTypes()})
    for (Type type : types) {
      ++signature.buffers;
      signature.bytes += byteSize(type);
    }
  return signature;
}

/// The mean over messages of a step: each value that a task reads and another rank made.
static double transferSeconds(const Program &program, const planning::DeviceModel &device) {
  const planning::Link &link = device.linkOf(program.ranks());
  double seconds = 0;
  uint64_t messages = 0;
  for (TaskOp task : program.tasks()) {
    DenseSet<Value> seen;
    for (Value input : task.getInputs()) {
      auto producer = input.getDefiningOp<TaskOp>();
      if (!producer || !seen.insert(input).second)
        continue;
      uint64_t crossing = 0;
      for (int64_t microbatch = 0; microbatch < program.ranks(); ++microbatch)
        crossing += program.rankOf(producer, microbatch) != program.rankOf(task, microbatch);
      seconds += crossing * link.secondsOf(static_cast<double>(byteSize(input.getType())));
      messages += crossing;
    }
  }
  return messages == 0 ? 0 : seconds / messages;
}

/// Seconds by task.
static FailureOr<DenseMap<Operation *, double>>
taskSeconds(const Program &program, ModuleOp module, const CostModel &model, std::string *scaled) {
  SymbolTable symbols(module);
  std::vector<planning::TaskEstimate> estimates;
  for (TaskOp task : program.tasks()) {
    auto function = symbols.lookup<func::FuncOp>(task.getCallee());
    estimates.push_back(
        {signatureOf(task, function), secondsOf(function.getBody().front(), model.device)});
  }
  std::vector<double> seconds;
  if (model.profile) {
    auto measured =
        planning::applyProfile(*model.profile, modelSignature(program, symbols), estimates);
    if (!measured)
      return programOf(program)->emitError("--profile: ") << measured.message();
    seconds = std::move(measured->seconds);
    if (scaled)
      *scaled = measured->factors;
  } else {
    for (const planning::TaskEstimate &estimate : estimates)
      seconds.push_back(estimate.seconds);
  }
  DenseMap<Operation *, double> result;
  for (auto [task, time] : llvm::zip(program.tasks(), seconds))
    result[task] = time;
  return result;
}

planning::Costs pipeline::taskCosts(const Program &program, ModuleOp module) {
  return *taskCosts(program, module, CostModel());
}

FailureOr<planning::Costs> pipeline::taskCosts(const Program &program, ModuleOp module,
                                               const CostModel &model, std::string *scaled) {
  auto byTask = taskSeconds(program, module, model, scaled);
  if (failed(byTask))
    return failure();
  auto seconds = [&](TaskOp task) { return task ? byTask->lookup(task) : 0.0; };
  planning::Costs costs;
  planning::ActivationBytes bytes;
  int64_t stages = program.stages();
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
  costs.transfer = transferSeconds(program, model.device);
  costs.activationBytes = bytes;
  return costs;
}
