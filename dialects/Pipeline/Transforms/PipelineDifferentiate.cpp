//===- PipelineDifferentiate.cpp - Adds backward tasks ---------------------===//

#include "bigmac/AutoDiff/Differentiate.h"
#include "bigmac/AutoDiff/SplitPhases.h"
#include "bigmac/AutoDiff/Widen.h"
#include "dialects/Pipeline/Transforms/Passes.h"
#include "dialects/Pipeline/Transforms/Recompute.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SetVector.h"

namespace bigmac::pipeline {
#define GEN_PASS_DEF_PIPELINEDIFFERENTIATE
#include "dialects/Pipeline/Transforms/Passes.h.inc"
} // namespace bigmac::pipeline

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

namespace {

class Differentiator {
public:
  Differentiator(ModuleOp module, UnscheduledOp program, const DifferentiateOptions &options)
      : module(module), program(program), options(options), symbols(module) {}
  LogicalResult run();

private:
  /// Task outputs whose cotangent reaches a trained parameter.
  void markActive();
  LogicalResult differentiateTask(TaskOp task);
  /// A function with the task's body and one more argument for each cotangent.
  struct Joint;
  Joint buildJoint(TaskOp task);
  /// Clones a slice into a function that returns `outputs` and adds `gradients` to accumulators.
  func::FuncOp buildFunction(Joint &joint, const PhaseSlice &slice, StringRef name,
                             ArrayRef<Value> outputs,
                             ArrayRef<std::pair<Attribute, Value>> gradients,
                             SmallVectorImpl<Value> &operands,
                             SmallVectorImpl<Attribute> &parameters);

  ModuleOp module;
  UnscheduledOp program;
  const DifferentiateOptions &options;
  SymbolTable symbols;
  DenseSet<Value> active;
  /// Cotangents of a task output that later tasks make.
  DenseMap<Value, SmallVector<Value>> cotangents;
  DenseSet<Value> objectives;
  DenseSet<Attribute> reached;
};

struct Differentiator::Joint {
  func::FuncOp function;
  /// Argument of the joint function -> the program's value, or the parameter's symbol.
  DenseMap<Value, Value> values;
  DenseMap<Value, Attribute> parameters;
  SmallVector<Value> results;
  SmallVector<Seed> seeds;
  DenseSet<Value> free;
};

} // namespace

void Differentiator::markActive() {
  for (auto task : program.getBody()->getOps<TaskOp>()) {
    bool trained = llvm::any_of(
        task.getParameters().getAsRange<FlatSymbolRefAttr>(), [&](FlatSymbolRefAttr name) {
          return symbols.lookup<nn::ParameterOp>(name.getValue()).getTrained();
        });
    bool fed = llvm::any_of(task.getInputs(), [&](Value v) { return active.contains(v); });
    if (!trained && !fed)
      continue;
    for (Value output : task.getOutputs())
      if (isa<FloatType>(getElementTypeOrSelf(output.getType())))
        active.insert(output);
  }
}

Differentiator::Joint Differentiator::buildJoint(TaskOp task) {
  auto forward = symbols.lookup<func::FuncOp>(task.getCallee());
  Joint joint;
  joint.function = forward.clone();
  Block &body = joint.function.getBody().front();
  unsigned inputs = task.getInputs().size();
  for (auto [i, argument] : llvm::enumerate(body.getArguments())) {
    if (i < inputs) {
      Value value = task.getInputs()[i];
      joint.values[argument] = value;
      if (value.getDefiningOp<InputOp>())
        joint.free.insert(argument);
    } else {
      joint.parameters[argument] = task.getParameters()[i - inputs];
      joint.free.insert(argument);
    }
  }
  Operation *terminator = body.getTerminator();
  joint.results.assign(terminator->operand_begin(), terminator->operand_end());

  OpBuilder builder(terminator);
  for (auto [output, result] : llvm::zip(task.getOutputs(), joint.results)) {
    if (!active.contains(output))
      continue;
    Value sum;
    for (Value cotangent : cotangents.lookup(output)) {
      Value argument = body.addArgument(cotangent.getType(), task.getLoc());
      joint.values[argument] = cotangent;
      sum = sum ? Value(arith::AddFOp::create(builder, task.getLoc(), sum, argument)) : argument;
    }
    if (objectives.contains(output)) {
      Value one = nn::createSplat(builder, task.getLoc(), result.getType(), 1.0);
      sum = sum ? Value(arith::AddFOp::create(builder, task.getLoc(), sum, one)) : one;
    }
    if (sum)
      joint.seeds.push_back({result, sum});
  }
  return joint;
}

