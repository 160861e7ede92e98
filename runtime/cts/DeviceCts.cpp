#include "DeviceCts.h"

#include "bigmac-rt/Error.h"

#include <algorithm>
#include <cmath>
#include <cstring>
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
  auto other = GetParam().make();
  EXPECT_THROW(other->allocateArena(uint64_t(1) << 60), RuntimeError);
}

TEST_P(DeviceCts, MovesBytes) {
  auto values = pattern(1000, 1);
  write(64, values);
  EXPECT_EQ(read(64, 1000), values);
  device->copy(8192, 64, 4000);
  EXPECT_EQ(read(8192, 1000), values);
  device->fill(64 + 400, 0, 2000);
  auto got = read(64, 1000);
  for (size_t i = 0; i < 1000; ++i)
    ASSERT_EQ(got[i], i >= 100 && i < 600 ? 0 : values[i]);
  EXPECT_GE(device->residentBytes(), 4000u);
  EXPECT_LE(device->residentBytes(), kArena);
}

TEST_P(DeviceCts, FillsBytes) {
  device->fill(64, 0xFF, 4001); // also lengths that are no multiple of 4
  auto values = read(64, 1001);
  for (size_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(std::isnan(values[i])) << i;
  std::vector<unsigned char> bytes(8);
  device->download(bytes.data(), 64 + 3996, 8);
  device->synchronize();
  EXPECT_EQ(bytes, (std::vector<unsigned char>{255, 255, 255, 255, 255, 0, 0, 0}));
}

TEST_P(DeviceCts, UploadedMemoryMayChange) {
  std::vector<float> values(100003);
  for (int round = 0; round < 3; ++round) {
    std::vector<float> want = values = pattern(values.size(), round);
    device->upload(64, values.data(), values.size() * 4);
    std::fill(values.begin(), values.end(), -1);
    ASSERT_EQ(read(64, want.size()), want);
  }
}

TEST_P(DeviceCts, HostMemoryIsZeroAlignedAndApart) {
  auto *a = static_cast<unsigned char *>(device->hostMemory(1000));
  auto *b = static_cast<unsigned char *>(device->hostMemory(0));
  auto *c = static_cast<unsigned char *>(device->hostMemory(100000));
  for (auto *block : {a, b, c}) {
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u);
  }
  EXPECT_EQ(std::count(a, a + 1000, 0), 1000);
  EXPECT_EQ(std::count(c, c + 100000, 0), 100000);
  std::fill_n(a, 1000, 1);
  EXPECT_EQ(c[0], 0);
}

TEST_P(DeviceCts, CallsAreInOrder) {
  // Tasks, copies and transfers to and from the host, each using what the one before has made.
  auto x = pattern(kAxpy, 1), y = pattern(kAxpy, 2);
  auto *in = static_cast<float *>(device->hostMemory(kAxpy * 4));
  auto *out = static_cast<float *>(device->hostMemory(kAxpy * 4));
  std::copy(x.begin(), x.end(), in);
  void *args[] = {device->address(0), device->address(8192)};
  device->run(GetParam().delay, nullptr);
  device->upload(0, in, kAxpy * 4);
  device->upload(16384, y.data(), kAxpy * 4);
  device->copy(8192, 16384, kAxpy * 4);
  device->fill(16384, 0, kAxpy * 4);
  device->run(GetParam().axpy, args);
  device->scale(8192, kAxpy, 0.5);
  device->run(GetParam().axpy, args);
  device->download(out, 8192, kAxpy * 4);
  device->synchronize();
  for (uint64_t i = 0; i < kAxpy; ++i)
    ASSERT_EQ(out[i], (y[i] + 2 * x[i]) * 0.5f + 2 * x[i]);
}

/// Bytes wait in the host's memory while the device computes, in lists that are kept and outside;
/// uploads and downloads beside them are still in order, at any offset.
TEST_P(DeviceCts, CopiesRunBesideCalls) {
  constexpr uint64_t kBytes = kAxpy * 4, kPlaces = 3;
  auto *host = static_cast<std::byte *>(device->hostMemory(kPlaces * kBytes));
  auto *in = static_cast<float *>(device->hostMemory(kBytes));
  auto *out = static_cast<float *>(device->hostMemory(kBytes));
  auto *one = static_cast<float *>(device->hostMemory(4));
  device->prepareCopies(kPlaces);
  auto issue = [&] {
    // Each place is doubled while the one before leaves; what was left behind is overwritten.
    for (uint32_t i = 0; i < kPlaces; ++i) {
      uint64_t at = i * 16384;
      void *args[] = {device->address(at), device->address(at)};
      device->run(GetParam().delay, nullptr);
      device->run(GetParam().axpy, args); // times three
      device->offload(i, host + i * kBytes, at, kBytes);
      if (i == 0)
        continue;
      device->await(i - 1);
      device->fill(at - 16384, 0xFF, kBytes);
    }
    device->await(kPlaces - 1);
    device->fill((kPlaces - 1) * 16384, 0xFF, kBytes);
    // They come back into each other's places, one ahead of its use, and are summed.
    device->fetch(0, 16384, host, kBytes);
    device->upload(65536, in, kBytes);
    device->upload(65536 + 12, in, 7);
    device->upload(65536 + 32, in, 23);
    device->download(one, 65536 + 12, 4);
    for (uint32_t i = 0; i < kPlaces; ++i) {
      if (i + 1 < kPlaces)
        device->fetch(i + 1, (i + 2) % kPlaces * 16384, host + (i + 1) * kBytes, kBytes);
      device->await(i);
      void *args[] = {device->address((i + 1) % kPlaces * 16384), device->address(65536)};
      device->run(GetParam().axpy, args);
    }
    device->download(out, 65536, kBytes);
  };
  for (uint32_t step = 0; step < 6; ++step) {
    std::vector<float> want = pattern(kAxpy, step * 10 + kPlaces);
    std::copy(want.begin(), want.end(), in);
    std::memcpy(&want[8], want.data(), 23);
    std::memcpy(&want[3], want.data(), 7);
    const float fourth = want[3];
    for (uint32_t i = 0; i < kPlaces; ++i) {
      auto values = pattern(kAxpy, step * 10 + i);
      write(i * 16384, values);
      for (uint64_t k = 0; k < kAxpy; ++k)
        want[k] += 2 * (values[k] + 2 * values[k]);
    }
    if (step % 3 == 2) {
      issue();
    } else if (!device->replay(step % 2)) {
      device->beginList(step % 2);
      issue();
      device->endList();
    }
    device->synchronize();
    EXPECT_EQ(*one, fourth) << "step " << step;
    for (uint64_t k = 0; k < kAxpy; ++k)
      ASSERT_EQ(out[k], want[k]) << "step " << step << ", element " << k;
  }
}

