//===- Checkpoint.h - Saving and resuming ---------------------------------===//
//
// A checkpoint is a folder step-N (N steps done) of three files: model.safetensors (every parameter
// under its own name), optimizer.safetensors (NAME.exp_avg and NAME.exp_avg_sq of every trained
// parameter) and state.json (steps, data position, options, and the size and hashes of the other
// two). It is made under another name and renamed when all of it is on the disk, so it is whole or
// absent. Nothing in it depends on ranks, chunks or replicas.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_CHECKPOINT_H
#define BIGMAC_RT_CHECKPOINT_H

#include "Holdings.h"
#include "bigmac-rt/Comm.h"
#include "bigmac-rt/PlanView.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace bigmac::rt {

/// Where a run is.
struct Progress {
  uint64_t step = 0;           // steps done, skipped ones included
  uint64_t optimizerSteps = 0; // steps that changed the weights
  uint64_t skippedInARow = 0;
  uint64_t epoch = 0, position = 0; // the next sample: in this pass over the data, at this place
};

/// What the checkpoint code needs to know of a run.
struct Run {
  const PlanView &plan;
  const Holdings &holdings;
  Device &device;
  Comm &comm;
  std::function<void(const std::string &)> say; // a line for people; rank 0
};

/// Makes `folder` if need be, removes what a killed run left there, and throws (on all ranks alike,
/// Exit) if it cannot be written.
void prepareCheckpoints(const Run &run, const std::string &folder);

/// Collective. Exit{1} if it cannot be written, the folder's older checkpoints untouched.
void saveCheckpoint(const Run &run, const std::string &folder, const Progress &progress,
                    const nlohmann::json &options);

/// Collective: finds the newest whole checkpoint in `folder` (or takes `folder` itself if it is
/// one) and loads weights and optimizer state. Says which one, and which ones were passed over and
/// why. `options` gets what saveCheckpoint was given.
Progress loadCheckpoint(const Run &run, const std::string &folder, nlohmann::json &options);

/// Collective: one safetensors file of every trained parameter's gradient, times `factor`.
void saveGradients(const Run &run, const std::string &path, double factor);

} // namespace bigmac::rt

#endif // BIGMAC_RT_CHECKPOINT_H
