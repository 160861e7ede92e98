//===- Simulated.h - Schedules for the report's tests -----------*- C++ -*-===//

#ifndef BIGMAC_TEST_UNIT_REPORT_SIMULATED_H
#define BIGMAC_TEST_UNIT_REPORT_SIMULATED_H

#include "bigmac/Planning/ScheduleBuilder.h"
#include "bigmac/Report/Content.h"

#include <gtest/gtest.h>

#include <memory>

namespace bigmac::report {

/// A schedule with all that a report needs of it.
struct Simulated {
  planning::Costs costs;
  planning::Schedule schedule;
  std::unique_ptr<planning::Dependencies> dependencies;
  planning::Timing timing;
  planning::Figures figures;

  Simulated(planning::ScheduleKind kind, planning::Costs given, uint32_t ranks, uint32_t chunks,
            uint32_t microbatches, planning::Jitter jitter = {})
      : costs(std::move(given)) {
    planning::Problem problem;
    problem.ranks = ranks;
    problem.chunks = chunks;
    problem.microbatches = microbatches;
    problem.costs = costs;
    take(planning::buildSchedule(kind, problem), schedule);
    dependencies = std::make_unique<planning::StandardDependencies>(
        planning::workloadOf(costs, ranks, chunks, microbatches), schedule.splitGenerator);
    take(planning::execute(schedule, *dependencies, costs, jitter), timing);
    take(planning::measure(schedule, timing, *dependencies, costs, jitter), figures);
  }

  Content content(std::string name) const {
    Content content;
    content.name = std::move(name);
    content.schedule = &schedule;
    content.timing = &timing;
    content.figures = &figures;
    content.dependencies = dependencies.get();
    content.transfer = costs.transfer;
    return content;
  }

private:
  template <typename T> static void take(planning::Result<T> result, T &place) {
    if (result)
      place = std::move(*result);
    else
      ADD_FAILURE() << result.message();
  }
};

inline planning::Costs bothCosts() {
  planning::Costs costs;
  costs.llmForward = 0.5;
  costs.llmBackwardInput = std::optional<double>(0.5);
  costs.llmBackwardWeight = 0.5;
  costs.encoder = planning::Costs::Part{1.0, planning::PerIndex<double>(2.0)};
  costs.generator = planning::Costs::Part{1.0, planning::PerIndex<double>(2.0)};
  costs.activationBytes = planning::ActivationBytes{uint64_t(10), uint64_t(3), 100, 1000};
  return costs;
}

} // namespace bigmac::report

#endif // BIGMAC_TEST_UNIT_REPORT_SIMULATED_H
