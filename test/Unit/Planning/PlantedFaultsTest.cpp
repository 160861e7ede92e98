//===- PlantedFaultsTest.cpp - Random faults in random schedules ----------===//
//
// Every kind of schedule of random problems: an action dropped, repeated, moved or swapped, and a
// send or a transfer lost. What is wrong is refused, naming the action or the cycle; what is still
// right is accepted.
//
//===----------------------------------------------------------------------===//

#include "Random.h"
#include "Reference.h"
#include "bigmac/Planning/Transfers.h"
#include "bigmac/Planning/Verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

constexpr ScheduleKind kinds[] = {
    ScheduleKind::BigMac,       ScheduleKind::BigMacZb,      ScheduleKind::OneForwardOneBackward,
    ScheduleKind::Interleaved,  ScheduleKind::GPipe,         ScheduleKind::Zb,
    ScheduleKind::EncoderFirst, ScheduleKind::SeparateStages};

/// A schedule that has something to break.
struct Case {
  Built built;
  Workload workload;
  StandardDependencies dependencies;
};

Case randomCase(Random &random, ScheduleKind kind) {
  for (;;) {
    Problem problem = randomProblem(random);
    if (kind == ScheduleKind::OneForwardOneBackward || kind == ScheduleKind::GPipe ||
        kind == ScheduleKind::Zb) {
      if (problem.chunks > 1)
        continue;
    }
    if (problem.microbatches < 2)
      continue;
    Built built = *build(kind, problem);
    Workload workload = workloadOf(built.problem.costs, problem.ranks, problem.chunks,
                                   problem.microbatches, built.problem.placement);
    return {std::move(built), workload, StandardDependencies(workload)};
  }
}

std::vector<Action> &someOrder(Random &random, Schedule &schedule, uint32_t &rank) {
  do
    rank = random.below(schedule.ranks);
  while (schedule.orders[rank].empty());
  return schedule.orders[rank];
}

TEST(PlantedAtRandom, DroppedActionsAreNamed) {
  Random random(31);
  for (int round = 0; round < 160; ++round) {
    Case c = randomCase(random, kinds[round % std::size(kinds)]);
    Schedule schedule = c.built.schedule;
    uint32_t rank;
    std::vector<Action> &order = someOrder(random, schedule, rank);
    size_t at = random.below(static_cast<uint32_t>(order.size()));
    std::string name = describe(rank, order[at]);
    order.erase(order.begin() + static_cast<ptrdiff_t>(at));
    Status status = verifySchedule(schedule, c.workload, c.dependencies);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.message(), name + " is missing from the schedule");
  }
}

TEST(PlantedAtRandom, DoubledActionsAreNamed) {
  Random random(32);
  for (int round = 0; round < 160; ++round) {
    Case c = randomCase(random, kinds[round % std::size(kinds)]);
    Schedule schedule = c.built.schedule;
    uint32_t rank;
    std::vector<Action> &order = someOrder(random, schedule, rank);
    Action action = order[random.below(static_cast<uint32_t>(order.size()))];
    order.insert(order.begin() + random.below(static_cast<uint32_t>(order.size() + 1)), action);
    Status status = verifySchedule(schedule, c.workload, c.dependencies);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.message().rfind(describe(rank, action) + " is in the order twice", 0), 0u)
        << status.message();
  }
}

TEST(PlantedAtRandom, ActionsOnAnotherRankAreNamed) {
  Random random(33);
  int moved = 0;
  for (int round = 0; round < 160; ++round) {
    Case c = randomCase(random, kinds[round % std::size(kinds)]);
    Schedule schedule = c.built.schedule;
    if (schedule.ranks == 1)
      continue;
    uint32_t rank;
    std::vector<Action> &order = someOrder(random, schedule, rank);
    size_t at = random.below(static_cast<uint32_t>(order.size()));
    Action action = order[at];
    order.erase(order.begin() + static_cast<ptrdiff_t>(at));
    uint32_t other = (rank + 1 + random.below(schedule.ranks - 1)) % schedule.ranks;
    schedule.orders[other].push_back(action);
    Status status = verifySchedule(schedule, c.workload, c.dependencies);
    ASSERT_FALSE(status);
    // Missing here, or twice or foreign there.
    EXPECT_TRUE(status.message().find(describe(rank, action)) != std::string::npos ||
                status.message().find(describe(other, action)) != std::string::npos)
        << status.message();
    ++moved;
  }
  EXPECT_GT(moved, 80);
}