func::FuncOp Differentiator::buildFunction(Joint &joint, const PhaseSlice &slice, StringRef name,
                                           ArrayRef<Value> outputs,
                                           ArrayRef<std::pair<Attribute, Value>> gradients,
                                           SmallVectorImpl<Value> &operands,
                                           SmallVectorImpl<Attribute> &parameters) {
  SmallVector<Value> inputs, weights;
  for (Value input : slice.inputs)
    (joint.parameters.count(input) ? weights : inputs).push_back(input);

  SmallVector<Type> arguments, results;
  for (Value input : inputs)
    arguments.push_back(input.getType());
  for (Value weight : weights)
    arguments.push_back(weight.getType());
  for (const auto &gradient : gradients) {
    auto type = cast<RankedTensorType>(gradient.second.getType());
    arguments.push_back(MemRefType::get(type.getShape(), type.getElementType()));
  }
  for (Value output : outputs)
    results.push_back(output.getType());

  OpBuilder builder(module.getContext());
  builder.setInsertionPoint(program);
  Location loc = joint.function.getLoc();
  auto function =
      func::FuncOp::create(builder, loc, name, builder.getFunctionType(arguments, results));
  symbols.insert(function);
  Block *body = function.addEntryBlock();
  IRMapping mapping;
  unsigned next = 0;
  for (Value input : inputs)
    mapping.map(input, body->getArgument(next++));
  for (Value weight : weights)
    mapping.map(weight, body->getArgument(next++));
  builder.setInsertionPointToStart(body);
  slice.clone(builder, mapping);
  for (const auto &gradient : gradients) {
    Value accumulator = body->getArgument(next++);
    Value old = bufferization::ToTensorOp::create(builder, loc, gradient.second.getType(),
                                                  accumulator, /*restrict=*/true,
                                                  /*writable=*/true);
    Value sum = arith::AddFOp::create(builder, loc, old, mapping.lookup(gradient.second));
    bufferization::MaterializeInDestinationOp::create(builder, loc, Type(), sum, accumulator,
                                                      /*restrict=*/true, /*writable=*/true);
  }
  SmallVector<Value> returned;
  for (Value output : outputs)
    returned.push_back(mapping.lookup(output));
  func::ReturnOp::create(builder, loc, returned);

  for (Value input : inputs)
    operands.push_back(joint.values.lookup(input));
  for (Value weight : weights)
    parameters.push_back(joint.parameters.lookup(weight));
  return function;
}

