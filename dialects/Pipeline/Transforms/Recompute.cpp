//===- Recompute.cpp - What backwards compute again ------------------------===//

#include "dialects/Pipeline/Transforms/Recompute.h"

#include "OpCost.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringSet.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

static constexpr double kNone = std::numeric_limits<double>::infinity();

std::string pipeline::recomputeName(TaskOp task) {
  return StringRef(task.getCallee()).rsplit('.').first.str();
}

std::string RecomputeLevels::spell(double bytesPerSecond) {
  if (std::isinf(bytesPerSecond))
    return "none";
  return bytesPerSecond == 0 ? "full" : std::to_string(static_cast<uint64_t>(bytesPerSecond));
}

FailureOr<RecomputeLevels> RecomputeLevels::parse(Location loc, ArrayRef<std::string> entries) {
  RecomputeLevels levels;
  for (const std::string &entry : entries) {
    auto [task, text] = StringRef(entry).rsplit('=');
    if (text.empty())
      std::swap(task, text);
    uint64_t number = 0;
    double level = kNone;
    if (text == "full")
      level = 0;
    else if (text != "none") {
      if (text.getAsInteger(10, number) || number > 1ull << 53)
        return emitError(loc) << "recompute is '" << entry
                              << "', expected none, full or a number of bytes a second, or "
                                 "TASK= and one of these";
      level = static_cast<double>(number);
    }
    if (task.empty())
      levels.others = level;
    else
      levels.byTask[task] = level;
  }
  return levels;
}

static RecomputePolicy policyAt(double bytesPerSecond, const planning::DeviceModel &device) {
  return {bytesPerSecond, [&device](Operation *op) { return secondsOf(op, device); },
          [&device](Operation *op) { return isCheap(op, device); }};
}

RecomputePolicy RecomputeLevels::policyOf(StringRef task,
                                          const planning::DeviceModel &device) const {
  auto it = byTask.find(task);
  return policyAt(it == byTask.end() ? others : it->second, device);
}

LogicalResult RecomputeLevels::check(UnscheduledOp program) const {
  llvm::StringSet<> names;
  for (auto task : program.getBody()->getOps<TaskOp>())
    names.insert(recomputeName(task));
  SmallVector<StringRef> unknown;
  for (const auto &entry : byTask)
    if (!names.contains(entry.getKey()))
      unknown.push_back(entry.getKey());
  if (unknown.empty())
    return success();
  llvm::sort(unknown);
  return program.emitError("recompute names task '")
         << unknown.front() << "', which the program has not";
}

namespace {

/// The lower envelope of bytes + rate * seconds over all cuts, rate by rate.
class Envelope {
public:
  Envelope(const planning::DeviceModel &device,
           llvm::function_ref<PhaseSplit(const RecomputePolicy &)> split)
      : device(device), split(split) {}

  SmallVector<RecomputePoint> run() {
    RecomputePoint none = at(kNone), full = at(0);
    points = {none, full};
    between(none, full, kDepth);
    llvm::sort(points, [](const RecomputePoint &a, const RecomputePoint &b) {
      return std::tie(a.seconds, a.heldBytes) < std::tie(b.seconds, b.heldBytes);
    });
    // What takes more seconds must hold less.
    SmallVector<RecomputePoint> better;
    for (const RecomputePoint &point : points)
      if (better.empty() ||
          (point.heldBytes < better.back().heldBytes && point.seconds > better.back().seconds))
        better.push_back(point);
    return better;
  }

private:
  /// At most 2^depth - 1 points between the ends: more choice than that helps nobody.
  static constexpr unsigned kDepth = 4;

  RecomputePoint at(double rate) {
    PhaseSplit cut = split(policyAt(rate, device));
    return {rate, cut.heldBytes, cut.transientBytes, cut.recomputeSeconds};
  }

  /// A cut below the line through two others is found at the rate at which these two are equal.
  void between(const RecomputePoint &more, const RecomputePoint &less, unsigned depth) {
    if (depth == 0 || less.heldBytes >= more.heldBytes || less.seconds <= more.seconds)
      return;
    double bytes = static_cast<double>(more.heldBytes - less.heldBytes);
    // A whole number, so that its spelling is exact.
    double rate = std::floor(bytes / (less.seconds - more.seconds));
    if (rate < 1 || rate > 0x1p53)
      return;
    RecomputePoint middle = at(rate);
    if (middle.heldBytes >= more.heldBytes || middle.heldBytes <= less.heldBytes)
      return;
    points.push_back(middle);
    between(more, middle, depth - 1);
    between(middle, less, depth - 1);
  }

  const planning::DeviceModel &device;
  llvm::function_ref<PhaseSplit(const RecomputePolicy &)> split;
  SmallVector<RecomputePoint> points;
};

} // namespace

TaskFrontier
pipeline::recomputeFrontier(TaskOp task, const planning::DeviceModel &device,
                            llvm::function_ref<PhaseSplit(const RecomputePolicy &)> split) {
  TaskFrontier frontier;
  frontier.task = recomputeName(task);
  frontier.component = task.getComponent();
  frontier.stage = task.getStage();
  frontier.points = Envelope(device, split).run();
  return frontier;
}

FailureOr<SmallVector<TaskFrontier>> pipeline::recomputeFrontiers(ModuleOp module,
                                                                  DifferentiateOptions options) {
  SmallVector<TaskFrontier> frontiers;
  options.frontiers = &frontiers;
  // As the pass's dependent dialects.
  module.getContext()
      ->loadDialect<arith::ArithDialect, bufferization::BufferizationDialect, nn::NNDialect>();
  OwningOpRef<ModuleOp> copy = module.clone();
  if (failed(differentiateProgram(*copy, options)))
    return failure();
  std::reverse(frontiers.begin(), frontiers.end());
  return frontiers;
}
