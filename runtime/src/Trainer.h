//===- Trainer.h - One rank's training run --------------------------------===//

#ifndef BIGMAC_RT_TRAINER_H
#define BIGMAC_RT_TRAINER_H

#include "Checkpoint.h"
#include "Data.h"
#include "Executor.h"
#include "Launcher.h"
#include "Log.h"
#include "Options.h"
#include "Update.h"
#include "bigmac-rt/Train.h"

#include <memory>
#include <optional>

namespace bigmac::rt {

/// Everything between a checked plan with a world of the right size and the exit status. All
/// members are called by all ranks together.
class Trainer {
public:
  Trainer(const PlanView &plan, const Program &program, Options options, Device &device, Comm &comm,
          ProgressLine &out);

  /// Checks outputs and data, allocates the arena, loads weights or a checkpoint. Exit on errors.
  void prepare();
  /// The steps. Exit on errors that all ranks see; RuntimeError on those that only this one sees.
  void train();
  /// What --dry-run prints.
  std::string describePlan() const;

private:
  void checkOutputs();
  void loadState();
  void takeOptionsFrom(const nlohmann::json &saved);
  nlohmann::json savedOptions() const;
  void step();
  void finish(StepRecord &record, double gradSquares, double lossScale, uint64_t stepBegin);
  /// Means over microbatches; returns what gradients are to be multiplied by.
  double combineScalars(std::span<const double> values, StepRecord &record) const;
  void save();
  void setPosition();
  uint64_t dataStep() const;
  Run run();

  const PlanView &plan;
  const Program &program;
  Options options;
  Device &device;
  Comm &comm;
  ProgressLine &out;
  Holdings holdings;
  bool root;

  std::optional<Data> data;
  SampleOrder order{};
  std::optional<Executor> executor;
  std::optional<Update> update;
  Trace trace;
  JsonLog log;
  Progress progress;
  uint64_t tokensPerStep = 0, savedAtStep = UINT64_MAX, peakBytes = 0, rssBytes = 0,
           deviceBytes = 0;
  std::vector<double> values; // recorded scalars, then the squared gradient norm
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_TRAINER_H
