//===- LayerCosts.cpp - What each layer of a model costs -------------------===//

#include "LayerCosts.h"

#include "bigmac/Support/ByteSize.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Pipeline/IR/Program.h"
#include "dialects/Pipeline/Transforms/Recompute.h"
#include "dialects/Pipeline/Transforms/TaskCosts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <limits>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;
using planning::HeldPoint;
using planning::PieceCosts;

namespace {

/// Reads a program of one rank, whose chunks are the layers.
class Reader {
public:
  Reader(const Program &program, ModuleOp module, const planning::Costs &costs,
         ArrayRef<TaskFrontier> frontiers, StringRef recompute)
      : program(program), symbols(module), costs(costs), frontiers(frontiers),
        recompute(recompute) {}

  planning::AutoProblem read();

private:
  TaskOp task(Component component, Phase phase, int64_t stage) const {
    return program.task(component, phase, stage);
  }
  void readParameters(PieceCosts &piece, Component component, int64_t stage) const;
  void readPoints(PieceCosts &piece, Component component, int64_t stage, uint64_t held) const;
  PieceCosts readPart(Component component, const planning::Costs::Part &part, uint64_t held) const;
  /// Of values that tasks up to `stage` of the program make and later ones read.
  uint64_t crossingBytes(int64_t stage) const;

  const Program &program;
  SymbolTable symbols;
  const planning::Costs &costs;
  ArrayRef<TaskFrontier> frontiers;
  StringRef recompute;
};

} // namespace

void Reader::readParameters(PieceCosts &piece, Component component, int64_t stage) const {
  DenseSet<Attribute> seen, accumulated;
  for (TaskOp task : program.tasks()) {
    if (task.getComponent() != component ||
        (component == Component::llm && static_cast<int64_t>(task.getStage()) != stage))
      continue;
    auto arguments = symbols.lookup<func::FuncOp>(task.getCallee()).getArgumentTypes();
    for (auto [name, type] : llvm::zip_equal(task.getGradients().getAsRange<FlatSymbolRefAttr>(),
                                             arguments.take_back(task.getGradients().size()))) {
      if (!accumulated.insert(name).second)
        continue;
      auto parameter = symbols.lookup<nn::ParameterOp>(name.getValue());
      uint64_t bytes = byteSize(parameter.getType());
      piece.gradientBytes += byteSize(type);
      auto wide = cast<ShapedType>(parameter.getType()).clone(Float32Type::get(name.getContext()));
      piece.optimizerBytes += parameter.getMaster() ? 3 * byteSize(wide) : 2 * bytes;
    }
    for (ArrayAttr names : {task.getParameters(), task.getGradients()})
      for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
        if (!seen.insert(name).second)
          continue;
        auto parameter = symbols.lookup<nn::ParameterOp>(name.getValue());
        uint64_t bytes = byteSize(parameter.getType());
        piece.parameterBytes += bytes;
        piece.trainedBytes += parameter.getTrained() ? bytes : 0;
      }
  }
}

void Reader::readPoints(PieceCosts &piece, Component component, int64_t stage,
                        uint64_t held) const {
  for (const TaskFrontier &frontier : frontiers)
    if (frontier.component == component && frontier.stage == stage)
      for (const RecomputePoint &point : frontier.points) {
        piece.points.push_back({point.bytesPerSecond, point.heldBytes, point.seconds});
        piece.workspaceBytes = std::max(piece.workspaceBytes, point.transientBytes);
      }
  if (piece.points.empty())
    piece.points.push_back({std::numeric_limits<double>::infinity(), held, 0});
  // What the command line says leaves nothing to choose.
  if (recompute == "none")
    piece.points.resize(1);
  if (recompute == "full") {
    piece.points.front() = piece.points.back();
    piece.points.resize(1);
  }
}

