//===- RankProgram.cpp - Buffers and transfers of one rank -----------------===//

#include "RankProgram.h"

#include "bigmac/Support/ByteSize.h"
#include "llvm/ADT/MapVector.h"

#include <map>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

static bm_memory memoryOf(Component component) {
  switch (component) {
  case Component::llm:
    return BM_MEM_LLM;
  case Component::encoder:
    return BM_MEM_ENCODER;
  case Component::generator:
    return BM_MEM_GENERATOR;
  }
  llvm_unreachable("unknown component");
}

namespace {

class RankBuilder {
public:
  RankBuilder(const Program &program, const planning::Schedule &schedule,
              const planning::Timing &timing)
      : program(program), schedule(schedule), timing(timing), ranks(schedule.ranks),
        held(schedule.ranks) {}

  FailureOr<std::vector<RankProgram>> run();

private:
  using Instance = std::pair<Value, uint32_t>;

  unsigned addBuffer(uint32_t rank, uint64_t lower, uint64_t upper, uint64_t bytes,
                     bm_memory memory, uint32_t ring = 0) {
    planning::Buffer life;
    life.lower = lower;
    life.upper = upper;
    life.size = bytes;
    life.alignment = BM_REGION_ALIGN;
    ranks[rank].buffers.push_back({life, memory, ring, Value(), 0, {}, 0});
    return ranks[rank].buffers.size() - 1;
  }
  /// A buffer for an instance of a task's value, in use at action `lower`.
  unsigned addValue(uint32_t rank, uint64_t lower, uint64_t upper, Value value, uint32_t microbatch,
                    bm_memory memory) {
    unsigned buffer =
        addBuffer(rank, lower, upper, byteSize(value.getType()), memory, program.channelOf(value));
    RankBuffer &added = ranks[rank].buffers[buffer];
    added.value = value;
    added.microbatch = microbatch;
    added.uses.push_back(lower);
    held[rank][{value, microbatch}] = buffer;
    return buffer;
  }
  /// It is needed until action `upper` - 1 has ended.
  void extend(uint32_t rank, unsigned index, uint64_t upper) {
    RankBuffer &buffer = ranks[rank].buffers[index];
    buffer.life.upper = std::max(buffer.life.upper, upper);
    uint32_t last = upper - 1;
    auto place = llvm::lower_bound(buffer.uses, last);
    if (place == buffer.uses.end() || *place != last)
      buffer.uses.insert(place, last);
  }
  void placeResults(uint32_t rank, uint32_t position);
  void placeInputs(uint32_t rank, uint32_t position);
  void addReceive(uint32_t rank, uint32_t position, Value value, uint32_t microbatch,
                  uint32_t from);
  void addSends();
  LogicalResult checkChannels() const;

  const Program &program;
  const planning::Schedule &schedule;
  const planning::Timing &timing;
  std::vector<RankProgram> ranks;
  /// By rank: the buffer that holds a value of a microbatch.
  std::vector<DenseMap<Instance, unsigned>> held;
  /// By rank: the action that makes a value of a microbatch.
  struct Pending {
    uint32_t from, to;
    Value value;
    uint32_t microbatch;
    double posted;
    size_t order;
  };
  std::vector<Pending> pending;
  DenseMap<Instance, std::pair<uint32_t, uint32_t>> made;
};

} // namespace

void RankBuilder::placeResults(uint32_t rank, uint32_t position) {
  const planning::Action &action = schedule.orders[rank][position];
  TaskOp task = program.taskOf(rank, action);
  for (Value output : task.getOutputs()) {
    addValue(rank, position, position + 1, output, action.microbatch,
             memoryOf(task.getComponent()));
    made[{output, action.microbatch}] = {rank, position};
  }
}

void RankBuilder::addReceive(uint32_t rank, uint32_t position, Value value, uint32_t microbatch,
                             uint32_t from) {
  // Posted one action early, so that it is under way while that action runs.
  uint32_t posted = position == 0 ? 0 : position - 1;
  unsigned buffer = addValue(rank, posted, position + 1, value, microbatch, BM_MEM_TRANSFERS);
  RankProgram &own = ranks[rank];
  own.post[posted].push_back(own.receives.size());
  own.await[position].push_back(own.receives.size());
  own.receives.push_back({value, microbatch, from, buffer});
  pending.push_back({from, rank, value, microbatch, timing.start[rank][posted], pending.size()});
}

