// Which elements take one step of AdamW together.

#include "Update.h"

#include <gtest/gtest.h>

using namespace bigmac::rt;

namespace {

/// Of a class of bf16 with float32 gradients: `elements` from element `begin` on.
Segment segment(uint64_t begin, uint64_t elements, bool decays, bool master = false) {
  AdamWShard at;
  at.param = 1024 + 2 * begin;
  at.grad = 16384 + 4 * begin;
  at.m = 65536 + 2 * begin;
  at.v = 131072 + 2 * begin;
  at.elements = elements;
  at.paramType = at.momentType = BM_BF16;
  at.gradType = BM_F32;
  if (master) {
    at.momentType = BM_F32;
    at.m = 65536 + 4 * begin;
    at.v = 131072 + 4 * begin;
    at.master = 262144 + 4 * begin;
  }
  return {0, 0, at, true, decays};
}

TEST(Stretches, NeighboursJoinInAnyOrder) {
  for (bool master : {false, true}) {
    Segment a = segment(0, 96, true, master), b = segment(96, 32, true, master),
            c = segment(128, 7, true, master);
    auto joined = stretchesOf({&c, &a, &b});
    ASSERT_EQ(joined.size(), 1u);
    EXPECT_EQ(joined[0].at.param, a.at.param);
    EXPECT_EQ(joined[0].at.master, a.at.master);
    EXPECT_EQ(joined[0].at.elements, 135u);
    EXPECT_TRUE(joined[0].decays);
  }
}

TEST(Stretches, AGapParts) {
  Segment a = segment(0, 95, true), b = segment(96, 32, true);
  auto joined = stretchesOf({&a, &b});
  ASSERT_EQ(joined.size(), 2u);
  EXPECT_EQ(joined[0].at.elements, 95u);
  EXPECT_EQ(joined[1].at.elements, 32u);
}

TEST(Stretches, AnotherDecayParts) {
  Segment a = segment(0, 96, true), b = segment(96, 32, false), c = segment(128, 32, false);
  auto joined = stretchesOf({&a, &b, &c});
  ASSERT_EQ(joined.size(), 2u);
  EXPECT_TRUE(joined[0].decays);
  EXPECT_FALSE(joined[1].decays);
  EXPECT_EQ(joined[1].at.elements, 64u);
}

/// A gap in one array alone.
TEST(Stretches, EveryArrayMustGoOn) {
  for (auto move :
       {+[](AdamWShard &x) { x.param += 64; }, +[](AdamWShard &x) { x.grad += 64; },
        +[](AdamWShard &x) { x.m += 64; }, +[](AdamWShard &x) { x.v += 64; },
        +[](AdamWShard &x) { x.master += 64; }, +[](AdamWShard &x) { x.master = BM_NONE64; }}) {
    Segment a = segment(0, 96, true, true), b = segment(96, 32, true, true);
    move(b.at);
    EXPECT_EQ(stretchesOf({&a, &b}).size(), 2u);
  }
}

} // namespace