/// What the executor does: the calls of two lists in turn, with other inputs each time.
TEST_P(DeviceCts, ListsRepeat) {
  float *in[2], *out[2];
  for (int slot : {0, 1}) {
    in[slot] = static_cast<float *>(device->hostMemory(kAxpy * 4));
    out[slot] = static_cast<float *>(device->hostMemory(kAxpy * 4));
  }
  void *args[] = {device->address(0), device->address(8192)};
  device->prepareMarks(3);
  write(8192, std::vector<float>(kAxpy, 0));
  std::vector<float> want(kAxpy, 0);
  int kept = 0;
  for (uint32_t step = 0; step < 6; ++step) {
    uint32_t slot = step % 2;
    auto x = pattern(kAxpy, step);
    std::copy(x.begin(), x.end(), in[slot]);
    uint64_t before = nowNs();
    if (device->replay(slot)) {
      ++kept;
    } else {
      device->beginList(slot);
      device->label("a list");
      device->mark(0);
      device->upload(0, in[slot], kAxpy * 4);
      device->run(GetParam().axpy, args);
      device->mark(1);
      device->run(GetParam().delay, nullptr);
      device->mark(2);
      device->download(out[slot], 8192, kAxpy * 4);
      device->label(nullptr);
      device->endList();
    }
    device->synchronize();
    uint64_t after = nowNs();
    for (uint64_t i = 0; i < kAxpy; ++i)
      want[i] += 2 * x[i];
    EXPECT_TRUE(std::equal(want.begin(), want.end(), out[slot])) << "step " << step;
    // The device's clock may be some microseconds off.
    constexpr uint64_t kSlack = 200'000;
    EXPECT_GE(device->markTime(0) + kSlack, before);
    EXPECT_LE(device->markTime(0), device->markTime(1));
    EXPECT_GE(device->markTime(2), device->markTime(1) + 900'000);
    EXPECT_LE(device->markTime(2), after + kSlack);
  }
  // A driver keeps a list from the first time on, or not at all.
  EXPECT_TRUE(kept == 0 || kept == 4) << kept;
  RecordProperty("kept", kept);
}

TEST_P(DeviceCts, SumsInOrder) {
  for (uint64_t n : kLengths)
    for (uint32_t sources : {1u, 2u, 5u}) {
      std::vector<const void *> pointers;
      std::vector<float> want(n);
      for (uint32_t s = 0; s < sources; ++s) {
        auto values = pattern(n, s + 7);
        write(s * 512 * 1024, values);
        pointers.push_back(device->address(s * 512 * 1024));
        for (uint64_t i = 0; i < n; ++i)
          want[i] = s == 0 ? values[i] : want[i] + values[i];
      }
      // Into one of the sources, as gradient sums do.
      uint64_t target = (sources - 1) * 512 * 1024;
      device->sum(device->address(target), pointers, n);
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
    double got = sumSquares(128, n);
    EXPECT_NEAR(got / want, 1, 1e-12);
    EXPECT_EQ(got, sumSquares(128, n));
    for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
      values[n / 2] = bad;
      write(128, values);
      EXPECT_FALSE(std::isfinite(sumSquares(128, n)));
    }
  }
  // Squares that do not fit fp32 do fit the sum.
  write(0, std::vector<float>{3e38f, 3e38f});
  EXPECT_NEAR(sumSquares(0, 2) / 1.8e77, 1, 1e-6);
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
    device->fill(512 * 1024, 0, n * 4);
    device->fill(1024 * 1024, 0, n * 4);
    for (how.step = 1; how.step <= 4; ++how.step) {
      auto g = pattern(n, 10 + how.step);
      write(1536 * 1024, g);
      device->adamW(how, {.grad = 1536 * 1024, .m = 512 * 1024, .v = 1024 * 1024, .elements = n});
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
    device->fill(0, 0, (n + 1) * 4);
  }
}

TEST_P(DeviceCts, AdamWWithoutClipIsExactInGradScale) {
  // clip >= 1 must not touch the gradient: scale 1 and clip 1 equal scale 1 and clip 5.
  for (double clip : {1.0, 5.0}) {
    write(0, pattern(100, 1));
    write(4096, pattern(100, 2));
    device->fill(8192, 0, 800);
    device->adamW({1e-3, 0.9, 0.999, 1e-8, 0, 1, clip, 1},
                  {.grad = 4096, .m = 8192, .v = 8192 + 400, .elements = 100});
    static std::vector<float> first;
    if (clip == 1.0)
      first = read(0, 100);
    else
      EXPECT_EQ(read(0, 100), first);
  }
}

} // namespace bigmac::rt::cts
