//===- Executor.h - Runs one rank's instruction list ----------------------===//

#ifndef BIGMAC_RT_EXECUTOR_H
#define BIGMAC_RT_EXECUTOR_H

#include "Data.h"
#include "Trace.h"
#include "bigmac-rt/Comm.h"
#include "bigmac-rt/Device.h"
#include "bigmac-rt/PlanView.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bigmac::rt {

/// Prepared once (argument pointers, persistent transfers), then run once a step without
/// allocating.
class Executor {
public:
  /// `sums`: those of gradients, by the number of instructions after which they may begin.
  /// `poison`: each step begins with NaN in every byte that does not outlive a step, so that a read
  /// of what was not written shows.
  Executor(const PlanView &plan, uint32_t worldRank, Device &device, Comm &comm,
           const bm_task_fn *tasks, const Data &data, Trace &trace,
           std::multimap<size_t, Comm::Region> sums, bool poison);

  /// Runs the list for the data of step `step`.
  void run(uint64_t step, const SampleOrder &order);

  /// Adds what the last run recorded: values[(scalar * replicas + replica) * microbatches +
  /// microbatch].
  void addRecords(std::span<double> values) const;

  /// Seconds of the last run.
  double computeSeconds() const { return compute; }
  double waitSeconds() const { return waiting; }
  /// Of the host's memory, the most that offloaded values took.
  uint64_t hostBytes() const { return hostPeak; }

private:
  struct Bytes {
    uint64_t offset, size;
  };

  void prepareTransfers();
  void prepareCopies();
  void prepareInputs();
  void prepareLabels();
  void findUnkept();
  /// Fills the host memory from which the list of `slot` loads its inputs.
  void stage(uint32_t slot, uint64_t step, const SampleOrder &order);
  /// Those that may begin after so many instructions.
  void beginSums(size_t done);
  void issue(uint32_t slot, uint64_t step, const SampleOrder &order);
  void load(void *target, const bm_instr &instr, uint64_t step, const SampleOrder &order) const;
  /// Whether the time after instruction `i` is remembered.
  bool marked(size_t i) const;
  void measure(uint64_t step);

  const PlanView &plan;
  uint32_t replica;
  const bm_rank &rank;
  std::span<const bm_instr> instrs;
  Device &device;
  Comm &comm;
  const bm_task_fn *tasks;
  const Data &data;
  Trace &trace;
  std::multimap<size_t, Comm::Region> sums;

  /// For each instruction: RUN: first argument in `pointers`; SEND, RECV, WAIT: a request; RECORD:
  /// its place in `records`; LOAD_INPUT: its place in `staging`. Copies are known by their slot.
  std::vector<size_t> aux;
  std::vector<void *> pointers;
  float *records = nullptr;
  /// Where OFFLOAD copies to; null where there is none.
  std::byte *host = nullptr;
  uint64_t hostPeak = 0;
  bool poison;
  /// Where the device cannot read its inputs itself: memory of the host for those of two steps, so
  /// that the next step's come while this one runs. Null elsewhere.
  std::byte *staging[2] = {};
  std::optional<uint64_t> staged[2]; // the step whose inputs are there
  /// For each instruction, what a WAIT waits for (index in `waitNames`), and the name of the action
  /// that begins with it (index in `labels`).
  std::vector<std::string> waitNames, labels;
  std::vector<uint32_t> waitName, label;
  /// In `waitName`: a WAIT for a copy.
  static constexpr uint32_t kCopy = BM_NONE32;
  std::vector<Bytes> poisoned;
  double compute = 0, waiting = 0;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_EXECUTOR_H
