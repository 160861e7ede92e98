//===- HostStays.cpp - Values in the host's memory for a time --------------===//

#include "HostStays.h"

#include "bigmac/Conversion/HostOffload.h"
#include "dialects/Pipeline/Transforms/TaskCosts.h"

#include <map>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

std::optional<planning::Gap> bigmac::widestGap(const RankBuffer &buffer) {
  planning::Gap widest;
  widest.bytes = buffer.life.size;
  for (size_t i = 1; i < buffer.uses.size(); ++i)
    if (buffer.uses[i - 1] >= buffer.sentUntil &&
        buffer.uses[i] - buffer.uses[i - 1] > widest.before - widest.after) {
      widest.after = buffer.uses[i - 1];
      widest.before = buffer.uses[i];
    }
  if (!buffer.value || widest.bytes == 0 || widest.before - widest.after < 2)
    return std::nullopt;
  return widest;
}

planning::RankTimes bigmac::timesOf(const planning::Timing &timing, uint32_t rank) {
  return {timing.start[rank], timing.end[rank]};
}

SmallVector<Value> bigmac::offloadedValues(ScheduledOp scheduled) {
  SmallVector<Value> values;
  for (auto offload : scheduled.getBody()->getOps<OffloadOp>())
    values.push_back(offload.getValue());
  return values;
}

PlannedStays bigmac::planStays(const RankProgram &program, ArrayRef<Value> values,
                               const planning::RankTimes &times, const planning::Link &host) {
  DenseSet<Value> wanted(values.begin(), values.end());
  PlannedStays planned;
  for (auto [index, buffer] : llvm::enumerate(program.buffers)) {
    if (!wanted.contains(buffer.value))
      continue;
    if (std::optional<planning::Gap> gap = widestGap(buffer)) {
      planned.buffers.push_back(index);
      planned.gaps.push_back(*gap);
    }
  }
  planned.trips = planning::planTrips(times, planned.gaps, host);
  return planned;
}

void bigmac::addStays(RankProgram &program, const PlannedStays &planned) {
  size_t count = program.operands.size();
  for (auto *list : {&program.leave, &program.left, &program.fetch, &program.fetched})
    list->resize(count + 1);
  // Rings of their own: the second part of a life is no instance of the first.
  uint32_t rings = 0;
  for (const RankBuffer &buffer : program.buffers)
    rings = std::max(rings, buffer.ring);
  DenseMap<unsigned, std::pair<unsigned, uint32_t>> replaced;
  for (auto [index, gap, trip] : llvm::zip_equal(planned.buffers, planned.gaps, planned.trips.of)) {
    if (!trip.made())
      continue;
    RankBuffer second = program.buffers[index];
    second.life.lower = trip.back;
    second.ring += rings;
    llvm::erase_if(second.uses, [&](uint32_t use) { return use < gap.before; });
    RankBuffer &first = program.buffers[index];
    first.life.upper = trip.gone;
    llvm::erase_if(first.uses, [&](uint32_t use) { return use >= gap.before; });
    unsigned to = program.buffers.size();
    program.buffers.push_back(std::move(second));
    replaced[index] = {to, gap.before};
    // The copy out starts when action `after` has ended; the copy back is there before `before`.
    planning::Buffer life;
    life.lower = gap.after + 1;
    life.upper = gap.before + 1;
    life.size = gap.bytes;
    life.alignment = BM_REGION_ALIGN;
    unsigned stay = program.stays.size();
    program.stays.push_back({static_cast<unsigned>(index), to, life});
    program.leave[gap.after].push_back(stay);
    program.left[trip.gone].push_back(stay);
    program.fetch[trip.back].push_back(stay);
    program.fetched[gap.before].push_back(stay);
  }
  auto replace = [&](unsigned &buffer, size_t position) {
    auto it = replaced.find(buffer);
    if (it != replaced.end() && position >= it->second.second)
      buffer = it->second.first;
  };
  for (auto [position, operands] : llvm::enumerate(program.operands))
    for (unsigned &buffer : operands)
      replace(buffer, position);
  // A send that starts after the stay reads the second buffer.
  for (auto [position, sends] : llvm::enumerate(program.start))
    for (unsigned send : sends)
      replace(program.sends[send].buffer, position);
}

namespace {

/// A scheduled program, its ranks' buffers and times.
struct Executed {
  Program program;
  planning::Timing timing;
  std::vector<RankProgram> ranks;
};

} // namespace

