//===- TransfersTest.cpp - Sends, receives and their buffers --------------===//

#include "bigmac/Planning/Transfers.h"
#include "Reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

using namespace bigmac::planning;
using namespace bigmac::test;

namespace {

struct Case {
  Case(uint32_t ranks, uint32_t chunks, uint32_t microbatches, const Costs &costs,
       ScheduleKind kind = ScheduleKind::BigMac)
      : problem(problemOf(ranks, chunks, microbatches, costs)),
        workload(workloadOf(costs, ranks, chunks, microbatches)), dependencies(workload) {
    Result<Schedule> built = buildSchedule(kind, problem);
    EXPECT_TRUE(built);
    schedule = *built;
    Result<TransferPlan> matched = matchTransfers(schedule, dependencies);
    EXPECT_TRUE(matched);
    plan = *matched;
  }
  std::vector<uint32_t> buffers(uint32_t count) const {
    return std::vector<uint32_t>(plan.links.size(), count);
  }
  Problem problem;
  Workload workload;
  StandardDependencies dependencies;
  Schedule schedule;
  TransferPlan plan;
};

TEST(Transfers, EveryDependencyBetweenRanksIsOneMessage) {
  Case c(4, 2, 10, costsOf({0.5, 1, 1, 2, 1, 2}));
  std::set<std::tuple<uint32_t, uint32_t, uint32_t, uint32_t, uint32_t>> found;
  for (const Transfer &transfer : c.plan.transfers) {
    const Link &link = c.plan.links[transfer.link];
    EXPECT_NE(link.source, link.destination);
    EXPECT_TRUE(found
                    .emplace(link.source, transfer.producer, link.destination, transfer.consumer,
                             link.channel)
                    .second);
  }
  size_t expected = 0;
  std::vector<Dependency> needed;
  for (uint32_t rank = 0; rank < 4; ++rank) {
    for (uint32_t i = 0; i < c.schedule.orders[rank].size(); ++i) {
      needed.clear();
      c.dependencies.append(rank, c.schedule.orders[rank][i], needed);
      for (const Dependency &dependency : needed) {
        if (dependency.rank == rank)
          continue;
        ++expected;
        const std::vector<Action> &order = c.schedule.orders[dependency.rank];
        uint32_t producer =
            std::find(order.begin(), order.end(), dependency.producer) - order.begin();
        EXPECT_TRUE(found.count({dependency.rank, producer, rank, i, dependency.channel}));
      }
    }
  }
  EXPECT_EQ(found.size(), expected);
  // 10 microbatches: forward and backward between 8 stages, and features, feature gradients,
  // generator inputs and gradients for those not on the rank at the other end (microbatches 0, 4, 8
  // and 3, 7).
  EXPECT_EQ(expected, 10u * 7 * 2 + 2 * 7 + 2 * 8);
}

TEST(Transfers, SendsAreInTheOrderOfReceives) {
  Case c(4, 2, 12, costsOf({0.5, 1, 1, 2, 1, 2}));
  std::map<uint32_t, uint32_t> next;
  size_t sent = 0;
  for (uint32_t rank = 0; rank < 4; ++rank) {
    uint32_t producer = 0;
    for (uint32_t t : c.plan.sends[rank]) {
      const Transfer &transfer = c.plan.transfers[t];
      EXPECT_EQ(c.plan.links[transfer.link].source, rank);
      EXPECT_GE(transfer.producer, producer);
      producer = transfer.producer;
      EXPECT_EQ(transfer.sequence, next[transfer.link]++);
      ++sent;
    }
  }
  EXPECT_EQ(sent, c.plan.transfers.size());

  Result<std::vector<std::vector<PostedReceive>>> receives =
      planReceives(c.schedule, c.plan, c.buffers(2));
  ASSERT_TRUE(receives);
  next.clear();
  for (const auto &ofRank : *receives) {
    int64_t after = PostedReceive::beforeFirstAction;
    for (const PostedReceive &receive : ofRank) {
      const Transfer &transfer = c.plan.transfers[receive.transfer];
      EXPECT_GE(receive.after, after);
      after = receive.after;
      EXPECT_EQ(transfer.sequence, next[transfer.link]++);
      EXPECT_EQ(receive.buffer, transfer.sequence % 2);
      // Posted when the buffer's last user is done, before its own user starts.
      EXPECT_LT(receive.after, static_cast<int64_t>(transfer.consumer));
      if (transfer.sequence >= 2) {
        EXPECT_GE(receive.after, c.plan.transfers[receive.transfer - 2].consumer);
      }
    }
  }
}

TEST(Rendezvous, SchedulesEndWithFewBuffers) {
  for (ScheduleKind kind :
       {ScheduleKind::BigMac, ScheduleKind::EncoderFirst, ScheduleKind::Interleaved}) {
    for (uint32_t chunks : {1u, 2u}) {
      for (uint32_t microbatches : {4u, 7u, 24u}) {
        Case c(4, chunks, microbatches, costsOf({0.5, 1, 1, 2, 1, 2}), kind);
        Result<uint32_t> least = leastUniformBuffers(c.schedule, c.dependencies, c.plan);
        ASSERT_TRUE(least) << least.message();
        EXPECT_TRUE(proveTransfers(c.schedule, c.dependencies, c.plan, c.buffers(*least)));
        if (*least > 1) {
          EXPECT_FALSE(proveTransfers(c.schedule, c.dependencies, c.plan, c.buffers(*least - 1)));
        }
        Result<Timing> timing = execute(c.schedule, c.dependencies, c.problem.costs);
        ASSERT_TRUE(timing);
        EXPECT_TRUE(proveTransfers(c.schedule, c.dependencies, c.plan,
                                   buffersForTiming(c.schedule, c.plan, *timing)));
      }
    }
  }
}

/// Two ranks that send each other a message after their first action and use what comes only at
/// their end.
class Exchange : public Dependencies {
public:
  void append(uint32_t rank, const Action &consumer,
              std::vector<Dependency> &producers) const override {
    if (consumer.phase == Phase::Backward)
      producers.push_back({1 - rank, 1, Action::llm(Phase::Forward, 0, consumer.microbatch)});
  }
};

TEST(Rendezvous, TooFewBuffersAreNamed) {
  Exchange exchange;
  Schedule schedule;
  schedule.ranks = 2;
  schedule.chunks = 1;
  schedule.microbatches = 3;
  for (uint32_t rank = 0; rank < 2; ++rank) {
    schedule.orders.emplace_back();
    for (Phase phase : {Phase::Forward, Phase::Backward})
      for (uint32_t m = 0; m < 3; ++m)
        schedule.orders[rank].push_back(Action::llm(phase, 0, m));
  }
  Result<TransferPlan> plan = matchTransfers(schedule, exchange);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->links.size(), 2u);
  EXPECT_TRUE(proveTransfers(schedule, exchange, *plan, {3, 3}));
  // One side alone may wait for the other.
  EXPECT_TRUE(proveTransfers(schedule, exchange, *plan, {1, 3}));
  Status status = proveTransfers(schedule, exchange, *plan, {2, 2});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.message(),
            "deadlock with rendezvous sends: the message of F(chunk 0, microbatch 2) on rank 0 to "
            "B(chunk 0, microbatch 2) on rank 1 waits for a receive buffer (2 on channel 1), which "
            "is free after B(chunk 0, microbatch 0) on rank 1; the message of F(chunk 0, "
            "microbatch 2) on rank 1 to B(chunk 0, microbatch 2) on rank 0 waits for a receive "
            "buffer (2 on channel 1), which is free after B(chunk 0, microbatch 0) on rank 0");
  EXPECT_EQ(*leastUniformBuffers(schedule, exchange, *plan), 3u);
  EXPECT_FALSE(proveTransfers(schedule, exchange, *plan, {0, 1}));
  EXPECT_FALSE(proveTransfers(schedule, exchange, *plan, {1}));
}

