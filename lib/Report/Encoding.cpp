//===- Encoding.cpp - A schedule as a page carries it ---------------------===//

#include "Encoding.h"
#include "Columns.h"
#include "lib/Planning/ActionGraph.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace bigmac::report {

using namespace planning;
using nlohmann::ordered_json;

namespace {

constexpr uint32_t phases = 4, kinds = 3 * phases;

uint32_t kindOf(const Action &action) {
  return static_cast<uint32_t>(action.component) * phases + static_cast<uint32_t>(action.phase);
}

/// The power of two of which 2^36 make at least the makespan.
double tickFor(double makespan) {
  int exponent = 0;
  std::frexp(makespan, &exponent);
  return std::ldexp(1.0, exponent - 36);
}

class Encoder {
public:
  Encoder(const Content &content, const ActionGraph &graph)
      : content(content), schedule(*content.schedule), graph(graph),
        tick(tickFor(content.timing->makespan)) {}

  Result<Encoded> encode() {
    for (uint32_t rank = 0; rank < schedule.ranks; ++rank)
      addRank(rank);
    if (content.memory)
      addMemory(*content.memory);
    std::string bytes;
    ordered_json lengths = ordered_json::object();
    for (auto [name, column] : std::initializer_list<std::pair<const char *, const Column *>>{
             {"kind", &kind},
             {"chunk", &chunk},
             {"unit", &unit},
             {"microbatch", &microbatch},
             {"gap", &gap},
             {"duration", &duration},
             {"producers", &producers},
             {"rank", &producerRank},
             {"position", &producerPosition},
             {"slot", &slot},
             {"class", &memoryClass},
             {"change", &change}}) {
      lengths[name] = column->bytes().size();
      bytes += column->bytes();
    }
    Result<std::string> packed = deflated(bytes);
    if (!packed)
      return packed.error();
    Encoded encoded{meta(), base64(*packed)};
    encoded.meta["columns"] = std::move(lengths);
    return encoded;
  }

private:
  uint64_t ticks(double seconds) const {
    return static_cast<uint64_t>(std::llround(std::max(0.0, seconds) / tick));
  }

  void addRank(uint32_t rank) {
    const std::vector<Action> &order = schedule.orders[rank];
    // By kind and chunk.
    std::map<std::pair<uint32_t, uint32_t>, Last> lasts;
    uint64_t now = 0;
    for (uint32_t i = 0; i < order.size(); ++i) {
      const Action &action = order[i];
      Last &last = lasts[{kindOf(action), action.chunk}];
      kind.add(kindOf(action));
      if (action.component == Component::Llm)
        chunk.add(action.chunk);
      else
        unit.addSigned(int64_t(action.unit) - int64_t(action.microbatch / schedule.ranks));
      microbatch.addSigned(int64_t(action.microbatch) - int64_t(last.microbatch));
      last.microbatch = action.microbatch;
      uint64_t start = std::max(now, ticks(content.timing->start[rank][i]));
      uint64_t end = std::max(start, ticks(content.timing->end[rank][i]));
      gap.add(start - now);
      duration.add(end - start);
      now = end;
      addProducers(rank, graph.rankBegin[rank] + i, last);
    }
  }

  /// What the next action of one kind and chunk is predicted from.
  struct Last {
    uint32_t microbatch = 0;
    std::array<uint32_t, 4> position = {};
  };

  void addProducers(uint32_t rank, uint32_t id, Last &last) {
    auto edges = graph.producers(id);
    producers.add(edges.size());
    for (size_t i = 0; i < edges.size(); ++i) {
      uint32_t from = graph.rankOf(edges[i].producer);
      uint32_t position = edges[i].producer - graph.rankBegin[from];
      producerRank.addSigned(int64_t(from) - int64_t(rank));
      uint32_t &before = last.position[i % last.position.size()];
      producerPosition.addSigned(int64_t(position) - int64_t(before));
      before = position;
    }
  }

  void addMemory(const Memory &memory) {
    for (const std::vector<MemoryStep> &steps : memory.steps) {
      uint64_t before = 0;
      for (const MemoryStep &step : steps) {
        uint64_t at = 2 * uint64_t(step.action) + step.atEnd;
        slot.add(at - before);
        before = at;
        memoryClass.add(step.memoryClass);
        change.addSigned(step.bytes);
      }
    }
  }

