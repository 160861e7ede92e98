// How tags are put together into lanes.

#include "Lanes.h"
#include "bigmac-rt/PlanWriter.h"

#include <gtest/gtest.h>
#include <random>

using namespace bigmac::rt;

namespace {

/// A plan in which rank 0 sends to rank 1 in one order of tags and rank 1 receives in another.
std::vector<unsigned char> planOf(const std::vector<uint32_t> &sent,
                                  const std::vector<uint32_t> &received) {
  PlanWriter plan(2, 1, 1, 1);
  plan.addScalar("loss", BM_SCALAR_LOSS);
  for (uint32_t r = 0; r < 2; ++r) {
    plan.rank(r).setArena(1 << 16);
    const auto &tags = r == 0 ? sent : received;
    for (uint32_t i = 0; i < tags.size(); ++i)
      if (r == 0)
        plan.rank(r).send(1, tags[i], 64 * i, 8, i);
      else
        plan.rank(r).recv(0, tags[i], 64 * i, 8, i);
    for (uint32_t i = 0; i < tags.size(); ++i)
      plan.rank(r).wait(i);
  }
  plan.rank(1).record(0, 0, 0);
  std::string error;
  auto image = plan.finish(error);
  EXPECT_TRUE(image) << error;
  return image.value_or(std::vector<unsigned char>());
}

/// The lane of each tag.
std::map<uint32_t, uint32_t> lanesOf(const std::vector<uint32_t> &sent,
                                     const std::vector<uint32_t> &received) {
  auto image = planOf(sent, received);
  std::string error;
  auto plan = PlanView::open(image.data(), image.size(), error);
  EXPECT_TRUE(plan) << error;
  Lanes lanes(*plan);
  std::map<uint32_t, uint32_t> result;
  for (uint32_t tag : sent)
    result[tag] = lanes.of(0, 1, tag);
  return result;
}

using Map = std::map<uint32_t, uint32_t>;

} // namespace

TEST(Lanes, OneWhereTheOrdersAgree) {
  EXPECT_EQ(lanesOf({5, 9, 5, 7}, {5, 9, 5, 7}), (Map{{5, 0}, {9, 0}, {7, 0}}));
}

TEST(Lanes, ApartWhereTheOrdersDiffer) {
  EXPECT_EQ(lanesOf({1, 2}, {2, 1}), (Map{{1, 0}, {2, 1}}));
  EXPECT_EQ(lanesOf({1, 2, 3, 1}, {2, 1, 3, 1}), (Map{{1, 0}, {2, 1}, {3, 0}}));
}

/// In every lane both ends start the same tags in the same order.
TEST(Lanes, RandomOrders) {
  std::mt19937 random(4);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint32_t> sent(1 + random() % 12);
    for (uint32_t &tag : sent)
      tag = random() % 5;
    auto received = sent;
    for (uint32_t swaps = random() % 4; swaps > 0; --swaps)
      std::swap(received[random() % sent.size()], received[random() % sent.size()]);
    auto lanes = lanesOf(sent, received);
    for (uint32_t lane = 0; lane < 5; ++lane) {
      std::vector<uint32_t> a, b;
      for (size_t i = 0; i < sent.size(); ++i) {
        if (lanes[sent[i]] == lane)
          a.push_back(sent[i]);
        if (lanes[received[i]] == lane)
          b.push_back(received[i]);
      }
      EXPECT_EQ(a, b);
    }
  }
}
