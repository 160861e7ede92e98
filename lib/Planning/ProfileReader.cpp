//===- ProfileReader.cpp - Times from a trace -----------------------------===//
//
// Traces hold millions of events, so they are read as a stream, event by event.
//
//===----------------------------------------------------------------------===//

#include "JsonFields.h"
#include "bigmac/Planning/Profile.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace bigmac::planning {

namespace {

constexpr size_t maxFileBytes = size_t(2) << 30;
constexpr size_t maxDepth = 16;
constexpr size_t maxText = 256;
constexpr size_t maxEvents = 1u << 25;
constexpr size_t maxTasks = 1u << 20;
constexpr double maxCount = 1e15;

/// The members that are read, of an event and of its "args".
struct Event {
  std::string ph, name, cat, component, kind, task, phase, model;
  double ts = -1, dur = -1, pid = -1, step = -1, chunk = -1, microbatch = -1, unit = -1;
  double buffers = -1, bytes = -1, ranks = -1, replicas = -1, microbatches = -1, samples = -1,
         parameters = -1, parameterBytes = -1;

  std::string *text(std::string_view key, bool inArgs) {
    if (!inArgs)
      return key == "ph" ? &ph : key == "name" ? &name : key == "cat" ? &cat : nullptr;
    return key == "component" ? &component
           : key == "kind"    ? &kind
           : key == "task"    ? &task
           : key == "phase"   ? &phase
           : key == "model"   ? &model
                              : nullptr;
  }
  double *number(std::string_view key, bool inArgs) {
    if (!inArgs)
      return key == "ts" ? &ts : key == "dur" ? &dur : key == "pid" ? &pid : nullptr;
    return key == "step"              ? &step
           : key == "chunk"           ? &chunk
           : key == "microbatch"      ? &microbatch
           : key == "unit"            ? &unit
           : key == "buffers"         ? &buffers
           : key == "bytes"           ? &bytes
           : key == "ranks"           ? &ranks
           : key == "replicas"        ? &replicas
           : key == "microbatches"    ? &microbatches
           : key == "samples"         ? &samples
           : key == "parameters"      ? &parameters
           : key == "parameter_bytes" ? &parameterBytes
                                      : nullptr;
  }
};

template <typename T> double median(std::vector<T> &values) {
  size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + middle, values.end());
  double upper = values[middle];
  if (values.size() % 2)
    return upper;
  return (upper + *std::max_element(values.begin(), values.begin() + middle)) / 2;
}

/// Collects what events say.
class Collector {
public:
  Status add(const Event &event);
  Result<Profile> finish();

private:
  struct Instance {
    std::string task;
    double seconds = 0;
  };
  struct Span {
    double begin = HUGE_VAL, end = -HUGE_VAL;
  };
  Status declareProgram(const Event &event);
  Status declareTask(const Event &event);
  void addRun(const Event &event);

  Profile profile;
  bool declared = false;
  std::map<std::string, size_t> taskIndex;
  /// What one rank did for one microbatch of a component and chunk in one step.
  std::map<std::tuple<double, double, std::string, std::string, double, double>, Instance>
      instances;
  std::map<double, Span> steps;
};

Status Collector::declareProgram(const Event &event) {
  if (declared)
    return Error{"the trace declares two programs"};
  declared = true;
  profile.model.name = event.model;
  auto count = [&](double value, double most, auto &into) {
    if (!(value >= 0 && value <= most && value == std::floor(value)))
      return false;
    into = static_cast<std::remove_reference_t<decltype(into)>>(value);
    return true;
  };
  if (!count(event.ranks, 1 << 20, profile.ranks) || profile.ranks == 0 ||
      !count(event.replicas, 1 << 20, profile.replicas) ||
      !count(event.microbatches, 1 << 30, profile.microbatches) ||
      !count(event.samples, maxCount, profile.model.samples) ||
      !count(event.parameters, maxCount, profile.model.parameters) ||
      !count(event.parameterBytes, maxCount, profile.model.parameterBytes))
    return Error{"the trace's event \"bigmac_program\" lacks a count, or has one out of range"};
  return Status::success();
}