  ordered_json meta() const {
    const Figures &figures = *content.figures;
    ordered_json meta;
    meta["name"] = content.name;
    meta["ranks"] = schedule.ranks;
    meta["chunks"] = schedule.chunks;
    meta["microbatches"] = schedule.microbatches;
    meta["tick"] = tick;
    meta["transfer"] = content.transfer;
    ordered_json &shown = meta["figures"];
    shown["makespan"] = figures.makespan;
    shown["bound"] = figures.bound;
    shown["tightBound"] = figures.tightBound;
    shown["bubble"] = figures.bubble;
    shown["window"] = schedule.window;
    shown["warmupExtra"] = schedule.warmupExtra;
    shown["encoderUnits"] = figures.peakEncoderUnits;
    shown["generatorUnits"] = figures.peakGeneratorUnits;
    shown["llmMicrobatches"] = figures.peakLlmMicrobatches;
    shown["pendingWeightGradients"] = figures.peakPendingWeightGradients;
    shown["peakBytes"] = figures.peakBytes;
    shown["actions"] = figures.actions;
    meta["notes"] = content.notes;
    for (const std::vector<Action> &order : schedule.orders)
      meta["counts"].push_back(order.size());
    for (uint32_t kind = 0; kind < kinds; ++kind) {
      Action action;
      action.component = static_cast<Component>(kind / phases);
      action.phase = static_cast<Phase>(kind % phases);
      meta["kinds"].push_back(kindName(action));
    }
    if (content.memory) {
      ordered_json &memory = meta["memory"];
      memory["classes"] = content.memory->classes;
      memory["base"] = content.memory->base;
      for (const auto &steps : content.memory->steps)
        memory["counts"].push_back(steps.size());
      if (content.memory->limit)
        memory["limit"] = *content.memory->limit;
    }
    return meta;
  }

  const Content &content;
  const Schedule &schedule;
  const ActionGraph &graph;
  double tick;
  Column kind, chunk, unit, microbatch, gap, duration, producers, producerRank, producerPosition,
      slot, memoryClass, change;
};

Status checkMemory(const Content &content) {
  const Memory &memory = *content.memory;
  const Schedule &schedule = *content.schedule;
  if (memory.base.size() != schedule.ranks || memory.steps.size() != schedule.ranks)
    return Error{content.name + ": the memory is of another number of ranks"};
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    if (memory.base[rank].size() != memory.classes.size())
      return Error{content.name + ": rank " + std::to_string(rank) + " has " +
                   std::to_string(memory.base[rank].size()) + " classes of memory, expected " +
                   std::to_string(memory.classes.size())};
    std::vector<int64_t> now(memory.base[rank].begin(), memory.base[rank].end());
    uint64_t before = 0;
    for (const MemoryStep &step : memory.steps[rank]) {
      uint64_t at = 2 * uint64_t(step.action) + step.atEnd;
      if (at < before || step.action >= schedule.orders[rank].size() ||
          step.memoryClass >= memory.classes.size() || (now[step.memoryClass] += step.bytes) < 0)
        return Error{content.name + ": rank " + std::to_string(rank) +
                     " has a memory step out of order, of no action or class, or below 0 bytes"};
      before = at;
    }
  }
  return Status::success();
}

} // namespace

Status checkContent(const Content &content) {
  const Schedule &schedule = *content.schedule;
  bool same = content.timing->start.size() == schedule.ranks &&
              content.timing->end.size() == schedule.ranks;
  for (uint32_t rank = 0; same && rank < schedule.ranks; ++rank)
    same = content.timing->start[rank].size() == schedule.orders[rank].size() &&
           content.timing->end[rank].size() == schedule.orders[rank].size();
  if (!same)
    return Error{content.name + ": the timing is of another schedule"};
  return content.memory ? checkMemory(content) : Status::success();
}

Result<Encoded> encode(const Content &content) {
  if (Status status = checkContent(content); !status)
    return status.error();
  Result<ActionIndex> index = ActionIndex::build(*content.schedule);
  if (!index)
    return index.error();
  Result<ActionGraph> graph = ActionGraph::build(*content.schedule, *index, *content.dependencies);
  if (!graph)
    return graph.error();
  return Encoder(content, *graph).encode();
}

} // namespace bigmac::report