void RankBuilder::placeInputs(uint32_t rank, uint32_t position) {
  const planning::Action &action = schedule.orders[rank][position];
  TaskOp task = program.taskOf(rank, action);
  RankProgram &own = ranks[rank];
  SmallVector<unsigned, 0> &operands = own.operands[position];
  DenseMap<Value, unsigned> loaded;
  for (auto [i, input] : llvm::enumerate(task.getInputs())) {
    auto producer = input.getDefiningOp<TaskOp>();
    if (!producer) {
      auto [it, inserted] = loaded.try_emplace(input, 0);
      if (inserted) {
        it->second =
            addBuffer(rank, position, position + 1, byteSize(input.getType()), BM_MEM_INPUTS);
        own.loads[position].push_back(i);
      }
      operands.push_back(it->second);
      continue;
    }
    Instance instance{input, action.microbatch};
    auto it = held[rank].find(instance);
    if (it == held[rank].end()) {
      addReceive(rank, position, input, action.microbatch,
                 program.rankOf(producer, action.microbatch));
      it = held[rank].find(instance);
    }
    extend(rank, it->second, position + 1);
    operands.push_back(it->second);
  }
  for (Value output : task.getOutputs())
    operands.push_back(held[rank].lookup({output, action.microbatch}));
  operands.push_back(task.getWorkspace() ? addBuffer(rank, position, position + 1,
                                                     task.getWorkspace(), BM_MEM_WORKSPACE)
                                         : RankProgram::kNoBuffer);
}

void RankBuilder::addSends() {
  // By producer, then in the order in which the receivers post.
  llvm::sort(pending, [](const Pending &a, const Pending &b) {
    return std::tie(a.posted, a.order) < std::tie(b.posted, b.order);
  });
  for (const Pending &message : pending) {
    auto [rank, position] = made.lookup({message.value, message.microbatch});
    RankProgram &own = ranks[rank];
    const std::vector<double> &starts = timing.start[rank];
    // Strictly later than the post: waits then only look back in time, and cannot form a cycle.
    // Times that differ by rounding are equal, so that each microbatch is treated alike.
    double later = message.posted + 1e-9 * timing.makespan;
    uint32_t done =
        std::upper_bound(starts.begin() + position + 1, starts.end(), later) - starts.begin();
    unsigned buffer = held[rank].lookup({message.value, message.microbatch});
    extend(rank, buffer, done);
    uint32_t &sent = own.buffers[buffer].sentUntil;
    sent = std::max(sent, done - 1);
    own.start[position].push_back(own.sends.size());
    own.finish[done].push_back(own.sends.size());
    own.sends.push_back({message.value, message.microbatch, message.to, buffer});
  }
}

LogicalResult RankBuilder::checkChannels() const {
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, std::vector<uint32_t>> sent, received;
  for (uint32_t rank = 0; rank < ranks.size(); ++rank) {
    const RankProgram &own = ranks[rank];
    for (uint32_t position = 0; position < schedule.orders[rank].size(); ++position) {
      for (unsigned i : own.post[position]) {
        const Message &m = own.receives[i];
        received[{m.peer, rank, program.channelOf(m.value)}].push_back(m.microbatch);
      }
      for (unsigned i : own.start[position]) {
        const Message &m = own.sends[i];
        sent[{rank, m.peer, program.channelOf(m.value)}].push_back(m.microbatch);
      }
    }
  }
  if (sent == received)
    return success();
  return program.tasks().front()->emitError(
      "the schedule sends and receives the microbatches of a channel in different orders");
}

FailureOr<std::vector<RankProgram>> RankBuilder::run() {
  for (uint32_t rank = 0; rank < ranks.size(); ++rank) {
    size_t count = schedule.orders[rank].size();
    RankProgram &own = ranks[rank];
    own.operands.resize(count);
    own.loads.resize(count);
    own.post.resize(count);
    own.await.resize(count);
    own.start.resize(count);
    own.finish.resize(count + 1);
    for (uint32_t position = 0; position < count; ++position) {
      placeResults(rank, position);
      placeInputs(rank, position);
    }
  }
  addSends();
  if (failed(checkChannels()))
    return failure();
  return std::move(ranks);
}

FailureOr<std::vector<RankProgram>> bigmac::buildRankPrograms(const Program &program,
                                                              const planning::Schedule &schedule,
                                                              const planning::Timing &timing) {
  return RankBuilder(program, schedule, timing).run();
}