LogicalResult Differentiator::differentiateTask(TaskOp task) {
  Joint joint = buildJoint(task);
  llvm::scope_exit erase([&] { joint.function.erase(); });
  bool generator = task.getComponent() == Component::generator;
  if (joint.seeds.empty() && !generator)
    return success();

  Block &body = joint.function.getBody().front();
  SmallVector<Value> wanted;
  SmallVector<Attribute> trained;
  SmallVector<Value> fed;
  unsigned inputs = task.getInputs().size(), weights = task.getParameters().size();
  for (unsigned i = 0; i < weights; ++i) {
    auto name = cast<FlatSymbolRefAttr>(task.getParameters()[i]);
    if (!symbols.lookup<nn::ParameterOp>(name.getValue()).getTrained())
      continue;
    wanted.push_back(body.getArgument(inputs + i));
    trained.push_back(name);
  }
  for (unsigned i = 0; i < inputs; ++i)
    if (active.contains(task.getInputs()[i])) {
      wanted.push_back(body.getArgument(i));
      fed.push_back(task.getInputs()[i]);
    }
  OpBuilder builder(body.getTerminator());
  FailureOr<SmallVector<Value>> grads = differentiate(builder, body, joint.seeds, wanted);
  if (failed(grads))
    return failure();

  SmallVector<std::pair<Attribute, Value>> parameterGrads;
  SmallVector<std::pair<Value, Value>> inputGrads;
  SmallVector<Value> inputValues, parameterValues;
  for (auto [i, grad] : llvm::enumerate(*grads)) {
    if (!grad)
      continue;
    if (i < trained.size()) {
      if (!options.narrowGradients)
        grad = widenUnrounded(builder, grad);
      parameterGrads.push_back({trained[i], grad});
      parameterValues.push_back(grad);
      reached.insert(trained[i]);
    } else {
      inputGrads.push_back({fed[i - trained.size()], grad});
      inputValues.push_back(grad);
    }
  }
  if (parameterGrads.empty() && inputGrads.empty() && !generator)
    return success();
  // A gradient that is both returned and accumulated (or accumulated twice) must stay visible as
  // two values for buildFunction.
  DenseSet<Value> distinct(inputValues.begin(), inputValues.end());
  for (auto &[name, grad] : parameterGrads)
    if (!distinct.insert(grad).second || !grad.getDefiningOp())
      grad = arith::AddFOp::create(builder, task.getLoc(), grad,
                                   nn::createSplat(builder, task.getLoc(), grad.getType(), 0.0));
  parameterValues.clear();
  for (auto &[name, grad] : parameterGrads)
    parameterValues.push_back(grad);

  // Phases, and which gradients each accumulates.
  struct Plan {
    Phase kind;
    SmallVector<Value> wanted;
    SmallVector<std::pair<Attribute, Value>> gradients;
  };
  SmallVector<Plan> plans;
  if (!generator)
    plans.push_back({Phase::forward, joint.results, {}});
  Plan back{generator ? Phase::forward_backward : Phase::backward, inputValues, parameterGrads};
  // A generator's own results are its outputs; nobody reads them later.
  if (generator)
    back.wanted = llvm::to_vector(llvm::concat<Value>(joint.results, inputValues));
  DenseSet<Value> deferred;
  if (options.splitWeightGradient && task.getComponent() == Component::llm && !inputValues.empty())
    deferred = deferredGradients(llvm::to_vector(llvm::concat<Value>(joint.results, inputValues)),
                                 parameterValues);
  plans.push_back(std::move(back));
  if (!deferred.empty()) {
    Plan &whole = plans.back();
    Plan weights{Phase::weight_gradient, {}, {}};
    llvm::copy_if(whole.gradients, std::back_inserter(weights.gradients),
                  [&](const auto &gradient) { return deferred.contains(gradient.second); });
    llvm::erase_if(whole.gradients,
                   [&](const auto &gradient) { return deferred.contains(gradient.second); });
    plans.push_back(std::move(weights));
  }
  SmallVector<SmallVector<Value>> phases;
  for (const Plan &plan : plans) {
    phases.push_back(plan.wanted);
    llvm::append_range(phases.back(), llvm::make_second_range(plan.gradients));
  }
  std::string base = recomputeName(task);
  auto splitWith = [&](const RecomputePolicy &policy) {
    return splitPhases(body, phases, joint.free, policy);
  };
  if (options.frontiers && phases.size() > 1)
    options.frontiers->push_back(recomputeFrontier(task, options.device, splitWith));
  SmallVector<PhaseSlice> slices =
      splitWith(options.recompute.policyOf(base, options.device)).phases;

  symbols.erase(symbols.lookup(task.getCallee()));
  OpBuilder taskBuilder(task);
  SmallVector<Value> results;
  for (auto [phase, slice] : llvm::enumerate(slices)) {
    const Plan &plan = plans[phase];
    // Gradients are not returned but added to accumulators, unless a later phase reads them too.
    DenseSet<Value> accumulated;
    for (Value gradient : llvm::make_second_range(plan.gradients))
      if (llvm::none_of(ArrayRef(slices).drop_front(phase + 1), [&](const PhaseSlice &later) {
            return llvm::is_contained(later.inputs, gradient);
          }))
        accumulated.insert(gradient);
    SmallVector<Value> outputs;
    llvm::copy_if(slice.outputs, std::back_inserter(outputs),
                  [&](Value output) { return !accumulated.contains(output); });
    SmallVector<Value> operands;
    SmallVector<Attribute> parameters, accumulators;
    func::FuncOp function =
        buildFunction(joint, slice, (base + "." + stringifyPhase(plan.kind)).str(), outputs,
                      plan.gradients, operands, parameters);
    llvm::append_range(accumulators, llvm::make_first_range(plan.gradients));
    if (phase == 1)
      taskBuilder.setInsertionPoint(program.getBody(), program.getBody()->end());
    auto made = TaskOp::create(
        taskBuilder, task.getLoc(), function.getResultTypes(), function.getSymName(),
        task.getComponent(), plan.kind, task.getStage(), /*workspace=*/0, operands,
        taskBuilder.getArrayAttr(parameters), taskBuilder.getArrayAttr(accumulators));
    for (auto [output, result] : llvm::zip_equal(outputs, made.getOutputs()))
      joint.values[output] = result;
    // A later phase may compute a result again for the phase after it; other tasks read the first.
    if (phase == 0)
      for (Value value : joint.results)
        results.push_back(joint.values.lookup(value));
  }
  for (auto [old, replacement] : llvm::zip(task.getOutputs(), results)) {
    old.replaceAllUsesWith(replacement);
    if (active.contains(old))
      active.insert(replacement);
  }
  for (auto [input, grad] : inputGrads)
    cotangents[input].push_back(joint.values.lookup(grad));
  // Cotangents of this task's inputs are keyed by values that stay.
  task.erase();
  return success();
}