Status Collector::declareTask(const Event &event) {
  constexpr std::string_view components[] = {"llm", "encoder", "generator"};
  constexpr std::string_view phases[] = {"forward", "backward", "weight_gradient",
                                         "forward_backward"};
  auto component = std::ranges::find(components, event.component);
  auto phase = std::ranges::find(phases, event.phase);
  bool counts = event.buffers >= 0 && event.buffers <= maxCount && event.bytes >= 0 &&
                event.bytes <= maxCount;
  if (event.task.empty() || component == std::end(components) || phase == std::end(phases) ||
      !counts)
    return Error{"the trace's event \"bigmac_task\" of '" + event.task +
                 "' lacks a value, or has one out of range"};
  if (profile.tasks.size() >= maxTasks)
    return Error{"the trace declares more than " + std::to_string(maxTasks) + " tasks"};
  if (!taskIndex.try_emplace(event.task, profile.tasks.size()).second)
    return Error{"the trace declares task '" + event.task + "' twice"};
  ProfiledTask &task = profile.tasks.emplace_back();
  task.signature = {event.task, static_cast<Component>(component - components),
                    static_cast<Phase>(phase - phases), static_cast<uint64_t>(event.buffers),
                    static_cast<uint64_t>(event.bytes)};
  return Status::success();
}

void Collector::addRun(const Event &event) {
  Instance &instance = instances[{event.pid, event.step, event.component, event.kind, event.chunk,
                                  event.microbatch}];
  if (event.name != "wait")
    instance.seconds += event.dur * 1e-6;
  if (event.cat == "task")
    instance.task = event.name;
  Span &span = steps[event.step];
  span.begin = std::min(span.begin, event.ts * 1e-6);
  span.end = std::max(span.end, (event.ts + event.dur) * 1e-6);
}

Status Collector::add(const Event &event) {
  if (event.ph == "M" && event.name == "bigmac_program")
    return declareProgram(event);
  if (event.ph == "M" && event.name == "bigmac_task")
    return declareTask(event);
  // Events of category "action" are drawn around those of the instructions.
  if (event.ph != "X" || event.component.empty() || (event.cat != "task" && event.cat != "step"))
    return Status::success();
  if (!(event.dur >= 0 && event.dur <= maxCount && event.ts >= 0 && event.ts <= maxCount &&
        event.step >= 0))
    return Error{"event '" + event.name + "' has no \"ts\", \"dur\" or step, or one out of range"};
  addRun(event);
  return Status::success();
}

Result<Profile> Collector::finish() {
  if (!declared || profile.tasks.empty())
    return Error{"is no trace of a BigMac program (an event \"bigmac_program\" says what it was); "
                 "write one with train --trace FILE"};
  if (steps.size() < 2)
    return Error{"the trace has " + std::to_string(steps.size()) +
                 " steps; the first is not counted, so train at least 2"};
  double first = steps.begin()->first;
  std::vector<double> spans;
  for (const auto &[step, span] : steps)
    if (step != first)
      spans.push_back(span.end - span.begin);
  profile.steps = spans.size();
  profile.stepSeconds = median(spans);

  std::vector<std::vector<float>> runs(profile.tasks.size());
  for (const auto &[key, instance] : instances) {
    if (std::get<1>(key) == first || instance.task.empty())
      continue;
    auto task = taskIndex.find(instance.task);
    if (task == taskIndex.end())
      return Error{"the trace runs task '" + instance.task + "', which it does not declare"};
    runs[task->second].push_back(static_cast<float>(instance.seconds));
  }
  uint64_t stages = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    ProfiledTask &task = profile.tasks[i];
    if (runs[i].empty())
      return Error{"the trace has no run of task '" + task.signature.name +
                   "' after the first step; it is not whole"};
    task.runs = runs[i].size();
    task.seconds = median(runs[i]);
    stages += task.signature.component == Component::Llm && task.signature.phase == Phase::Forward;
  }
  profile.chunks = static_cast<uint32_t>(stages / profile.ranks);
  return std::move(profile);
}

