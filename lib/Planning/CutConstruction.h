//===- CutConstruction.h - Nests units inside an LLM order ------*- C++ -*-===//
//
// Private to the library.
//
// Take a valid timed schedule of the LLM alone and an instant t. On every rank, let the action in
// progress at t finish, insert e seconds of other work there, and shift every later action by e.
// All actions that start after t shift by the same e, so no dependency among them breaks and no
// idle time is added. The instants come from the LLM alone; what is kept of them is each rank's
// order, which is then executed with the real costs.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_CUTCONSTRUCTION_H
#define BIGMAC_LIB_PLANNING_CUTCONSTRUCTION_H

#include "ActionGraph.h"
#include "OrderRunner.h"
#include "bigmac/Planning/Costs.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bigmac::planning {

/// What every candidate of one problem shares.
class CutProblem {
public:
  /// `reference` holds all actions of `workload`, in any order; `graph` is its graph, `seconds` its
  /// durations by id.
  CutProblem(const Workload &workload, const Schedule &reference, const ActionGraph &graph,
             std::vector<double> seconds, double transfer);

  const Workload &workload;
  const Schedule &reference;
  /// All actions, with their real durations.
  const ActionGraph &graph;
  std::vector<double> seconds;
  double transfer;
  /// The LLM alone, in the same ids. Encoder work is taken as done. What needs a generator action
  /// waits until that unit could be run at one instant on all its ranks: until all of the unit's
  /// inputs have arrived. On ranks without the LLM nothing is inserted, so there it waits for that
  /// action's inputs alone.
  ActionGraph llmGraph;
  /// Durations for timing the LLM alone: as `seconds`, but never zero, so that an instant tells
  /// what is before it from what is after it.
  std::vector<double> llmSeconds;
  /// Instants closer than this are the same.
  double resolution = 0;

  /// Ids by unit, ranks in order; empty where there is no such action.
  std::vector<std::vector<uint32_t>> encoderForward, encoderBackward, generator;
  uint32_t encoderUnits() const { return workload.unitsOf(Component::Encoder); }
  uint32_t generatorUnits() const { return workload.unitsOf(Component::Generator); }

private:
  void collectUnits();
  void buildLlmGraph();
};

/// One LLM order, timed alone, into which units are inserted.
class CutConstruction {
public:
  CutConstruction(const CutProblem &problem, IdOrders llmOrders);

  /// False: the LLM's order deadlocks by itself.
  bool valid() const { return ok; }
  /// Its cycle, when not valid.
  std::string explainDeadlock() const;

  /// Orders of all actions with `window` encoder units in flight: the first `window` units'
  /// forwards come before the LLM; a unit's backward at the cut where its gradients are complete,
  /// and the forward of unit + window at the same cut (frozen: at the cut where the unit's features
  /// are used up). With `backwardsLast` all encoder backwards come after the LLM instead. They may
  /// deadlock, where the window is too small: execute them.
  IdOrders insertUnits(uint32_t window, bool backwardsLast) const;

private:
  struct Cut {
    double instant = 0;
    /// Ids to insert, by rank-sorted unit lists.
    std::vector<const std::vector<uint32_t> *> groups;
  };
  void findInstants();

  const CutProblem &problem;
  IdOrders llmOrders;
  OrderRunner llm;
  bool ok = false;
  /// By unit.
  std::vector<double> generatorInstant;
  /// When the unit's gradients are complete; frozen: when its features have been used.
  std::vector<double> encoderInstant;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_CUTCONSTRUCTION_H