uint64_t Reader::crossingBytes(int64_t stage) const {
  uint64_t bytes = 0;
  for (TaskOp from : program.tasks()) {
    if (from.getPhase() != Phase::forward || from.getComponent() != Component::llm ||
        static_cast<int64_t>(from.getStage()) > stage)
      continue;
    for (Value value : from.getOutputs())
      if (llvm::any_of(value.getUsers(), [&](Operation *user) {
            auto to = dyn_cast<TaskOp>(user);
            return to && to.getPhase() == Phase::forward && to.getComponent() == Component::llm &&
                   static_cast<int64_t>(to.getStage()) > stage;
          }))
        bytes += byteSize(value.getType());
  }
  return bytes;
}

PieceCosts Reader::readPart(Component component, const planning::Costs::Part &part,
                            uint64_t held) const {
  PieceCosts piece;
  piece.forward = part.forward.at(0);
  if (part.backward)
    piece.backward = part.backward->at(0);
  readParameters(piece, component, 0);
  readPoints(piece, component, 0, held);
  if (TaskOp forward = task(component, Phase::forward, 0))
    for (Value value : forward.getOutputs())
      if (llvm::any_of(value.getUsers(), [&](Operation *user) {
            auto to = dyn_cast<TaskOp>(user);
            return to && to.getComponent() != component;
          }))
        piece.outputBytes += byteSize(value.getType());
  return piece;
}

planning::AutoProblem Reader::read() {
  planning::AutoProblem problem;
  for (int64_t stage = 0; stage < program.chunks(); ++stage) {
    PieceCosts &layer = problem.layers.emplace_back();
    layer.forward = costs.llmForward.at(stage);
    layer.backward = costs.llmBackwardInput.at(stage);
    layer.backwardWeight = costs.llmBackwardWeight.at(stage);
    layer.waitingBytes = costs.activationBytes->weightGradient.at(stage);
    layer.outputBytes = crossingBytes(stage);
    readParameters(layer, Component::llm, stage);
    readPoints(layer, Component::llm, stage, costs.activationBytes->llm.at(stage));
  }
  if (costs.encoder)
    problem.encoder = readPart(Component::encoder, *costs.encoder, costs.activationBytes->encoder);
  if (costs.generator)
    problem.generator =
        readPart(Component::generator, *costs.generator, costs.activationBytes->generator);
  return problem;
}

FailureOr<planning::AutoProblem> bigmac::layerCosts(ModuleOp module, const CompileOptions &options,
                                                    int64_t &samples) {
  // As the dependent dialects of pipeline-differentiate.
  module.getContext()
      ->loadDialect<arith::ArithDialect, bufferization::BufferizationDialect, nn::NNDialect>();
  OwningOpRef<ModuleOp> copy = module.clone();
  CompileOptions layers = options;
  layers.ranks = 1;
  layers.chunks = 0;
  PassManager partition(module.getContext());
  buildTrainingPipeline(partition, options);
  buildPartitionPipeline(partition, layers);
  if (failed(partition.run(*copy)))
    return failure();
  FailureOr<CostModel> model = CostModel::load(module, options.device, options.profile);
  if (failed(model))
    return failure();
  DifferentiateOptions derivatives;
  derivatives.splitWeightGradient = true;
  derivatives.narrowGradients = options.grads == "bf16";
  derivatives.device = model->device;
  SmallVector<TaskFrontier> frontiers;
  derivatives.frontiers = &frontiers;
  if (failed(differentiateProgram(*copy, derivatives)))
    return failure();
  PassManager clean(module.getContext());
  clean.addPass(createCanonicalizerPass());
  clean.addPass(createCSEPass());
  if (failed(clean.run(*copy)))
    return failure();

  auto unscheduled = *copy->getOps<UnscheduledOp>().begin();
  FailureOr<Program> program = Program::read(unscheduled);
  if (failed(program))
    return failure();
  FailureOr<planning::Costs> costs = taskCosts(*program, *copy, *model);
  if (failed(costs))
    return failure();
  samples = unscheduled.getSamples();
  planning::AutoProblem problem =
      Reader(*program, *copy, *costs, frontiers, options.recompute).read();
  problem.device = model->device;
  return problem;
}
