//===- PipelinePartition.cpp - Model to forward tasks ----------------------===//

#include "Components.h"
#include "LossTerms.h"
#include "OpCost.h"
#include "SearchPlacement.h"
#include "StageCuts.h"
#include "dialects/Pipeline/Transforms/CostModel.h"
#include "dialects/Pipeline/Transforms/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

namespace bigmac::pipeline {
#define GEN_PASS_DEF_PIPELINEPARTITION
#include "dialects/Pipeline/Transforms/Passes.h.inc"
} // namespace bigmac::pipeline

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

namespace {

/// What becomes one forward task.
struct Cell {
  Component component;
  int64_t stage;
  SmallVector<Operation *> trunk;

  std::string name() const {
    if (component == Component::llm)
      return ("llm." + Twine(stage)).str();
    return stringifyComponent(component).str();
  }
};

/// A graph output, as the terms that it is the sum of.
struct Output {
  std::string name;
  bool loss, weight;
  SmallVector<Value> terms;
};

class Partitioner {
public:
  Partitioner(ModuleOp module, func::FuncOp model, const PipelinePartitionOptions &options,
              ArrayRef<std::string> patterns, const planning::DeviceModel &device)
      : module(module), model(model), options(options), ranks(options.ranks),
        chunks(options.chunks), patterns(patterns), weightName(options.lossWeight), device(device) {
  }
  LogicalResult run();

private:
  LogicalResult readInputs();
  LogicalResult readOutputs();
  LogicalResult assignCells();
  /// Terms of outputs and objectives.
  SmallVector<Value> wantedResults() const {
    SmallVector<Value> values(objectives);
    for (const Output &output : outputs)
      llvm::append_range(values, output.terms);
    return values;
  }
  /// Finds the split of ranks, and with it the number of stages.
  LogicalResult placeComponents(ArrayRef<Operation *> encoder, ArrayRef<Operation *> llm,
                                ArrayRef<Operation *> generator);
  LogicalResult buildTask(OpBuilder &programBuilder, const Cell &cell);
  /// Ops outside the trunk that the cell's ops need, with the trunk ops, in program order.
  SmallVector<Operation *> opsOf(const Cell &cell, ArrayRef<Value> extra);

  ModuleOp module;
  func::FuncOp model;
  const PipelinePartitionOptions &options;
  int64_t ranks, chunks, samples = 0;
  /// LLM stages, and with separate-stages the ranks of each component.
  int64_t stageCount = 0;
  std::optional<planning::RankPlacement> placement;
  ArrayRef<std::string> patterns;
  StringRef weightName;
  const planning::DeviceModel &device;
  SmallVector<Output> outputs;
  /// What is differentiated: the loss's terms, weighted.
  SmallVector<Value> objectives;
  llvm::SetVector<Operation *> trunk;
  SmallVector<Cell> cells;
  DenseMap<Operation *, const Cell *> cellOf;
  /// Values of the model (graph inputs, results of finished tasks) in the program.
  IRMapping program;
};

} // namespace

static StringRef nameAttr(Attribute attribute, StringRef fallback) {
  auto name = dyn_cast_or_null<StringAttr>(attribute);
  return name ? name.getValue() : fallback;
}

LogicalResult Partitioner::readInputs() {
  for (BlockArgument argument : model.getArguments()) {
    StringRef name = nameAttr(model.getArgAttr(argument.getArgNumber(), nn::kNameAttr), "");
    if (name.empty())
      return model.emitError("graph input ")
             << argument.getArgNumber() << " has no name (attribute '" << nn::kNameAttr << "')";
    auto type = cast<RankedTensorType>(argument.getType());
    if (type.getRank() == 0)
      return model.emitError("graph input '")
             << name << "' is a scalar; the leading dimension of every input is the sample";
    if (samples && type.getDimSize(0) != samples)
      return model.emitError("graph input '")
             << name << "' has " << type.getDimSize(0) << " samples, the inputs before it "
             << samples << "; the leading dimension of every input is the sample of a microbatch";
    samples = type.getDimSize(0);
  }
  if (!samples)
    return model.emitError("the model has no graph inputs");
  return success();
}

