#include "Trace.h"

#include "Together.h"
#include "bigmac-rt/Error.h"

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

namespace bigmac::rt {

using nlohmann::json;

void Trace::enable(size_t events) {
  capacity = events;
  buffer.reserve(events);
}

static const char *componentName(uint8_t component) {
  static const char *const names[] = {"llm", "encoder", "generator"};
  return component < BM_NO_COMPONENT ? names[component] : "";
}

static std::string instrName(const PlanView &plan, const bm_instr &instr) {
  switch (instr.op) {
  case BM_OP_RUN:
    return std::string(plan.text(plan.tasks()[instr.index].name));
  case BM_OP_LOAD_INPUT:
    return "load " + std::string(plan.text(plan.inputs()[instr.index].name));
  case BM_OP_SEND:
    return "send to rank " + std::to_string(instr.peer);
  case BM_OP_RECV:
    return "receive from rank " + std::to_string(instr.peer);
  case BM_OP_OFFLOAD:
    return "offload";
  case BM_OP_FETCH:
    return "fetch";
  case BM_OP_WAIT:
    return "wait";
  case BM_OP_ZERO:
    return "zero";
  case BM_OP_RECORD:
    return "record " + std::string(plan.text(plan.scalars()[instr.index].name));
  default:
    return "copy";
  }
}

static json arguments(const bm_instr &instr, uint64_t step) {
  json args = {{"step", step}};
  if (!actionKind(instr).empty())
    args["kind"] = actionKind(instr);
  if (instr.component < BM_NO_COMPONENT)
    args["component"] = componentName(instr.component);
  if (instr.chunk >= 0)
    args["chunk"] = instr.chunk;
  if (instr.microbatch >= 0)
    args["microbatch"] = instr.microbatch;
  if (instr.unit >= 0)
    args["unit"] = instr.unit;
  if (instr.op == BM_OP_SEND || instr.op == BM_OP_RECV || instr.op == BM_OP_OFFLOAD ||
      instr.op == BM_OP_FETCH)
    args["bytes"] = instr.bytes;
  return args;
}

static bool sameAction(const bm_instr &a, const bm_instr &b) {
  return a.component == b.component && a.phase == b.phase && a.chunk == b.chunk &&
         a.microbatch == b.microbatch && a.unit == b.unit;
}

std::string Trace::events(const PlanView &plan, uint32_t worldRank) const {
  std::string text;
  auto emit = [&](json event) {
    event["pid"] = worldRank;
    event["tid"] = 0;
    if (!text.empty())
      text += ",\n";
    text += event.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  auto span = [&](const std::string &name, const char *category, uint64_t begin, uint64_t end,
                  const json &args) {
    double start = begin > origin ? static_cast<double>(begin - origin) : 0;
    emit({{"ph", "X"},
          {"name", name},
          {"cat", category},
          {"ts", start / 1000},
          {"dur", static_cast<double>(end - begin) / 1000},
          {"args", args}});
  };
  uint32_t ranks = plan.header().ranks;
  std::string label = "rank " + std::to_string(worldRank);
  if (plan.header().replicas > 1)
    label += " (replica " + std::to_string(worldRank / ranks) + ", pipeline rank " +
             std::to_string(worldRank % ranks) + ")";
  emit({{"ph", "M"}, {"name", "process_name"}, {"args", {{"name", label}}}});
  emit({{"ph", "M"}, {"name", "process_sort_index"}, {"args", {{"sort_index", worldRank}}}});

  for (size_t i = 0; i < buffer.size(); ++i) {
    const Event &event = buffer[i];
    if (!event.instr) {
      span(event.name, "step", event.begin, event.end, {{"step", event.step}});
      continue;
    }
    // An action: the tasks that follow one another under one label, as one span around them.
    bool isRun = event.instr->op == BM_OP_RUN && event.instr->component < BM_NO_COMPONENT;
    bool starts = isRun && !(i > 0 && buffer[i - 1].instr && buffer[i - 1].instr->op == BM_OP_RUN &&
                             buffer[i - 1].step == event.step &&
                             sameAction(*buffer[i - 1].instr, *event.instr));
    if (starts) {
      size_t last = i;
      while (last + 1 < buffer.size() && buffer[last + 1].instr &&
             buffer[last + 1].instr->op == BM_OP_RUN && buffer[last + 1].step == event.step &&
             sameAction(*buffer[last + 1].instr, *event.instr))
        ++last;
      span(actionName(*event.instr), "action", event.begin, buffer[last].end,
           arguments(*event.instr, event.step));
    }
    span(instrName(plan, *event.instr), isRun ? "task" : "step", event.begin, event.end,
         arguments(*event.instr, event.step));
  }
  if (dropped)
    emit({{"ph", "i"},
          {"name", std::to_string(dropped) + " events did not fit"},
          {"s", "p"},
          {"ts", buffer.empty() ? 0.0 : static_cast<double>(buffer.back().end - origin) / 1000}});
  return text;
}

/// What the program and its tasks are, for who reads the times (bigmac-opt --profile).
static std::string programEvents(const PlanView &plan) {
  static const char *const phases[] = {"forward", "backward", "weight_gradient",
                                       "forward_backward"};
  const bm_plan &h = plan.header();
  uint64_t bytes = 0;
  for (const bm_param &param : plan.params())
    bytes += plan.bytes(param);
  auto dump = [](const char *name, json args) {
    json event = {{"ph", "M"}, {"name", name}, {"pid", 0}, {"tid", 0}, {"args", std::move(args)}};
    return event.dump(-1, ' ', false, json::error_handler_t::replace) + ",\n";
  };
  std::string text = dump("bigmac_program", {{"model", plan.text(h.model)},
                                             {"ranks", h.ranks},
                                             {"replicas", h.replicas},
                                             {"microbatches", h.microbatches},
                                             {"samples", h.samples},
                                             {"parameters", plan.params().size()},
                                             {"parameter_bytes", bytes}});
  for (const bm_task &task : plan.tasks()) {
    // All buffers but the last, the workspace.
    auto sizes = plan.table<uint64_t>(task.arg_bytes);
    sizes = sizes.first(sizes.empty() ? 0 : sizes.size() - 1);
    text +=
        dump("bigmac_task", {{"task", plan.text(task.name)},
                             {"component", componentName(task.component)},
                             {"phase", task.phase < BM_NO_PHASE ? phases[task.phase] : ""},
                             {"buffers", sizes.size()},
                             {"bytes", std::accumulate(sizes.begin(), sizes.end(), uint64_t(0))}});
  }
  return text;
}

void writeTrace(const Trace &trace, const PlanView &plan, Comm &comm, const std::string &path) {
  comm.setOperation("gathering the trace");
  auto texts = comm.gather(trace.events(plan, comm.rank()));
  together(comm, [&] {
    if (comm.rank() != 0)
      return;
    std::FILE *file = std::fopen(path.c_str(), "w");
    if (!file)
      throw RuntimeError("cannot open " + systemError(path, errno));
    std::fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", file);
    std::string program = programEvents(plan);
    std::fwrite(program.data(), 1, program.size(), file);
    for (size_t r = 0; r < texts.size(); ++r) {
      std::fputs(r ? ",\n" : "", file);
      std::fwrite(texts[r].data(), 1, texts[r].size(), file);
    }
    std::fputs("\n]}\n", file);
    bool bad = std::ferror(file) != 0;
    if (std::fclose(file) != 0 || bad)
      throw RuntimeError("cannot write " + systemError(path, errno));
  });
}

} // namespace bigmac::rt
