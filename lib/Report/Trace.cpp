//===- Trace.cpp - The report as a Perfetto or Chrome trace ---------------===//

#include "bigmac/Report/Trace.h"
#include "Encoding.h"
#include "lib/Planning/ActionGraph.h"

#include <array>
#include <charconv>

namespace bigmac::report {

using namespace planning;

namespace {

std::string quoted(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class TraceWriter {
public:
  TraceWriter(const std::function<void(std::string_view)> &write) : write(write) {
    write("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
  }
  ~TraceWriter() { write("\n]}\n"); }

  Status add(const Content &content) {
    Result<ActionIndex> index = ActionIndex::build(*content.schedule);
    if (!index)
      return index.error();
    Result<ActionGraph> graph =
        ActionGraph::build(*content.schedule, *index, *content.dependencies);
    if (!graph)
      return graph.error();
    ++process;
    event("M", "process_name", 0, ",\"args\":{\"name\":" + quoted(content.name) + "}");
    for (uint32_t rank = 0; rank < content.schedule->ranks; ++rank) {
      event("M", "thread_name", rank, ",\"args\":{\"name\":\"rank " + std::to_string(rank) + "\"}");
      event("M", "thread_sort_index", rank,
            ",\"args\":{\"sort_index\":" + std::to_string(rank) + "}");
      addActions(content, rank);
      addFlows(content, *graph, rank);
      if (content.memory)
        addMemory(content, rank);
    }
    return Status::success();
  }

private:
  /// Microseconds, the shortest text that is the same number.
  static std::string micros(double seconds) {
    std::array<char, 32> buffer;
    auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), seconds * 1e6);
    return std::string(buffer.data(), error == std::errc() ? end : buffer.data());
  }

  void event(std::string_view phase, std::string_view name, uint32_t rank,
             const std::string &rest) {
    std::string text = first ? "\n" : ",\n";
    first = false;
    text += "{\"ph\":\"";
    text += phase;
    text += "\",\"name\":\"";
    text += name;
    text +=
        "\",\"pid\":" + std::to_string(process) + ",\"tid\":" + std::to_string(rank) + rest + "}";
    write(text);
  }

  void addActions(const Content &content, uint32_t rank) {
    for (size_t i = 0; i < content.schedule->orders[rank].size(); ++i) {
      const Action &action = content.schedule->orders[rank][i];
      double start = content.timing->start[rank][i], end = content.timing->end[rank][i];
      std::string rest = ",\"cat\":\"" + std::string(componentName(action.component)) +
                         "\",\"ts\":" + micros(start) + ",\"dur\":" + micros(end - start) +
                         ",\"args\":{\"microbatch\":" + std::to_string(action.microbatch);
      if (action.component == Component::Llm)
        rest += ",\"chunk\":" + std::to_string(action.chunk);
      else
        rest += ",\"unit\":" + std::to_string(action.unit);
      event("X", kindName(action), rank, rest + "}");
    }
  }

  /// A flow is bound to the slices that enclose its two ends, so both are in their middles: at a
  /// slice's border it might be bound to the neighbour.
  void addFlows(const Content &content, const ActionGraph &graph, uint32_t rank) {
    for (uint32_t id = graph.rankBegin[rank]; id < graph.rankBegin[rank + 1]; ++id)
      for (Edge edge : graph.producers(id)) {
        uint32_t from = graph.rankOf(edge.producer);
        if (from == rank)
          continue;
        std::string number = ",\"cat\":\"transfer\",\"id\":" + std::to_string(++flows);
        event("s", "transfer", from,
              number + ",\"ts\":" + middle(content, from, edge.producer - graph.rankBegin[from]));
        event("f", "transfer", rank,
              number + ",\"bp\":\"e\",\"ts\":" + middle(content, rank, id - graph.rankBegin[rank]));
      }
  }

  static std::string middle(const Content &content, uint32_t rank, uint32_t i) {
    return micros((content.timing->start[rank][i] + content.timing->end[rank][i]) / 2);
  }

  void addMemory(const Content &content, uint32_t rank) {
    const Memory &memory = *content.memory;
    std::vector<int64_t> now(memory.base[rank].begin(), memory.base[rank].end());
    counter(memory, rank, 0, now);
    const std::vector<MemoryStep> &steps = memory.steps[rank];
    for (size_t i = 0; i < steps.size(); ++i) {
      now[steps[i].memoryClass] += steps[i].bytes;
      bool last = i + 1 == steps.size() || steps[i + 1].action != steps[i].action ||
                  steps[i + 1].atEnd != steps[i].atEnd;
      if (last)
        counter(
            memory, rank,
            (steps[i].atEnd ? content.timing->end : content.timing->start)[rank][steps[i].action],
            now);
    }
  }

  void counter(const Memory &memory, uint32_t rank, double seconds,
               const std::vector<int64_t> &values) {
    std::string rest = ",\"ts\":" + micros(seconds) + ",\"args\":{";
    for (size_t i = 0; i < values.size(); ++i)
      rest += (i ? "," : "") + quoted(memory.classes[i]) + ":" + std::to_string(values[i]);
    event("C", "memory, rank " + std::to_string(rank), rank, rest + "}");
  }

  const std::function<void(std::string_view)> &write;
  uint64_t process = 0, flows = 0;
  bool first = true;
};

} // namespace

Status writeTrace(std::span<const Content> schedules,
                  const std::function<void(std::string_view)> &write) {
  for (const Content &content : schedules)
    if (Status status = checkContent(content); !status)
      return status;
  TraceWriter writer(write);
  for (const Content &content : schedules)
    if (Status status = writer.add(content); !status)
      return status;
  return Status::success();
}

} // namespace bigmac::report
