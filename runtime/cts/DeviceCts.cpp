#include "DeviceCts.h"

#include "Pattern.h"
#include "bigmac-rt/Error.h"

#include <cmath>
#include <limits>

namespace bigmac::rt::cts {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DeviceCts);

// Lengths around vector widths and block sizes.
static constexpr uint64_t kLengths[] = {1, 3, 15, 16, 17, 64, 1000, 2048, 2049, 100003};

TEST_P(DeviceCts, ArenaStartsAtZeroAndAligned) {
  EXPECT_EQ(reinterpret_cast<uintptr_t>(device->address(0)) % 256, 0u);
  EXPECT_EQ(static_cast<char *>(device->address(640)) - static_cast<char *>(device->address(0)),
            640);
  for (float value : read(0, kArena / 4))
    ASSERT_EQ(value, 0);
}

TEST_P(DeviceCts, ArenaLargerThanTheMachineIsAnError) {
  auto other = GetParam()();
  EXPECT_THROW(other->allocateArena(uint64_t(1) << 60), RuntimeError);
}

TEST_P(DeviceCts, MovesBytes) {
  auto values = pattern(1000, 1);
  write(64, values);
  EXPECT_EQ(read(64, 1000), values);
  device->copy(8192, 64, 4000);
  EXPECT_EQ(read(8192, 1000), values);
  device->zero(64 + 400, 2000);
  auto got = read(64, 1000);
  for (size_t i = 0; i < 1000; ++i)
    ASSERT_EQ(got[i], i >= 100 && i < 600 ? 0 : values[i]);
  EXPECT_GE(device->residentBytes(), 4000u);
  EXPECT_LE(device->residentBytes(), kArena);
}

TEST_P(DeviceCts, SumsInOrder) {
  for (uint64_t n : kLengths)
    for (uint32_t sources : {1u, 2u, 5u}) {
      std::vector<const float *> pointers;
      std::vector<float> want(n);
      for (uint32_t s = 0; s < sources; ++s) {
        auto values = pattern(n, s + 7);
        write(s * 512 * 1024, values);
        pointers.push_back(static_cast<const float *>(device->address(s * 512 * 1024)));
        for (uint64_t i = 0; i < n; ++i)
          want[i] = s == 0 ? values[i] : want[i] + values[i];
      }
      // Into one of the sources, as gradient sums do.
      uint64_t target = (sources - 1) * 512 * 1024;
      device->sum(static_cast<float *>(device->address(target)), pointers, n);
      ASSERT_EQ(read(target, n), want) << n << " x " << sources;
    }
}

TEST_P(DeviceCts, SumOfSquares) {
  for (uint64_t n : kLengths) {
    auto values = pattern(n, n);
    write(128, values);
    double want = 0;
    for (float value : values)
      want += double(value) * value;
    double got = device->sumSquares(128, n);
    EXPECT_NEAR(got / want, 1, 1e-12);
    EXPECT_EQ(got, device->sumSquares(128, n));
    for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
      values[n / 2] = bad;
      write(128, values);
      EXPECT_FALSE(std::isfinite(device->sumSquares(128, n)));
    }
  }
  // Squares that do not fit fp32 do fit the sum.
  write(0, {3e38f, 3e38f});
  EXPECT_NEAR(device->sumSquares(0, 2) / 1.8e77, 1, 1e-6);
}

TEST_P(DeviceCts, Scales) {
  auto values = pattern(1000, 3);
  write(64, values);
  device->scale(64, 999, 0.25);
  auto got = read(64, 1000);
  for (size_t i = 0; i < 1000; ++i)
    ASSERT_EQ(got[i], i < 999 ? values[i] * 0.25f : values[i]);
}

TEST_P(DeviceCts, AdamWIsTorchs) {
  // torch.optim.AdamW, single tensor, fp32, scalar by scalar.
  AdamW how{1e-2, 0.9, 0.999, 1e-8, 0.1, 0.125, 0.5, 0};
  for (uint64_t n : kLengths) {
    auto p = pattern(n, 1), m = std::vector<float>(n), v = m;
    write(0, p);
    device->zero(512 * 1024, n * 4);
    device->zero(1024 * 1024, n * 4);
    for (how.step = 1; how.step <= 4; ++how.step) {
      auto g = pattern(n, 10 + how.step);
      write(1536 * 1024, g);
      device->adamW(how, 0, 1536 * 1024, 512 * 1024, 1024 * 1024, n);
      double c1 = 1 - std::pow(how.beta1, how.step), c2 = 1 - std::pow(how.beta2, how.step);
      for (uint64_t i = 0; i < n; ++i) {
        double gi = g[i] * how.gradScale * how.clip;
        p[i] = static_cast<float>(p[i] * (1 - how.lr * how.weightDecay));
        m[i] = static_cast<float>(m[i] + (1 - how.beta1) * (gi - m[i]));
        v[i] = static_cast<float>(v[i] * how.beta2 + (1 - how.beta2) * gi * gi);
        p[i] = static_cast<float>(p[i] - how.lr / c1 * m[i] /
                                             (std::sqrt(double(v[i])) / std::sqrt(c2) + how.eps));
      }
    }
    auto gotP = read(0, n), gotM = read(512 * 1024, n), gotV = read(1024 * 1024, n);
    for (uint64_t i = 0; i < n; ++i) {
      ASSERT_NEAR(gotP[i], p[i], 2e-6) << i;
      ASSERT_NEAR(gotM[i], m[i], 1e-7);
      ASSERT_NEAR(gotV[i], v[i], 1e-8);
    }
    // The gradient is only read, and nothing beyond the range is written.
    auto after = read(0, n + 1);
    EXPECT_EQ(after[n], 0);
    device->zero(0, (n + 1) * 4);
  }
}

TEST_P(DeviceCts, AdamWWithoutClipIsExactInGradScale) {
  // clip >= 1 must not touch the gradient: scale 1 and clip 1 equal scale 1 and clip 5.
  for (double clip : {1.0, 5.0}) {
    write(0, pattern(100, 1));
    write(4096, pattern(100, 2));
    device->zero(8192, 800);
    device->adamW({1e-3, 0.9, 0.999, 1e-8, 0, 1, clip, 1}, 0, 4096, 8192, 8192 + 400, 100);
    static std::vector<float> first;
    if (clip == 1.0)
      first = read(0, 100);
    else
      EXPECT_EQ(read(0, 100), first);
  }
}

} // namespace bigmac::rt::cts