LogicalResult Partitioner::readOutputs() {
  auto terminator = cast<func::ReturnOp>(model.getBody().front().getTerminator());
  OpBuilder builder(terminator);
  bool haveLoss = false;
  Value weight;
  for (auto [i, value] : llvm::enumerate(terminator.getOperands())) {
    std::string name = nameAttr(model.getResultAttr(i, nn::kNameAttr), "").str();
    bool loss = static_cast<bool>(model.getResultAttr(i, nn::kLossAttr));
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getNumElements() != 1 || !type.getElementType().isF32()) {
      if (loss)
        return model.emitError("the loss '") << name << "' is " << type << ", expected one f32";
      model.emitRemark("graph output '") << name << "' is not one f32 and is not computed";
      continue;
    }
    if (llvm::any_of(outputs, [&](const Output &other) { return other.name == name; }))
      return model.emitError("two graph outputs are named '") << name << "'";
    haveLoss |= loss;
    bool isWeight = !weightName.empty() && name == weightName;
    if (isWeight) {
      if (loss)
        return model.emitError("--loss-weight '") << name << "' is the loss itself";
      weight = value;
    }
    Output &output = outputs.emplace_back(Output{name, loss, isWeight, {}});
    for (Term term : linearTerms(value)) {
      Location loc = term.value.getLoc();
      if (term.coefficient != 1.0)
        term.value = arith::MulFOp::create(
            builder, loc, term.value,
            nn::createSplat(builder, loc, term.value.getType(), term.coefficient));
      output.terms.push_back(term.value);
    }
  }
  if (!haveLoss)
    return model.emitError("the model has no output that is the loss (result attribute '")
           << nn::kLossAttr << "')";
  if (!weightName.empty() && !weight)
    return model.emitError("--loss-weight '")
           << weightName << "' is no output of the graph that is one f32";
  for (const Output &output : outputs)
    for (Value term : output.terms) {
      if (!output.loss)
        continue;
      if (weight) {
        ArrayRef<int64_t> shape = cast<RankedTensorType>(term.getType()).getShape();
        Value factor = nn::createReshape(builder, term.getLoc(), weight, shape);
        term = arith::MulFOp::create(builder, term.getLoc(), term, factor);
      }
      objectives.push_back(term);
    }
  return success();
}

LogicalResult Partitioner::assignCells() {
  trunk = trunkOf(model);
  Value loss;
  auto terminator = cast<func::ReturnOp>(model.getBody().front().getTerminator());
  for (unsigned i = 0; i < terminator.getNumOperands(); ++i)
    if (model.getResultAttr(i, nn::kLossAttr))
      loss = terminator.getOperand(i);
  if (!loss.getDefiningOp() || !trunk.contains(loss.getDefiningOp()))
    return model.emitError("the loss depends on no parameter or on no graph input");

  // The sums that combine terms belong to no component: what remains of the trunk is what the
  // terms and the other values depend on.
  llvm::SetVector<Operation *> needed;
  SmallVector<Operation *> worklist;
  for (Value result : wantedResults())
    if (Operation *op = result.getDefiningOp())
      worklist.push_back(op);
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val();
    if (!needed.insert(op))
      continue;
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        worklist.push_back(producer);
  }
  FailureOr<DenseMap<Operation *, Component>> components =
      assignComponents(model, trunk, loss, patterns);
  if (failed(components))
    return failure();
  trunk.remove_if([&](Operation *op) { return !needed.contains(op); });

  SmallVector<Operation *> encoder, llm, generator;
  for (Operation *op : trunk) {
    Component component = components->lookup(op);
    (component == Component::encoder ? encoder
     : component == Component::llm   ? llm
                                     : generator)
        .push_back(op);
  }
  if (llm.empty())
    return model.emitError("no part of the model is the LLM; give it with "
                           "--component llm=PATTERN");
  if (chunks == 0)
    chunks = std::max<int64_t>(1, layersOf(llm) / ranks);
  stageCount = ranks * chunks;
  if (options.separateStages && failed(placeComponents(encoder, llm, generator)))
    return failure();
  FailureOr<SmallVector<int64_t>> stages = cutStages(model, llm, stageCount, device);
  if (failed(stages))
    return failure();
  if (!encoder.empty())
    cells.push_back({Component::encoder, 0, encoder});
  for (int64_t stage = 0; stage < stageCount; ++stage)
    cells.push_back({Component::llm, stage, {}});
  for (auto [op, stage] : llvm::zip(llm, *stages))
    cells[cells.size() - stageCount + stage].trunk.push_back(op);
  if (!generator.empty())
    cells.push_back({Component::generator, 0, generator});
  for (const Cell &cell : cells)
    for (Operation *op : cell.trunk)
      cellOf[op] = &cell;
  return success();
}