/// Turns the parser's calls into events; returning false ends the parse.
class TraceReader : public nlohmann::json_sax<nlohmann::json> {
public:
  Collector collector;
  std::string problem;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override { return number(double(value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(double(value)); }
  bool number_float(number_float_t value, const string_t &) override { return number(value); }
  bool binary(binary_t &) override { return fail("binary values are not JSON"); }
  bool string(string_t &value) override {
    std::string *slot = inEvent() ? event.text(lastKey, depth == eventDepth + 1) : nullptr;
    if (!slot)
      return true;
    if (value.size() > maxText ||
        std::ranges::any_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
      return fail("the text of \"" + lastKey + "\" is longer than " + std::to_string(maxText) +
                  " bytes or holds control characters");
    *slot = value;
    return true;
  }
  bool key(string_t &name) override {
    lastKey = name.substr(0, maxText);
    return true;
  }
  bool start_object(size_t) override {
    bool isEvent = depth == 2 && inEvents;
    bool isArgs = depth == eventDepth && lastKey == "args";
    if (!enter())
      return false;
    if (isEvent) {
      event = Event();
      eventDepth = depth;
      if (++events > maxEvents)
        return fail("more than " + std::to_string(maxEvents) + " events");
    }
    if (isArgs)
      argsDepth = depth;
    return true;
  }
  bool end_object() override {
    if (depth == argsDepth)
      argsDepth = kNone;
    if (depth == eventDepth) {
      eventDepth = kNone;
      if (Status status = collector.add(event); !status)
        return fail(status.message());
    }
    --depth;
    return true;
  }
  bool start_array(size_t) override {
    if (depth == 1 && lastKey == "traceEvents")
      inEvents = true;
    return enter();
  }
  bool end_array() override {
    if (--depth == 1)
      inEvents = false;
    return true;
  }
  bool parse_error(size_t, const std::string &, const nlohmann::detail::exception &error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    std::string text = std::string(error.what()).substr(0, 300);
    size_t end = text.find("] ");
    return fail(end == std::string::npos ? text : text.substr(end + 2));
  }

private:
  static constexpr size_t kNone = SIZE_MAX - 1;

  bool fail(std::string why) {
    if (problem.empty())
      problem = std::move(why);
    return false;
  }
  bool enter() {
    return ++depth <= maxDepth || fail("nested more than " + std::to_string(maxDepth) + " deep");
  }
  /// The next value is a member of an event or of its "args".
  bool inEvent() const { return depth == eventDepth || (depth == argsDepth && depth != kNone); }
  bool number(double value) {
    if (!inEvent())
      return true;
    if (!std::isfinite(value))
      return fail("the number of \"" + lastKey + "\" is not finite");
    if (double *slot = event.number(lastKey, depth == eventDepth + 1))
      *slot = value;
    return true;
  }

  size_t depth = 0, eventDepth = kNone, argsDepth = kNone, events = 0;
  bool inEvents = false;
  std::string lastKey;
  Event event;
};

} // namespace

Result<Profile> parseProfile(std::string_view text, std::string_view origin) {
  TraceReader reader;
  bool whole = nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  if (!reader.problem.empty() || !whole)
    return Error{std::string(origin) + ": " +
                 (reader.problem.empty() ? "not valid JSON" : reader.problem)};
  Result<Profile> profile = reader.collector.finish();
  if (!profile)
    return Error{std::string(origin) + ": " + profile.message()};
  return profile;
}

Result<Profile> readProfile(const std::string &path) {
  Result<std::string> text = readTextFile(path, maxFileBytes);
  if (!text)
    return text.error();
  return parseProfile(*text, path);
}

} // namespace bigmac::planning
