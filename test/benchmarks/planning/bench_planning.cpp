//===- bench_planning.cpp - Seconds and memory of planning ----------------===//
//
// Builds, proves and executes schedules of growing size, and prints processor seconds (which other
// work on the machine changes little), nanoseconds for an action and their ratio to the smallest
// size: linear time is a ratio that stays near 1. `bench_peer.py` reads the last line.
//
//===----------------------------------------------------------------------===//

#include "bigmac/Planning/Executor.h"
#include "bigmac/Planning/Split.h"
#include "bigmac/Planning/Transfers.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <sys/resource.h>

using namespace bigmac::planning;

namespace {

double processorSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

[[noreturn]] void fail(const std::string &message) {
  std::fprintf(stderr, "bigmac-bench-planning: error: %s\n", message.c_str());
  std::exit(1);
}

template <typename T> T valueOf(Result<T> result) {
  if (!result)
    fail(result.message());
  return std::move(*result);
}

Problem problemOf(uint32_t ranks, uint32_t chunks, uint32_t microbatches, bool units) {
  Problem problem;
  problem.ranks = ranks;
  problem.chunks = chunks;
  problem.microbatches = microbatches;
  problem.costs.llmForward = 1.0 / chunks;
  problem.costs.llmBackwardInput = std::optional<double>(1.0 / chunks);
  problem.costs.llmBackwardWeight = 1.0 / chunks;
  if (units) {
    problem.costs.encoder = Costs::Part{2.0, PerIndex<double>(4.0)};
    problem.costs.generator = Costs::Part{4.0, PerIndex<double>(8.0)};
  }
  return problem;
}

struct Sample {
  double build = 0, execute = 0, transfers = 0;
  uint64_t actions = 0;
};

/// The least of `repeats` runs. Transfers: matched, buffers found, and proved with rendezvous
/// sends.
Sample sampleOf(ScheduleKind kind, const Problem &given, int repeats, bool transfers) {
  Sample least;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    Sample sample;
    double begin = processorSeconds();
    Problem problem = given;
    if (kind == ScheduleKind::SeparateStages)
      problem = withSplit(problem, valueOf(searchSplit(problem)));
    Schedule schedule = valueOf(buildSchedule(kind, problem));
    double built = processorSeconds();
    StandardDependencies dependencies(workloadOf(problem.costs, problem.ranks, problem.chunks,
                                                 problem.microbatches, problem.placement));
    Timing timing = valueOf(execute(schedule, dependencies, problem.costs));
    Figures figures = valueOf(measure(schedule, timing, dependencies, problem.costs));
    double executed = processorSeconds();
    if (transfers) {
      TransferPlan plan = valueOf(matchTransfers(schedule, dependencies));
      if (Status status = proveTransfers(schedule, dependencies, plan,
                                         buffersForTiming(schedule, plan, timing));
          !status)
        fail(status.message());
    }
    sample = {built - begin, executed - built, processorSeconds() - executed, figures.actions};
    auto total = [](const Sample &s) { return s.build + s.execute + s.transfers; };
    if (repeat == 0 || total(sample) < total(least))
      least = sample;
  }
  return least;
}

void growth(ScheduleKind kind, uint32_t ranks, uint32_t chunks, uint32_t most, int repeats) {
  double first = 0;
  for (uint32_t microbatches = most / 16; microbatches <= most; microbatches *= 2) {
    Sample sample = sampleOf(kind, problemOf(ranks, chunks, microbatches, true), repeats, false);
    double seconds = sample.build + sample.execute;
    double each = 1e9 * seconds / static_cast<double>(sample.actions);
    if (first == 0)
      first = each;
    std::printf("%-16s %4u %2u %5u %9llu  %7.3f s  %7.3f s  %7.1f ns  %5.2f\n",
                std::string(scheduleName(kind)).c_str(), ranks, chunks, microbatches,
                static_cast<unsigned long long>(sample.actions), sample.build, sample.execute, each,
                each / first);
  }
}

} // namespace

int main(int argc, char **argv) {
  const int repeats = argc > 1 ? std::max(1, std::atoi(argv[1])) : 3;
  std::printf("schedule            P  V     M   actions      build    execute     action  ratio\n");
  growth(ScheduleKind::BigMac, 64, 4, 4096, repeats);
  growth(ScheduleKind::BigMac, 64, 1, 4096, repeats);
  growth(ScheduleKind::OneForwardOneBackward, 64, 1, 4096, repeats);
  growth(ScheduleKind::SeparateStages, 16, 2, 4096, repeats);

  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  std::printf("peak memory: %ld MB\n", usage.ru_maxrss / 1024);

  Sample peer =
      sampleOf(ScheduleKind::OneForwardOneBackward, problemOf(64, 1, 1024, false), repeats, true);
  std::printf("1f1b P=64 V=1 M=1024 of an LLM alone: built %.4f executed %.4f transfers %.4f\n",
              peer.build, peer.execute, peer.transfers);
  return 0;
}
