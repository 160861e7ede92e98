//===- Program.cpp - A pipeline program as planning sees it ----------------===//

#include "dialects/Pipeline/IR/Program.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

static uint64_t keyOf(Component component, Phase phase, int64_t stage) {
  return static_cast<uint64_t>(component) | static_cast<uint64_t>(phase) << 8 |
         static_cast<uint64_t>(component == Component::llm ? stage : 0) << 16;
}

LogicalResult Program::readTasks(Block &body) {
  uint32_t nextChannel = 1;
  int64_t tasks = std::distance(body.op_begin<TaskOp>(), body.op_end<TaskOp>());
  int64_t llmRanks = ranksOf(Component::llm).count;
  // Division, as the product of a hostile program's numbers overflows.
  if (numChunks > tasks / llmRanks)
    return body.getParentOp()->emitOpError("has ")
           << llmRanks << " ranks x " << numChunks << " chunks but only " << tasks
           << " tasks, expected a forward task for each stage";
  for (auto task : body.getOps<TaskOp>()) {
    int64_t stage = task.getStage();
    bool llm = task.getComponent() == Component::llm;
    if (stage < 0 || stage >= (llm ? stages() : 1))
      return task.emitOpError("is of stage ")
             << stage << ", expected one below " << (llm ? stages() : 1);
    if (ranksOf(task.getComponent()).count == 0)
      return task.emitOpError("is of the ")
             << stringifyComponent(task.getComponent()) << ", which the placement gives no ranks";
    auto [it, inserted] =
        byAction.try_emplace(keyOf(task.getComponent(), task.getPhase(), stage), task);
    if (!inserted) {
      auto diagnostic = task.emitOpError("repeats a component, phase and stage");
      diagnostic.attachNote(it->second.getLoc()) << "first used here";
      return diagnostic;
    }
    all.push_back(task);
    for (Value result : task.getOutputs())
      channels[result] = nextChannel++;
  }
  for (int64_t stage = 0; stage < stages(); ++stage)
    if (!task(Component::llm, Phase::forward, stage))
      return body.getParentOp()->emitOpError("has no forward task of stage ")
             << stage << ", expected one for each of its " << stages() << " stages";
  return success();
}

template <typename OpTy> FailureOr<Program> Program::readProgram(OpTy op) {
  Program program;
  program.numRanks = op.getRanks();
  program.numChunks = op.getChunks();
  if (program.numRanks < 1 || program.numRanks > UINT32_MAX || program.numChunks < 1)
    return op.emitOpError("expects at least one rank and chunk");
  if (op.getPlacement())
    program.explicitPlacement = op.getPlacement()->toPlanning();
  program.placed = program.explicitPlacement.value_or(
      planning::RankPlacement::everywhere(static_cast<uint32_t>(program.numRanks)));
  if (failed(program.readTasks(*op.getBody())))
    return failure();
  return program;
}

FailureOr<Program> Program::read(UnscheduledOp op) { return readProgram(op); }
FailureOr<Program> Program::read(ScheduledOp op) { return readProgram(op); }

TaskOp Program::task(Component component, Phase phase, int64_t stage) const {
  return byAction.lookup(keyOf(component, phase, stage));
}

TaskOp Program::taskOf(uint32_t rank, const planning::Action &action) const {
  auto component = static_cast<Component>(action.component);
  auto phase = static_cast<Phase>(action.phase);
  planning::RankRange range = ranksOf(component);
  if (!range.contains(rank))
    return nullptr;
  return task(component, phase,
              static_cast<int64_t>(action.chunk) * range.count + (rank - range.first));
}

uint32_t Program::rankOf(TaskOp task, uint32_t microbatch) const {
  planning::RankRange range = ranksOf(task.getComponent());
  return range.rankOf(task.getComponent() == Component::llm ? task.getStage() : microbatch);
}