LogicalResult Differentiator::run() {
  if (failed(options.recompute.check(program)))
    return failure();
  markActive();
  for (auto objective : program.getBody()->getOps<ObjectiveOp>())
    objectives.insert(objective.getValue());

  SmallVector<TaskOp> tasks(program.getBody()->getOps<TaskOp>());
  for (TaskOp task : tasks)
    if (task.getPhase() != Phase::forward)
      return task.emitError("the program has backward tasks already");
  for (TaskOp task : llvm::reverse(tasks))
    if (failed(differentiateTask(task)))
      return failure();
  if (reached.empty())
    return program.emitError("nothing is trained: no trained parameter influences the loss; see "
                             "--freeze, --train and --print-parameters");
  for (auto parameter : module.getOps<nn::ParameterOp>())
    if (parameter.getTrained() && !reached.contains(FlatSymbolRefAttr::get(parameter))) {
      parameter.emitRemark("parameter '")
          << parameter.getSymName() << "' does not influence the loss and is frozen";
      parameter.setTrained(false);
    }
  return success();
}

LogicalResult bigmac::pipeline::differentiateProgram(ModuleOp module,
                                                     const DifferentiateOptions &options) {
  SmallVector<UnscheduledOp> programs(module.getOps<UnscheduledOp>());
  if (programs.size() != 1)
    return module.emitError("expected one pipeline.unscheduled program, found ") << programs.size();
  return Differentiator(module, programs.front(), options).run();
}

namespace {
struct PipelineDifferentiatePass
    : public pipeline::impl::PipelineDifferentiateBase<PipelineDifferentiatePass> {
  using Base::Base;
  void runOnOperation() override {
    DifferentiateOptions options;
    options.splitWeightGradient = splitWeightGradient;
    options.narrowGradients = narrowGradients;
    SmallVector<std::string> levels(recompute.begin(), recompute.end());
    FailureOr<RecomputeLevels> parsed = RecomputeLevels::parse(getOperation().getLoc(), levels);
    if (failed(parsed))
      return signalPassFailure();
    options.recompute = std::move(*parsed);
    planning::Result<planning::DeviceModel> named = planning::findDevice(device);
    if (!named) {
      getOperation().emitError(named.message());
      return signalPassFailure();
    }
    options.device = std::move(*named);
    if (failed(differentiateProgram(getOperation(), options)))
      signalPassFailure();
  }
};
} // namespace