static FailureOr<Executed> executeProgram(ScheduledOp scheduled, ModuleOp module,
                                          const CostModel &model) {
  FailureOr<Program> program = Program::read(scheduled);
  if (failed(program))
    return failure();
  planning::Schedule schedule = scheduleOf(scheduled, *program);
  FailureOr<planning::Costs> costs = taskCosts(*program, module, model);
  if (failed(costs))
    return failure();
  ProgramDependencies dependencies(*program);
  auto timing = planning::execute(schedule, dependencies, *costs);
  // As the conversion times it.
  auto nominal = planning::execute(schedule, dependencies, taskCosts(*program, module));
  if (!timing || !nominal)
    return scheduled.emitError("cannot execute the schedule: ")
           << (timing ? nominal.message() : timing.message());
  FailureOr<std::vector<RankProgram>> ranks = buildRankPrograms(*program, schedule, *nominal);
  if (failed(ranks))
    return failure();
  return Executed{std::move(*program), std::move(*timing), std::move(*ranks)};
}

/// Bytes that buffers take, by action.
static std::vector<uint64_t> liveBytes(const RankProgram &program) {
  size_t count = program.operands.size();
  std::vector<int64_t> change(count + 1, 0);
  for (const RankBuffer &buffer : program.buffers) {
    auto bytes = static_cast<int64_t>(llvm::alignTo(buffer.life.size, BM_REGION_ALIGN));
    change[std::min<size_t>(buffer.life.lower, count)] += bytes;
    change[std::min<size_t>(buffer.life.upper, count)] -= bytes;
  }
  std::vector<uint64_t> live;
  int64_t bytes = 0;
  for (size_t position = 0; position < count; ++position)
    live.push_back(bytes += change[position]);
  return live;
}

FailureOr<OffloadFacts> bigmac::offloadFacts(ScheduledOp scheduled, ModuleOp module,
                                             const CostModel &model) {
  FailureOr<Executed> executed = executeProgram(scheduled, module, model);
  if (failed(executed))
    return failure();
  const Program &program = executed->program;
  OffloadFacts facts;
  facts.problem.host = model.device.host;
  // By number, so that the order is the program's.
  std::map<uint32_t, size_t> known;
  for (auto [rank, own] : llvm::enumerate(executed->ranks)) {
    facts.problem.times.push_back(timesOf(executed->timing, rank));
    facts.problem.live.push_back(liveBytes(own));
    for (const RankBuffer &buffer : own.buffers) {
      std::optional<planning::Gap> gap = widestGap(buffer);
      if (!gap)
        continue;
      uint32_t number = program.channelOf(buffer.value);
      auto [it, inserted] = known.try_emplace(number, facts.numbers.size());
      if (inserted) {
        facts.values.push_back(buffer.value);
        facts.numbers.push_back(number);
        facts.makers.push_back(buffer.value.getDefiningOp<TaskOp>());
        facts.problem.values.emplace_back();
      }
      std::vector<planning::OffloadValue::Use> &uses = facts.problem.values[it->second].uses;
      if (uses.empty() || uses.back().rank != rank)
        uses.push_back({static_cast<uint32_t>(rank), {}});
      uses.back().gaps.push_back(*gap);
    }
  }
  return facts;
}

FailureOr<OffloadFigures> bigmac::offloadFigures(ScheduledOp scheduled, ModuleOp module,
                                                 const CostModel &model) {
  FailureOr<Executed> executed = executeProgram(scheduled, module, model);
  if (failed(executed))
    return failure();
  SmallVector<Value> values = offloadedValues(scheduled);
  OffloadFigures figures;
  DenseMap<Value, size_t> index;
  for (Value value : values) {
    index[value] = figures.values.size();
    OffloadFigures::Value &added = figures.values.emplace_back();
    added.number = executed->program.channelOf(value);
    added.task = value.getDefiningOp<TaskOp>().getCallee().str();
  }
  for (auto [rank, own] : llvm::enumerate(executed->ranks)) {
    PlannedStays planned =
        planStays(own, values, timesOf(executed->timing, rank), model.device.host);
    figures.seconds.push_back(planned.trips.seconds);
    figures.exposed.push_back(planned.trips.exposed);
    for (auto [buffer, gap, trip] :
         llvm::zip_equal(planned.buffers, planned.gaps, planned.trips.of)) {
      OffloadFigures::Value &value = figures.values[index.lookup(own.buffers[buffer].value)];
      value.bytes = gap.bytes;
      ++(trip.made() ? value.moved : value.stayed);
    }
  }
  return figures;
}
