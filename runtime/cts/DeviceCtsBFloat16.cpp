// Arithmetic on bfloat16: in fp32, rounded once where it is stored.

#include "DeviceCts.h"

#include "bigmac-rt/BFloat16.h"
#include "bigmac-rt/Error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bigmac::rt::cts {

namespace {

// Lengths around vector widths and block sizes.
constexpr uint64_t kLengths[] = {1, 3, 7, 8, 9, 16, 1000, 2048, 2049, 100003};

std::vector<uint16_t> rounded(const std::vector<float> &values) {
  std::vector<uint16_t> bits(values.size());
  std::transform(values.begin(), values.end(), bits.begin(), toBFloat16);
  return bits;
}

std::vector<float> widened(const std::vector<uint16_t> &bits) {
  std::vector<float> values(bits.size());
  std::transform(bits.begin(), bits.end(), values.begin(), fromBFloat16);
  return values;
}

/// An element of torch.optim.AdamW's fused kernel: fp32 whatever is stored.
void adamWOf(const AdamW &how, float &p, float g, float &m, float &v) {
  double c1 = 1 - std::pow(how.beta1, how.step), c2 = 1 - std::pow(how.beta2, how.step);
  double gi = g * how.gradScale * how.clip;
  p = static_cast<float>(p * (1 - how.lr * how.weightDecay));
  m = static_cast<float>(m + (1 - how.beta1) * (gi - m));
  v = static_cast<float>(v * how.beta2 + (1 - how.beta2) * gi * gi);
  p = static_cast<float>(p - how.lr / c1 * m /
                                 (std::sqrt(static_cast<double>(v)) / std::sqrt(c2) + how.eps));
}

} // namespace

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(toBFloat16(1.0f), 0x3f80);
  EXPECT_EQ(toBFloat16(1.0f + 0x1p-8f), 0x3f80);           // a tie, to the even below
  EXPECT_EQ(toBFloat16(1.0f + 0x1p-7f + 0x1p-8f), 0x3f82); // a tie, to the even above
  EXPECT_EQ(toBFloat16(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81);
  EXPECT_EQ(toBFloat16(-1.0f - 0x1p-8f - 0x1p-20f), 0xbf81);
  EXPECT_EQ(toBFloat16(std::numeric_limits<float>::max()), 0x7f80); // infinity
  EXPECT_EQ(toBFloat16(-std::numeric_limits<float>::infinity()), 0xff80);
  EXPECT_TRUE(std::isnan(fromBFloat16(toBFloat16(std::nanf("")))));
  EXPECT_TRUE(std::isnan(fromBFloat16(toBFloat16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(toBFloat16(0x1p-133f), 1); // subnormal
}

TEST_P(DeviceCts, BFloat16SumsInFp32AndRoundsOnce) {
  for (uint64_t n : kLengths)
    for (uint32_t sources : {1u, 2u, 5u}) {
      std::vector<const void *> pointers;
      std::vector<float> want(n);
      for (uint32_t s = 0; s < sources; ++s) {
        std::vector<uint16_t> values = rounded(pattern(n, s + 7));
        write(s * 512 * 1024, values);
        pointers.push_back(device->address(s * 512 * 1024));
        for (uint64_t i = 0; i < n; ++i)
          want[i] = s == 0 ? fromBFloat16(values[i]) : want[i] + fromBFloat16(values[i]);
      }
      uint64_t target = (sources - 1) * 512 * 1024;
      device->sum(device->address(target), pointers, n, BM_BF16);
      ASSERT_EQ(readBits(target, n), rounded(want)) << n << " x " << sources;
    }
}

TEST_P(DeviceCts, BFloat16SumOfSquares) {
  for (uint64_t n : kLengths) {
    std::vector<uint16_t> values = rounded(pattern(n, n));
    write(128, values);
    double want = 0;
    for (uint16_t value : values)
      want += double(fromBFloat16(value)) * fromBFloat16(value);
    double got = sumSquares(128, n, BM_BF16);
    EXPECT_NEAR(got / want, 1, 1e-12);
    EXPECT_EQ(got, sumSquares(128, n, BM_BF16));
    values[n / 2] = 0x7f80;
    write(128, values);
    EXPECT_FALSE(std::isfinite(sumSquares(128, n, BM_BF16)));
  }
}

TEST_P(DeviceCts, BFloat16Scales) {
  std::vector<uint16_t> values = rounded(pattern(1000, 3));
  write(64, values);
  device->scale(64, 999, 0.3, BM_BF16);
  std::vector<uint16_t> got = readBits(64, 1000);
  for (size_t i = 0; i < 1000; ++i)
    ASSERT_EQ(got[i], i < 999 ? toBFloat16(fromBFloat16(values[i]) * 0.3f) : values[i]);
}

/// fp32 master weights follow the fp32 optimizer; parameters are what they round to.
TEST_P(DeviceCts, BFloat16AdamWWithMasterWeights) {
  AdamW how{1e-2, 0.9, 0.999, 1e-8, 0.1, 0.125, 0.5, 0};
  for (bm_dtype gradType : {BM_F32, BM_BF16})
    for (uint64_t n : kLengths) {
      auto p = pattern(n, 1), m = std::vector<float>(n), v = m;
      AdamWShard shard{.param = 0,
                       .grad = 512 * 1024,
                       .m = 1024 * 1024,
                       .v = 1536 * 1024,
                       .elements = n,
                       .master = 2048 * 1024,
                       .paramType = BM_BF16,
                       .gradType = gradType};
      write(shard.param, rounded(p));
      device->fill(n * 2, 0, 2); // after the parameters
      write(shard.master, p);
      device->fill(shard.m, 0, n * 4);
      device->fill(shard.v, 0, n * 4);
      for (how.step = 1; how.step <= 4; ++how.step) {
        auto g = pattern(n, 10 + how.step);
        if (gradType == BM_F32) {
          write(shard.grad, g);
        } else {
          write(shard.grad, rounded(g));
          g = widened(rounded(g));
        }
        device->adamW(how, shard);
        for (uint64_t i = 0; i < n; ++i)
          adamWOf(how, p[i], g[i], m[i], v[i]);
      }
      auto master = read(shard.master, n), gotM = read(shard.m, n), gotV = read(shard.v, n);
      std::vector<uint16_t> param = readBits(shard.param, n + 1);
      for (uint64_t i = 0; i < n; ++i) {
        ASSERT_NEAR(master[i], p[i], 2e-6) << i;
        ASSERT_NEAR(gotM[i], m[i], 1e-7);
        ASSERT_NEAR(gotV[i], v[i], 1e-8);
        ASSERT_EQ(param[i], toBFloat16(master[i]));
      }
      EXPECT_EQ(param[n], 0) << "written beyond the range";
    }
}

/// Everything in bf16, as torch.optim.AdamW keeps it for bf16 parameters: each stored value is the
/// fp32 result rounded once.
TEST_P(DeviceCts, BFloat16AdamWWithoutMasterWeights) {
  AdamW how{1e-2, 0.9, 0.99, 1e-8, 0.1, 0.125, 0.5, 0};
  for (bm_dtype gradType : {BM_F32, BM_BF16})
    for (uint64_t n : kLengths) {
      AdamWShard shard{.param = 0,
                       .grad = 512 * 1024,
                       .m = 1024 * 1024,
                       .v = 1536 * 1024,
                       .elements = n,
                       .paramType = BM_BF16,
                       .gradType = gradType,
                       .momentType = BM_BF16};
      write(shard.param, rounded(pattern(n, 1)));
      device->fill(shard.m, 0, n * 2);
      device->fill(shard.v, 0, n * 2);
      for (how.step = 1; how.step <= 4; ++how.step) {
        // From the device's own state, so that a rounding that falls the other way does not add up.
        auto p = widened(readBits(shard.param, n)), m = widened(readBits(shard.m, n)),
             v = widened(readBits(shard.v, n)), g = pattern(n, 10 + how.step);
        if (gradType == BM_F32) {
          write(shard.grad, g);
        } else {
          write(shard.grad, rounded(g));
          g = widened(rounded(g));
        }
        device->adamW(how, shard);
        auto gotP = widened(readBits(shard.param, n)), gotM = widened(readBits(shard.m, n)),
             gotV = widened(readBits(shard.v, n));
        for (uint64_t i = 0; i < n; ++i) {
          adamWOf(how, p[i], g[i], m[i], v[i]);
          // Half a unit in the last of 8 bits, and what the fp32 arithmetic is off by.
          auto isRounded = [](float got, float exact) {
            return std::abs(got - exact) <= std::abs(exact) * 0x1.02p-8f + 1e-8f;
          };
          ASSERT_TRUE(isRounded(gotM[i], m[i])) << i << ": " << gotM[i] << " for " << m[i];
          ASSERT_TRUE(isRounded(gotV[i], v[i])) << i << ": " << gotV[i] << " for " << v[i];
          ASSERT_TRUE(isRounded(gotP[i], p[i])) << i << ": " << gotP[i] << " for " << p[i];
        }
      }
    }
}

TEST_P(DeviceCts, BFloat16AdamWRefusesOtherTypes) {
  AdamW how{1e-2, 0.9, 0.999, 1e-8, 0, 1, 1, 1};
  auto with = [&](bm_dtype param, bm_dtype grad, bm_dtype moment, bool master) {
    device->adamW(how, {.grad = 4096,
                        .m = 8192,
                        .v = 12288,
                        .elements = 16,
                        .master = master ? 16384 : BM_NONE64,
                        .paramType = param,
                        .gradType = grad,
                        .momentType = moment});
  };
  EXPECT_THROW(with(BM_F32, BM_BF16, BM_F32, false), RuntimeError);
  EXPECT_THROW(with(BM_F32, BM_F32, BM_F32, true), RuntimeError);
  EXPECT_THROW(with(BM_BF16, BM_BF16, BM_F32, false), RuntimeError);
  EXPECT_THROW(with(BM_BF16, BM_BF16, BM_BF16, true), RuntimeError);
  EXPECT_THROW(with(BM_F16, BM_F16, BM_F16, false), RuntimeError);
}

} // namespace bigmac::rt::cts