LogicalResult Partitioner::placeComponents(ArrayRef<Operation *> encoder, ArrayRef<Operation *> llm,
                                           ArrayRef<Operation *> generator) {
  SymbolTable symbols(module);
  ComponentWork work;
  auto measure = [&](ArrayRef<Operation *> ops) {
    ComponentWork::Part part;
    for (Operation *op : opsOf({Component::llm, 0, SmallVector<Operation *>(ops)}, {})) {
      part.seconds += secondsOf(op, device);
      if (auto get = dyn_cast<nn::GetParameterOp>(op))
        part.trained |= symbols.lookup<nn::ParameterOp>(get.getParameter()).getTrained();
    }
    return part;
  };
  work.llm = measure(llm);
  if (!encoder.empty())
    work.encoder = measure(encoder);
  if (!generator.empty())
    work.generator = measure(generator);
  FailureOr<planning::RankPlacement> found =
      searchPlacement(model, work, ranks, chunks,
                      options.microbatches ? options.microbatches : ranks, options.effort);
  if (failed(found))
    return failure();
  placement = *found;
  stageCount = placement->llm.count * chunks;
  return success();
}

SmallVector<Operation *> Partitioner::opsOf(const Cell &cell, ArrayRef<Value> extra) {
  DenseSet<Operation *> own(cell.trunk.begin(), cell.trunk.end());
  SmallVector<Operation *> worklist(cell.trunk);
  auto push = [&](Value value) {
    Operation *producer = value.getDefiningOp();
    if (producer && !trunk.contains(producer) && own.insert(producer).second)
      worklist.push_back(producer);
  };
  llvm::for_each(extra, push);
  while (!worklist.empty())
    llvm::for_each(worklist.pop_back_val()->getOperands(), push);
  SmallVector<Operation *> ordered;
  for (Operation &op : model.getBody().front())
    if (own.contains(&op))
      ordered.push_back(&op);
  return ordered;
}

LogicalResult Partitioner::buildTask(OpBuilder &programBuilder, const Cell &cell) {
  // What the cell must return: values that later cells use, and terms of outputs. Terms outside the
  // trunk (metrics of inputs alone) are computed by the last LLM stage.
  llvm::SetVector<Value> results;
  SmallVector<Value> extra;
  bool last = cell.component == Component::llm && cell.stage == stageCount - 1;
  for (Operation *op : cell.trunk)
    for (Value result : op->getResults())
      for (Operation *user : result.getUsers())
        if (auto it = cellOf.find(user); it != cellOf.end() && it->second != &cell)
          results.insert(result);
  for (Value wanted : wantedResults()) {
    Operation *op = wanted.getDefiningOp();
    if (op && cellOf.lookup(op) == &cell)
      results.insert(wanted);
    if (last && (!op || !trunk.contains(op))) {
      results.insert(wanted);
      extra.push_back(wanted);
    }
  }

  SmallVector<Operation *> ops = opsOf(cell, extra);
  DenseSet<Operation *> own(ops.begin(), ops.end());
  llvm::SetVector<Value> inputs;
  llvm::SetVector<Attribute> parameters;
  DenseMap<Attribute, RankedTensorType> parameterTypes;
  auto read = [&](Value value) {
    Operation *producer = value.getDefiningOp();
    if (!producer || !own.contains(producer))
      inputs.insert(value);
  };
  for (Operation *op : ops) {
    if (auto get = dyn_cast<nn::GetParameterOp>(op)) {
      parameters.insert(get.getParameterAttr());
      parameterTypes[get.getParameterAttr()] = cast<RankedTensorType>(get.getType());
    }
    llvm::for_each(op->getOperands(), read);
  }
  llvm::for_each(results, read);

  SmallVector<Type> arguments;
  for (Value input : inputs)
    arguments.push_back(input.getType());
  for (Attribute parameter : parameters)
    arguments.push_back(parameterTypes[parameter]);
  SmallVector<Type> resultTypes;
  for (Value result : results)
    resultTypes.push_back(result.getType());

  OpBuilder builder(module.getContext());
  builder.setInsertionPoint(model);
  auto function = func::FuncOp::create(builder, model.getLoc(), cell.name() + ".forward",
                                       builder.getFunctionType(arguments, resultTypes));
  Block *body = function.addEntryBlock();
  IRMapping mapping;
  for (auto [input, argument] : llvm::zip(inputs, body->getArguments()))
    mapping.map(input, argument);
  builder.setInsertionPointToStart(body);
  for (Operation *op : ops) {
    if (auto get = dyn_cast<nn::GetParameterOp>(op)) {
      auto it = llvm::find(parameters, Attribute(get.getParameterAttr()));
      mapping.map(get.getResult(),
                  body->getArgument(inputs.size() + std::distance(parameters.begin(), it)));
    } else {
      builder.clone(*op, mapping);
    }
  }
  SmallVector<Value> returned;
  for (Value result : results)
    returned.push_back(mapping.lookup(result));
  func::ReturnOp::create(builder, model.getLoc(), returned);

  SmallVector<Value> operands;
  for (Value input : inputs)
    operands.push_back(program.lookup(input));
  SmallVector<Attribute> names(parameters.begin(), parameters.end());
  auto task = TaskOp::create(programBuilder, model.getLoc(), resultTypes, function.getSymName(),
                             cell.component, Phase::forward, cell.stage, /*workspace=*/0, operands,
                             programBuilder.getArrayAttr(names), programBuilder.getArrayAttr({}));
  for (auto [result, value] : llvm::zip(results, task.getOutputs()))
    program.map(result, value);
  return success();
}

