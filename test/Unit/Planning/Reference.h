//===- Reference.h - A slow, plain check of schedules -----------*- C++ -*-===//
//
// Written from the definitions, sharing no code with the library beyond its types: names in maps
// instead of ids, rules instead of a dependency object.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TEST_UNIT_PLANNING_REFERENCE_H
#define BIGMAC_TEST_UNIT_PLANNING_REFERENCE_H

#include "bigmac/Planning/Executor.h"
#include "bigmac/Planning/Split.h"

#include <optional>
#include <string>

namespace bigmac::test {

/// Even costs. Backward is the whole backward, half of it weight gradient. Zero for a component
/// that is not there.
struct Even {
  double forward = 1, backward = 2;
  double encoderForward = 0, encoderBackward = 0;
  double generatorForward = 0, generatorBackward = 0;
  double transfer = 0;
};
planning::Costs costsOf(const Even &even);

planning::Problem problemOf(uint32_t ranks, uint32_t chunks, uint32_t microbatches,
                            const planning::Costs &costs);

/// A schedule with its times, and the problem that it solves: for separate-stages, as split.
struct Built {
  planning::Problem problem;
  planning::Schedule schedule;
  planning::Timing timing;
  planning::Figures figures;
};

/// Builds and executes; fails the test on an error.
std::optional<Built> build(planning::ScheduleKind kind, const planning::Problem &problem);

/// Checks a schedule (of an unsplit generator): exactly the actions that the costs give, each with its
/// duration, none overlapping on a rank, none before what it needs has arrived, none later than
/// necessary, and figures that a plain count gives too. Returns the first thing that is wrong, or
/// nothing.
std::string findFault(const Built &built);

} // namespace bigmac::test

#endif // BIGMAC_TEST_UNIT_PLANNING_REFERENCE_H
