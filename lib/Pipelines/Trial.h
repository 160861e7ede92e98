//===- Trial.h - What a choice would cost, measured -------------*- C++ -*-===//

#ifndef BIGMAC_LIB_PIPELINES_TRIAL_H
#define BIGMAC_LIB_PIPELINES_TRIAL_H

#include "bigmac/Conversion/HostOffload.h"
#include "bigmac/Pipelines/Compile.h"
#include "bigmac/Planning/Recompute.h"
#include "dialects/Pipeline/Transforms/Recompute.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"

#include <map>
#include <tuple>

namespace bigmac {

/// What was measured of one choice.
struct Trial {
  /// By frontier: its point.
  std::vector<uint32_t> levels;
  /// What pipeline-schedule was given; 0: no limit.
  uint64_t activationLimit = 0;
  /// By rank: activations by the schedule's figures, and the arena by the rt plan.
  std::vector<uint64_t> activations, bytes;
  /// Numbers of the values that were chosen to wait in the host's memory.
  std::vector<int64_t> offload;
  /// By rank: bytes by class (bm_memory).
  std::vector<mlir::SmallVector<int64_t>> classes;
  /// With what the rank that waits longest for copies waits for them.
  double makespan = 0;
  /// By task function.
  llvm::StringMap<uint64_t> workspaces;
  /// By frontier: where its task runs. By task function: the ranks that run it.
  std::vector<std::vector<planning::RecomputeTask::Use>> uses;
  llvm::StringMap<std::vector<uint32_t>> ranks;

  /// The rank that needs the most, and what it needs.
  uint32_t largestRank() const;
  uint64_t mostBytes() const { return bytes[largestRank()]; }
};

/// Where each task of a scheduled program runs and how many microbatches it holds, by frontier.
mlir::FailureOr<std::vector<std::vector<planning::RecomputeTask::Use>>>
usesOf(pipeline::ScheduledOp scheduled, llvm::ArrayRef<pipeline::TaskFrontier> frontiers);

/// Compiles copies of a module as far as its memory plan.
class Trials {
public:
  /// `module` has a partitioned program with backwards or (then frontiers are of use) without, and
  /// stays as it is.
  Trials(mlir::ModuleOp module, const CompileOptions &options,
         llvm::ArrayRef<pipeline::TaskFrontier> frontiers)
      : module(module), options(options), frontiers(frontiers) {}

  /// Null where no schedule keeps the activation limit; without a limit failures are diagnostics.
  /// The result stays valid.
  const Trial *run(const std::vector<uint32_t> &levels, uint64_t activationLimit = 0);
  /// The same choice, with values offloaded until every rank takes at most `limit` bytes, if they
  /// can be: those for which it pays (planning::chooseOffload). With a limit of 0: all that saves
  /// any, at any price. Null where there are none, or they leave the host's limit.
  const Trial *runOffloaded(const Trial &plain, uint64_t limit);
  /// With the schedule that holds the fewest activations.
  const Trial *runTightest(const std::vector<uint32_t> &levels);

  /// Entries for pipeline-differentiate.
  std::vector<std::string> recompute(const std::vector<uint32_t> &levels) const;

private:
  /// A scheduled copy, and its figures in `trial`.
  mlir::OwningOpRef<mlir::ModuleOp> schedule(Trial &trial);
  mlir::LogicalResult planWorkspaces(mlir::ModuleOp copy, Trial &trial);
  /// Places the memory of a copy that is scheduled, and has its workspaces, with `trial.offload`.
  mlir::LogicalResult planMemory(mlir::OwningOpRef<mlir::ModuleOp> copy, Trial &trial,
                                 uint64_t &hostBytes);
  /// What recomputing as many bytes as each value has would add, at the best price from `levels`
  /// on.
  void setRecomputeSeconds(OffloadFacts &facts, const std::vector<uint32_t> &levels) const;

  /// Of choices for one limit: each allows for how the one before was placed.
  static constexpr unsigned kAttempts = 4;

  mlir::ModuleOp module;
  const CompileOptions &options;
  llvm::ArrayRef<pipeline::TaskFrontier> frontiers;
  std::map<std::pair<std::vector<uint32_t>, uint64_t>, std::optional<Trial>> done;
  /// By levels, activation limit and limit.
  std::map<std::tuple<std::vector<uint32_t>, uint64_t, uint64_t>, std::optional<Trial>> offloaded;
  /// By levels: the activation limit of the tightest schedule.
  std::map<std::vector<uint32_t>, uint64_t> tightest;
  /// Workspace bytes by a task function's text.
  llvm::StringMap<uint64_t> known;
};

} // namespace bigmac

#endif // BIGMAC_LIB_PIPELINES_TRIAL_H