TEST(Rendezvous, PlantedFaultsAreRejected) {
  Case c(4, 1, 8, costsOf({1, 2, 1, 2, 1, 2}));
  auto verdict = [&] {
    Status status = proveTransfers(c.schedule, c.dependencies, c.plan, c.buffers(8));
    return status ? std::string() : status.message();
  };
  EXPECT_EQ(verdict(), "");

  TransferPlan whole = c.plan;
  uint32_t lost = c.plan.sends[1].back();
  c.plan.sends[1].pop_back();
  EXPECT_NE(verdict().find("is never sent"), std::string::npos) << verdict();
  c.plan.sends[1].push_back(lost);
  c.plan.sends[1].push_back(lost);
  EXPECT_NE(verdict().find("is sent twice"), std::string::npos) << verdict();

  c.plan = whole;
  std::swap(c.plan.sends[1].front(), c.plan.sends[1].back());
  EXPECT_NE(verdict().find("not sent in the order"), std::string::npos) << verdict();

  c.plan = whole;
  c.plan.transfers.pop_back();
  EXPECT_NE(verdict().find("missing from the transfers"), std::string::npos) << verdict();

  c.plan = whole;
  std::swap(c.plan.transfers[0].consumer, c.plan.transfers[1].consumer);
  EXPECT_NE(verdict().find("not those of the schedule"), std::string::npos) << verdict();

  c.plan = whole;
  c.plan.sends[0].push_back(12345678);
  EXPECT_NE(verdict().find("not its own"), std::string::npos) << verdict();

  c.plan = whole;
  std::vector<Action> &order = c.schedule.orders[2];
  std::swap(order.front(), order.back());
  EXPECT_NE(verdict(), "");
}

TEST(Rendezvous, CyclesOfOrdersAreFound) {
  Costs costs = costsOf({1, 2});
  StandardDependencies dependencies(workloadOf(costs, 2, 1, 2));
  Schedule schedule;
  schedule.ranks = 2;
  schedule.chunks = 1;
  schedule.microbatches = 2;
  Action f0 = Action::llm(Phase::Forward, 0, 0), f1 = Action::llm(Phase::Forward, 0, 1);
  Action b0 = Action::llm(Phase::Backward, 0, 0), b1 = Action::llm(Phase::Backward, 0, 1);
  schedule.orders = {{f0, b0, f1, b1}, {f1, b1, f0, b0}};
  Result<TransferPlan> plan = matchTransfers(schedule, dependencies);
  ASSERT_TRUE(plan);
  EXPECT_FALSE(leastUniformBuffers(schedule, dependencies, *plan));
}

} // namespace
