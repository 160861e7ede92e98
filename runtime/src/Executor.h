//===- Executor.h - Runs one rank's instruction list ----------------------===//

#ifndef BIGMAC_RT_EXECUTOR_H
#define BIGMAC_RT_EXECUTOR_H

#include "Data.h"
#include "Trace.h"
#include "bigmac-rt/Comm.h"
#include "bigmac-rt/Device.h"
#include "bigmac-rt/PlanView.h"

#include <span>
#include <string>
#include <vector>

namespace bigmac::rt {

/// Prepared once (argument pointers, persistent transfers), then run once a step without
/// allocating.
class Executor {
public:
  Executor(const PlanView &plan, uint32_t worldRank, Device &device, Comm &comm,
           const bm_task_fn *tasks, const Data &data, Trace &trace);

  /// Runs the list for the data of step `step`.
  void run(uint64_t step, const SampleOrder &order);

  /// Adds what the last run recorded: values[(scalar * replicas + replica) * microbatches +
  /// microbatch].
  void addRecords(std::span<double> values) const;

  /// Seconds of the last run.
  double computeSeconds() const { return compute; }
  double waitSeconds() const { return waiting; }

private:
  void prepareTransfers();

  const PlanView &plan;
  uint32_t replica;
  const bm_rank &rank;
  Device &device;
  Comm &comm;
  const bm_task_fn *tasks;
  const Data &data;
  Trace &trace;

  /// For each instruction: RUN: first argument in `pointers`; SEND, RECV, WAIT: a request; RECORD:
  /// its place in `records`.
  std::vector<size_t> aux;
  std::vector<void *> pointers;
  std::vector<float> records;
  /// For each instruction, what a WAIT waits for (index in `waitNames`).
  std::vector<std::string> waitNames;
  std::vector<uint32_t> waitName;
  double compute = 0, waiting = 0;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_EXECUTOR_H