LogicalResult Partitioner::run() {
  if (ranks < 1 || chunks < 0)
    return model.emitError("expected at least one rank and no fewer than 0 chunks, found ")
           << ranks << " and " << chunks;
  if (!llvm::hasSingleElement(model.getBody()))
    return model.emitError("expected one block");
  for (auto parameter : module.getOps<nn::ParameterOp>())
    if (Type type = getElementTypeOrSelf(parameter.getType());
        parameter.getTrained() && !type.isF32() && !type.isBF16())
      return parameter.emitError("parameter '")
             << parameter.getSymName() << "' is trained, but its type is " << type
             << "; trained parameters are f32: freeze it with --freeze="
             << parameter.getParts().front().name << ", or export the model in float32";
  if (failed(readInputs()) || failed(readOutputs()) || failed(assignCells()))
    return failure();

  OpBuilder builder(module.getContext());
  builder.setInsertionPointAfter(model);
  auto unscheduled = UnscheduledOp::create(builder, model.getLoc(), builder.getStringAttr("train"),
                                           ranks, chunks, samples, PlacementAttr());
  if (placement)
    unscheduled.setPlacementAttr(PlacementAttr::get(module.getContext(), *placement));
  builder.createBlock(&unscheduled.getBodyRegion());
  for (BlockArgument argument : model.getArguments()) {
    StringRef name = nameAttr(model.getArgAttr(argument.getArgNumber(), nn::kNameAttr), "");
    program.map(argument, InputOp::create(builder, argument.getLoc(), argument.getType(), name));
  }
  for (const Cell &cell : cells)
    if (failed(buildTask(builder, cell)))
      return failure();
  for (const Output &output : outputs)
    for (Value term : output.terms)
      OutputOp::create(builder, model.getLoc(), output.name, program.lookup(term), output.loss,
                       output.weight);
  for (Value objective : objectives)
    ObjectiveOp::create(builder, model.getLoc(), program.lookup(objective));
  model.erase();
  return success();
}

namespace {
struct PipelinePartitionPass : public pipeline::impl::PipelinePartitionBase<PipelinePartitionPass> {
  using Base::Base;
  void runOnOperation() override {
    func::FuncOp model;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isPrivate() || function.isExternal())
        continue;
      if (model) {
        function.emitError("is a second public function; the model must be the only one");
        return signalPassFailure();
      }
      model = function;
    }
    if (!model) {
      getOperation().emitError("has no public function to partition; expected the model as the "
                               "module's one public function, as --compile-to=import prints it");
      return signalPassFailure();
    }
    SmallVector<std::string> patterns(components.begin(), components.end());
    PipelinePartitionOptions options;
    options.ranks = ranks;
    options.chunks = chunks;
    options.lossWeight = lossWeight;
    options.separateStages = separateStages;
    options.microbatches = microbatches;
    options.effort = effort;
    FailureOr<CostModel> costs = CostModel::load(model, device, /*profile=*/"");
    if (failed(costs) ||
        failed(Partitioner(getOperation(), model, options, patterns, costs->device).run()))
      signalPassFailure();
  }
};
} // namespace