/// Checks that a deadlock's message tells a cycle: each step an action that waits for a producer of
/// its own, which comes after the next step's action on its rank.
void expectCycle(const std::string &message, const Case &c, const Schedule &schedule) {
  ASSERT_EQ(message.rfind("deadlock: ", 0), 0u) << message;
  std::map<std::string, std::pair<uint32_t, size_t>> places;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank)
    for (size_t i = 0; i < schedule.orders[rank].size(); ++i)
      places[describe(rank, schedule.orders[rank][i])] = {rank, i};
  static const std::regex step("(.*) waits for (.*?)(, which comes after (.*) there)?");
  std::string rest = message.substr(10), first, expected;
  for (size_t end; !rest.empty(); rest = end == std::string::npos ? "" : rest.substr(end + 2)) {
    end = rest.find("; ");
    std::string text = rest.substr(0, end);
    std::smatch match;
    ASSERT_TRUE(std::regex_match(text, match, step)) << text;
    std::string waiting = match[1], awaited = match[2];
    std::string head = match[4].matched ? match[4].str() : awaited;
    ASSERT_TRUE(places.count(waiting) && places.count(awaited) && places.count(head)) << text;
    if (first.empty())
      first = waiting;
    else
      EXPECT_EQ(waiting, expected) << message;
    auto [rank, position] = places[waiting];
    std::vector<Dependency> producers;
    c.dependencies.append(rank, schedule.orders[rank][position], producers);
    EXPECT_TRUE(std::any_of(producers.begin(), producers.end(), [&](const Dependency &dependency) {
      return describe(dependency.rank, dependency.producer) == awaited;
    })) << text;
    EXPECT_EQ(places[head].first, places[awaited].first);
    EXPECT_LE(places[head].second, places[awaited].second);
    expected = head;
  }
  EXPECT_EQ(expected, first) << message;
}

TEST(PlantedAtRandom, SwapsAreRefusedExactlyIfTheyMakeACycle) {
  Random random(34);
  int cycles = 0, harmless = 0;
  for (int round = 0; round < 320; ++round) {
    Case c = randomCase(random, kinds[round % std::size(kinds)]);
    Schedule schedule = c.built.schedule;
    uint32_t rank;
    std::vector<Action> &order = someOrder(random, schedule, rank);
    size_t at = random.below(static_cast<uint32_t>(order.size()));
    // Neighbours often may be swapped, far ones rarely.
    size_t other = random.below(2) ? std::min(at + 1, order.size() - 1)
                                   : random.below(static_cast<uint32_t>(order.size()));
    std::swap(order[at], order[other]);
    Status status = verifySchedule(schedule, c.workload, c.dependencies);
    Result<Timing> timing = execute(schedule, c.dependencies, c.built.problem.costs);
    ASSERT_EQ(status.ok(), timing.ok());
    if (!status) {
      expectCycle(status.message(), c, schedule);
      EXPECT_EQ(timing.message(), status.message());
      ++cycles;
      continue;
    }
    Built swapped{c.built.problem, schedule, *timing, {}};
    swapped.figures = *measure(schedule, *timing, c.dependencies, c.built.problem.costs);
    EXPECT_EQ(findFault(swapped), "");
    ++harmless;
  }
  EXPECT_GT(cycles, 60);
  EXPECT_GT(harmless, 60);
}

TEST(PlantedAtRandom, LostSendsAndTransfersAreNamed) {
  Random random(35);
  int planted = 0;
  for (int round = 0; round < 160; ++round) {
    Case c = randomCase(random, kinds[round % std::size(kinds)]);
    const Schedule &schedule = c.built.schedule;
    Result<TransferPlan> plan = matchTransfers(schedule, c.dependencies);
    ASSERT_TRUE(plan) << plan.message();
    if (plan->transfers.empty())
      continue;
    std::vector<uint32_t> buffers = buffersForTiming(schedule, *plan, c.built.timing);
    ASSERT_TRUE(proveTransfers(schedule, c.dependencies, *plan, buffers));
    TransferPlan broken = *plan;
    uint32_t rank;
    do
      rank = random.below(schedule.ranks);
    while (broken.sends[rank].empty());
    std::vector<uint32_t> &sends = broken.sends[rank];
    size_t at = random.below(static_cast<uint32_t>(sends.size()));
    const Transfer &transfer = plan->transfers[sends[at]];
    std::string sender = describe(rank, schedule.orders[rank][transfer.producer]);
    if (round % 2)
      sends.erase(sends.begin() + static_cast<ptrdiff_t>(at));
    else
      sends.insert(sends.begin() + static_cast<ptrdiff_t>(at), sends[at]);
    Status status = proveTransfers(schedule, c.dependencies, broken, buffers);
    ASSERT_FALSE(status);
    EXPECT_NE(status.message().find(sender), std::string::npos) << status.message();
    EXPECT_NE(status.message().find(round % 2 ? "is never sent" : "is sent twice"),
              std::string::npos)
        << status.message();
    broken = *plan;
    broken.transfers.erase(broken.transfers.begin() +
                           random.below(static_cast<uint32_t>(broken.transfers.size())));
    EXPECT_FALSE(proveTransfers(schedule, c.dependencies, broken, buffers));
    ++planted;
  }
  EXPECT_GT(planted, 80);
}

} // namespace