planning::Action Program::actionOf(TaskOp task, uint32_t microbatch) const {
  planning::Phase phase = toPlanning(task.getPhase());
  planning::RankRange range = ranksOf(task.getComponent());
  if (task.getComponent() == Component::llm)
    return planning::Action::llm(phase, task.getStage() / range.count, microbatch);
  return planning::Action::ofMicrobatch(toPlanning(task.getComponent()), phase, microbatch, range);
}

planning::Workload Program::workload(uint32_t microbatches) const {
  planning::Workload workload;
  workload.ranks = numRanks;
  workload.chunks = numChunks;
  workload.microbatches = microbatches;
  workload.placement = explicitPlacement;
  workload.hasEncoder = static_cast<bool>(task(Component::encoder, Phase::forward, 0));
  workload.encoderBackward = static_cast<bool>(task(Component::encoder, Phase::backward, 0));
  workload.hasGenerator = static_cast<bool>(task(Component::generator, Phase::forward_backward, 0));
  for (int64_t stage = 0; stage < stages(); ++stage) {
    workload.stageBackward.push_back(
        static_cast<bool>(task(Component::llm, Phase::backward, stage)));
    workload.stageWeightGradient.push_back(
        static_cast<bool>(task(Component::llm, Phase::weight_gradient, stage)));
  }
  return workload;
}

planning::Schedule bigmac::pipeline::scheduleOf(ScheduledOp scheduled, const Program &program) {
  planning::Schedule schedule;
  schedule.ranks = scheduled.getRanks();
  schedule.chunks = scheduled.getChunks();
  schedule.microbatches = scheduled.getMicrobatches();
  schedule.placement = program.placement();
  schedule.window = scheduled.getWindow();
  schedule.warmupExtra = scheduled.getWarmupExtra();
  schedule.splitBackward =
      llvm::is_contained(program.workload(schedule.microbatches).stageWeightGradient, true);
  schedule.orders.resize(schedule.ranks);
  for (auto order : scheduled.getBody()->getOps<OrderOp>())
    schedule.orders[order.getRank()] = unpackActions(
        order.getActions(),
        schedule.placement.value_or(planning::RankPlacement::everywhere(schedule.ranks)));
  return schedule;
}

void ProgramDependencies::append(uint32_t rank, const planning::Action &consumer,
                                 std::vector<planning::Dependency> &producers) const {
  TaskOp task = program.taskOf(rank, consumer);
  if (!task)
    return;
  bool ownForward = false, ownBackward = false;
  // Several values of one producer are one dependency on the same rank, a transfer each between
  // ranks.
  DenseSet<Value> seen;
  DenseSet<Operation *> local;
  for (Value input : task.getInputs()) {
    auto producer = input.getDefiningOp<TaskOp>();
    if (!producer || !seen.insert(input).second)
      continue;
    uint32_t from = program.rankOf(producer, consumer.microbatch);
    if (from == rank && !local.insert(producer).second)
      continue;
    uint32_t channel = from == rank ? 0 : program.channelOf(input);
    producers.push_back({from, channel, program.actionOf(producer, consumer.microbatch)});
    bool own =
        producer.getComponent() == task.getComponent() && producer.getStage() == task.getStage();
    ownForward |= own && producer.getPhase() == Phase::forward;
    ownBackward |= own && producer.getPhase() == Phase::backward;
  }
  // A backward comes after its forward, a weight gradient after its backward, even where they need
  // nothing of them.
  if (!ownForward && task.getPhase() != Phase::forward)
    if (TaskOp forward = program.task(task.getComponent(), Phase::forward, task.getStage()))
      producers.push_back({rank, 0, program.actionOf(forward, consumer.microbatch)});
  if (!ownBackward && task.getPhase() == Phase::weight_gradient)
    if (TaskOp backward = program.task(task.getComponent(), Phase::backward, task.getStage()))
      producers.push_back({rank, 0, program.actionOf(backward, consumer.microbatch)});
}
