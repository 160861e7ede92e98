// When gradients are complete, and in which order ranks sum them.

#include "GradientOrder.h"

#include "bigmac-rt/PlanWriter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace bigmac::rt;
using testing::ElementsAre;

namespace {

constexpr uint64_t kBytes = 1024; // of a class; its gradients come after it

/// Two ranks that both hold class 0, and classes 1 and 2 of one rank each. Gradients are at 1024,
/// on each rank, and at 8192. `fill` writes the instructions.
std::vector<unsigned char> imageOf(void (*fill)(RankWriter &, RankWriter &)) {
  PlanWriter plan(2, 1, 1, 1);
  plan.addInput("x", BM_F32, {1, 16});
  plan.addScalar("loss", BM_SCALAR_LOSS);
  plan.addTask("task", {64, 64}, BM_LLM, BM_BACKWARD, 0);
  auto member = [](uint32_t rank, uint64_t at) {
    return PlanWriter::trainedMember(rank, at, at + kBytes, at + 2 * kBytes, at + 3 * kBytes);
  };
  plan.addClass(BM_CLASS_TRAINED, kBytes, {member(0, 0), member(1, 0)});
  plan.addClass(BM_CLASS_TRAINED, kBytes, {member(0, 7168)});
  plan.addClass(BM_CLASS_TRAINED, kBytes, {member(1, 7168)});
  for (uint32_t r = 0; r < 2; ++r) {
    plan.rank(r).setArena(32768);
    plan.rank(r).setHost(4096);
    plan.rank(r).setScratch(16384, 16384);
    plan.rank(r).zero(1024, kBytes);
    plan.rank(r).zero(8192, kBytes);
  }
  fill(plan.rank(0), plan.rank(1));
  plan.rank(1).record(0, 0, 16384);
  std::string error;
  auto image = plan.finish(error);
  EXPECT_EQ(error, "");
  return image.value_or(std::vector<unsigned char>());
}

/// By class, on rank 0.
std::vector<size_t> complete(void (*fill)(RankWriter &, RankWriter &)) {
  auto image = imageOf(fill);
  std::string error;
  auto plan = PlanView::open(image.data(), image.size(), error);
  return plan ? gradientsComplete(*plan, 0) : std::vector<size_t>();
}

std::vector<uint32_t> order(void (*fill)(RankWriter &, RankWriter &)) {
  auto image = imageOf(fill);
  std::string error;
  auto plan = PlanView::open(image.data(), image.size(), error);
  return plan ? gradientOrder(*plan) : std::vector<uint32_t>();
}

} // namespace

/// Only zeroed: class 0 by the first instruction, class 1 by the second; class 2 is not of rank 0.
TEST(GradientOrder, ZeroingTouches) {
  EXPECT_THAT(complete([](RankWriter &, RankWriter &) {}), ElementsAre(1, 2, 0));
}

/// A task touches what its arguments meet, by a byte too.
TEST(GradientOrder, TasksTouchTheirArguments) {
  EXPECT_THAT(complete([](RankWriter &a, RankWriter &) {
                a.run(0, {20000, 1024}, {});
                a.run(0, {20000, 9152}, {});            // the last bytes of class 1
                a.run(0, {1024 - 64, 1024 + 1024}, {}); // just before and just after class 0
              }),
              ElementsAre(3, 4, 0));
}

/// What is sent or copied is in use until it is waited for.
TEST(GradientOrder, TransfersTouchUntilTheirWait) {
  EXPECT_THAT(complete([](RankWriter &a, RankWriter &b) {
                a.send(1, 0, 1024, 64, 0);
                a.offload(8192, 0, 64, 1);
                a.run(0, {20000, 21000}, {});
                a.wait(1);
                a.wait(0);
                a.fetch(0, 22000, 64, 0);
                a.wait(0);
                b.recv(0, 0, 20000, 64, 0);
                b.wait(0);
              }),
              ElementsAre(7, 6, 0));
}

/// Class 0 is complete early on rank 0 and counts where it is complete last.
TEST(GradientOrder, IsOfTheLastRank) {
  EXPECT_THAT(order([](RankWriter &a, RankWriter &b) {
                a.run(0, {20000, 1024}, {}); // class 0
                a.run(0, {20000, 8192}, {}); // class 1
                a.run(0, {20000, 20000}, {});
                a.run(0, {20000, 20000}, {});
                b.run(0, {20000, 8192}, {}); // class 2
                b.run(0, {20000, 1024}, {}); // class 0
                b.run(0, {20000, 1024}, {}); // class 0
              }),
              ElementsAre(2, 1, 0));
}
