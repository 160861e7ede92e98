#include "CommCts.h"

#include "Pattern.h"
#include "bigmac-rt/BFloat16.h"
#include "bigmac-rt/Error.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <numeric>

namespace bigmac::rt::cts {

static const CommDriver *theDriver;

class CommCts : public testing::Test {
protected:
  Comm &comm = theDriver->comm;
  Device &device = theDriver->device;
  uint32_t rank = comm.rank(), size = comm.size();

  float *floats(uint64_t offset) { return static_cast<float *>(device.address(offset)); }
  void write(uint64_t offset, const std::vector<float> &values) {
    device.upload(offset, values.data(), values.size() * 4);
    device.synchronize();
  }
  std::vector<float> read(uint64_t offset, uint64_t count) {
    std::vector<float> values(count);
    device.download(values.data(), offset, count * 4);
    device.synchronize();
    return values;
  }
  void sum(Comm::Region region) {
    comm.beginSum(device, region);
    comm.endSum(device, region);
  }
  void gather(Comm::Region region) {
    comm.beginGather(device, region);
    comm.endGather(device, region);
  }
  void SetUp() override { comm.barrier(); }
};

TEST_F(CommCts, KnowsItself) {
  EXPECT_LT(rank, size);
  EXPECT_FALSE(comm.name().empty());
}

TEST_F(CommCts, HostCollectives) {
  double values[3] = {double(rank), 1, rank == size - 1 ? 0.1 : 0};
  comm.allSum(values);
  EXPECT_EQ(values[0], size * (size - 1) / 2.0);
  EXPECT_EQ(values[1], size);
  EXPECT_EQ(values[2], 0.1); // adding zeros is exact
  double most[2] = {double(rank), -double(rank)};
  comm.allMax(most);
  EXPECT_EQ(most[0], size - 1);
  EXPECT_EQ(most[1], 0);
}

TEST_F(CommCts, TextGatherAndBroadcast) {
  std::string mine(rank * 70000, char('a' + rank % 26));
  auto all = comm.gather(mine);
  ASSERT_EQ(all.size(), rank == 0 ? size : 0);
  for (size_t r = 0; r < all.size(); ++r)
    EXPECT_EQ(all[r], std::string(r * 70000, char('a' + r % 26)));
  EXPECT_EQ(comm.broadcast(rank == 0 ? "from rank 0" : "not this"), "from rank 0");
  EXPECT_EQ(comm.broadcast(""), "");
}

/// Everybody sends to everybody, messages of several sizes, started many times.
TEST_F(CommCts, PersistentTransfers) {
  for (uint64_t n : {1u, 1000u, 70000u}) {
    std::vector<Comm::Request> requests;
    auto mine = pattern(n, rank);
    write(0, mine);
    for (uint32_t peer = 0; peer < size; ++peer) {
      if (peer == rank)
        continue;
      requests.push_back(comm.prepareRecv(floats(512 * 1024 * (1 + peer)), n * 4, peer, 3));
      requests.push_back(comm.prepareSend(floats(0), n * 4, peer, 3));
    }
    comm.connect();
    for (int round = 0; round < 3; ++round) {
      for (Comm::Request request : requests)
        comm.start(request);
      comm.progress();
      for (Comm::Request request : requests)
        comm.wait(request);
      for (uint32_t peer = 0; peer < size; ++peer)
        if (peer != rank) {
          EXPECT_EQ(read(512 * 1024 * (1 + peer), n), pattern(n, peer));
          device.fill(512 * 1024 * (1 + peer), 0, n * 4);
        }
      comm.barrier();
    }
  }
}

/// One channel: messages arrive in the order in which they were started, whatever is waited for
/// first.
TEST_F(CommCts, OrderOnAChannel) {
  if (size < 2 || rank > 1) {
    comm.connect();
    return;
  }
  constexpr uint32_t kMessages = 8;
  std::vector<Comm::Request> requests;
  for (uint32_t i = 0; i < kMessages; ++i) {
    write(4096 * i, std::vector<float>(1, i + 100.0f * rank));
    requests.push_back(rank == 0 ? comm.prepareSend(floats(4096 * i), 4, 1, 5)
                                 : comm.prepareRecv(floats(4096 * i), 4, 0, 5));
  }
  comm.connect();
  for (Comm::Request request : requests)
    comm.start(request);
  std::reverse(requests.begin(), requests.end());
  for (Comm::Request request : requests)
    comm.wait(request);
  for (uint32_t i = 0; i < kMessages && rank == 1; ++i)
    EXPECT_EQ(read(4096 * i, 1)[0], i);
}

/// Two channels between the same ranks do not mix.
TEST_F(CommCts, TagsAreApart) {
  if (size < 2 || rank > 1) {
    comm.connect();
    return;
  }
  write(0, {1});
  write(64, {2});
  Comm::Request first, second;
  if (rank == 0) {
    first = comm.prepareSend(floats(0), 4, 1, 10);
    second = comm.prepareSend(floats(64), 4, 1, 11);
    comm.connect();
  } else {
    second = comm.prepareRecv(floats(64), 4, 0, 11);
    first = comm.prepareRecv(floats(0), 4, 0, 10);
    comm.connect();
    comm.start(second);
    comm.start(first);
    comm.wait(second);
    comm.wait(first);
    EXPECT_EQ(read(0, 1)[0], 1);
    EXPECT_EQ(read(64, 1)[0], 2);
    return;
  }
  comm.start(first);
  comm.start(second);
  comm.wait(first);
  comm.wait(second);
}

/// Groups of every kind: all ranks, the first and the last, this rank alone, pairs in a ring;
/// scratch smaller than a shard.
TEST_F(CommCts, ReduceScatterAndAllGather) {
  std::vector<std::vector<uint32_t>> groups(2);
  groups[0].resize(size);
  std::iota(groups[0].begin(), groups[0].end(), 0u);
  groups[1] = {0, size - 1};
  if (size == 1)
    groups[1] = {0};
  groups.push_back({rank}); // each rank its own group
  for (uint32_t r = 0; size > 2 && r < size; ++r)
    groups.push_back({std::min(r, (r + 1) % size), std::max(r, (r + 1) % size)});
  constexpr uint64_t kScratch = 2 << 20;
  struct Prepared {
    const std::vector<uint32_t> &group;
    uint64_t shard;
    ptrdiff_t self;
    Comm::Region region;
  };
  std::vector<Prepared> all;
  for (const auto &group : groups)
    for (uint64_t shard : {16u, 1000 * 16u}) {
      auto self = std::find(group.begin(), group.end(), rank) - group.begin();
      if (self == static_cast<ptrdiff_t>(group.size()))
        continue;
      all.push_back({group, shard, self,
                     comm.prepareRegion({group, static_cast<uint32_t>(self), floats(0), shard,
                                         floats(kScratch), 4096 * group.size()})});
    }
  comm.connect();
  for (const auto &[group, shard, self, region] : all) {
    uint64_t n = shard * group.size();
    auto mine = pattern(n, rank);
    write(0, mine);
    sum(region);
    auto first = read(0, n);
    write(0, mine);
    sum(region);
    auto got = read(0, n);
    ASSERT_EQ(got, first) << "not the same bits";
    std::vector<float> want = mine;
    std::vector<std::vector<float>> parts;
    for (uint32_t r : group)
      parts.push_back(pattern(n, r));
    for (uint64_t i = self * shard; i < (self + 1) * shard; ++i) {
      want[i] = parts[0][i];
      for (size_t j = 1; j < group.size(); ++j)
        want[i] += parts[j][i];
    }
    // The order of a sum does not show with two ranks, and its error is below one part in 2^22
    // of the largest partial sum for the few that these tests have.
    float slack = theDriver->groupOrder || group.size() <= 2 ? 0 : group.size() * 0x1p-22f;
    for (uint64_t i = 0; i < n; ++i)
      ASSERT_NEAR(got[i], want[i], slack)
          << "group of " << group.size() << ", shard " << shard << ", element " << i;

    write(0, std::vector<float>(n, -1));
    write(self * shard * 4, std::vector<float>(shard, float(rank)));
    gather(region);
    got = read(0, n);
    for (uint64_t i = 0; i < n; ++i)
      ASSERT_EQ(got[i], group[i / shard]);
  }
}

/// Sums of bf16 numbers that are exact in any order and rounding.
TEST_F(CommCts, ReduceScatterAndAllGatherOfBFloat16) {
  std::vector<uint32_t> group(size);
  std::iota(group.begin(), group.end(), 0u);
  constexpr uint64_t kScratch = 2 << 20;
  std::map<uint64_t, Comm::Region> regions; // by shard
  for (uint64_t shard : {16u, 1000 * 16u})
    regions[shard] = comm.prepareRegion(
        {group, rank, device.address(64), shard, floats(kScratch), 4096 * size, BM_BF16});
  comm.connect();
  for (auto [shard, region] : regions) {
    uint64_t n = shard * size;
    auto value = [&](uint64_t i, uint32_t r) { return float((i * 7 + r) % 16) - 8; };
    std::vector<uint16_t> mine(n), got(n);
    for (uint64_t i = 0; i < n; ++i)
      mine[i] = toBFloat16(value(i, rank));
    auto transfer = [&](bool up) {
      if (up)
        device.upload(64, mine.data(), n * 2);
      else
        device.download(got.data(), 64, n * 2);
      device.synchronize();
    };
    transfer(true);
    sum(region);
    transfer(false);
    for (uint64_t i = 0; i < n; ++i) {
      float want = value(i, rank);
      if (i / shard == rank) {
        want = 0;
        for (uint32_t r = 0; r < size; ++r)
          want += value(i, r);
      }
      ASSERT_EQ(fromBFloat16(got[i]), want) << "shard " << shard << ", element " << i;
    }
    for (uint64_t i = 0; i < n; ++i)
      mine[i] = i / shard == rank ? toBFloat16(float(rank)) : 0xffff;
    transfer(true);
    gather(region);
    transfer(false);
    for (uint64_t i = 0; i < n; ++i)
      ASSERT_EQ(fromBFloat16(got[i]), i / shard);
  }
}

/// As a step does it: sums begin in a list, each as soon as its gradients are computed, and end
/// after it; what the device computes meanwhile is not disturbed. The list is kept and started
/// again. One region is larger than drivers move at once.
TEST_F(CommCts, SumsBesideTheCallsOfAList) {
  struct Summed {
    uint64_t shard, offset; // elements, bytes
    Comm::Region region;
  };
  const uint64_t kScratch = 1 << 20;
  std::vector<uint32_t> group(size);
  std::iota(group.begin(), group.end(), 0u);
  std::vector<Summed> all;
  uint64_t offset = 2 << 20, most = 0;
  std::vector<uint64_t> sizes{1u << 10, 12u << 20, 1u << 16};
  sizes.resize(200, 1u << 9);
  for (uint64_t elements : sizes) {
    uint64_t shard = elements / size / BM_SHARD_ALIGN * BM_SHARD_ALIGN;
    all.push_back({shard, offset,
                   comm.prepareRegion({group, rank, floats(offset), shard, floats(kScratch),
                                       uint64_t(BM_SCRATCH_MIN) * size})});
    most = std::max(most, shard * size);
    offset += shard * size * 4 + 4096;
  }
  comm.connect();
  auto value = [](uint64_t i, uint32_t r, uint32_t step) { return float((i * 7 + r + step) % 16); };
  auto *values = static_cast<float *>(device.hostMemory(most * 4));
  for (uint32_t step = 0; step < 5; ++step) {
    for (uint64_t i = 0; i < most; ++i)
      values[i] = value(i, rank, step);
    const uint32_t slot = step % 2;
    if (!device.replay(slot)) {
      device.beginList(slot);
      for (const Summed &each : all) {
        device.upload(each.offset, values, each.shard * size * 4);
        device.scale(each.offset, each.shard * size, 2);
        comm.beginSum(device, each.region);
        for (int calls = 0; calls < 20; ++calls)
          device.scale(0, 1, 1.5);
      }
      device.endList();
    }
    auto check = [&](const Summed &each, bool gathered) {
      auto got = read(each.offset, each.shard * size);
      for (uint64_t i = 0; i < got.size(); ++i) {
        float want = 2 * value(i, rank, step);
        if (gathered || i / each.shard == rank) {
          want = 0;
          for (uint32_t r = 0; r < size; ++r)
            want += (gathered ? 1 : 2) * value(i, r, step);
        }
        if (got[i] != want)
          ASSERT_EQ(got[i], want) << "step " << step << ", shards of " << each.shard << ", element "
                                  << i;
      }
    };
    for (const Summed &each : all) {
      comm.endSum(device, each.region);
      check(each, false);
      // Every rank changes its shard, as the optimizer does, and gathers the others'.
      device.scale(each.offset + rank * each.shard * 4, each.shard, 0.5);
      comm.beginGather(device, each.region);
    }
    for (const Summed &each : all) {
      comm.endGather(device, each.region);
      check(each, true);
    }
  }
}

/// Ranks that disagree learn it before anything waits for the other.
TEST_F(CommCts, RegionsThatDifferAreRefused) {
  if (!theDriver->comparesRegions || size < 2)
    GTEST_SKIP() << "nobody compares regions here";
  if (rank < 2)
    for (uint64_t shard : {rank == 0 ? 16u : 32u, rank == 0 ? 32u : 16u})
      comm.prepareRegion({{0, 1}, rank, floats(0), shard, floats(1 << 20), 4096});
  try {
    comm.connect();
    FAIL() << "connected";
  } catch (const RuntimeError &error) {
    EXPECT_EQ(std::string(error.what()),
              "ranks 0 and 1 have not prepared the same regions of gradients and parameters in the "
              "same order");
  }
}

/// Started, a transfer does not hold up what the device does next; awaited, it does: what arrives
/// is used by the calls that follow, without a word from the host.
TEST_F(CommCts, TransfersAreInOrderWithTheDevice) {
  if (size < 2 || rank > 1) {
    comm.connect();
    return;
  }
  uint32_t peer = 1 - rank;
  constexpr uint64_t n = 50000, kMine = 0, kTheirs = 1 << 20, kSum = 2 << 20;
  Comm::Request send = comm.prepareSend(floats(kMine), n * 4, peer, 6);
  Comm::Request receive = comm.prepareRecv(floats(kTheirs), n * 4, peer, 6);
  comm.connect();
  for (uint32_t round = 0; round < 4; ++round) {
    auto mine = pattern(n, 2 * round + rank), theirs = pattern(n, 2 * round + peer);
    device.upload(kMine, mine.data(), n * 4);
    device.scale(kMine, n, 0.5); // before the send
    comm.start(receive);
    comm.start(send);
    device.fill(kSum, 0, n * 4);
    comm.wait(receive);
    const void *sources[] = {floats(kSum), floats(kTheirs)};
    device.sum(floats(kSum), sources, n);
    comm.wait(send);
    device.fill(kMine, 0, n * 4);
    auto got = read(kSum, n);
    for (uint64_t i = 0; i < n; ++i)
      ASSERT_EQ(got[i], theirs[i] * 0.5f) << round;
  }
}

/// A step as the executor runs it: a list with transfers both ways, again and again. Rank 0 sends
/// x, rank 1 doubles it and sends it back; several are under way at once.
TEST_F(CommCts, ListsWithTransfersRepeat) {
  if (size < 2 || rank > 1) {
    comm.connect();
    return;
  }
  uint32_t peer = 1 - rank;
  constexpr uint64_t n = 30000, kEach = 128 * 1024;
  constexpr uint32_t kMessages = 4;
  std::vector<Comm::Request> sends, receives;
  for (uint32_t i = 0; i < kMessages; ++i) {
    sends.push_back(comm.prepareSend(floats(i * kEach), n * 4, peer, rank));
    receives.push_back(comm.prepareRecv(floats((kMessages + i) * kEach), n * 4, peer, peer));
  }
  comm.connect();
  float *in[2], *out[2];
  for (int slot : {0, 1}) {
    in[slot] = static_cast<float *>(device.hostMemory(n * 4));
    out[slot] = static_cast<float *>(device.hostMemory(n * 4));
  }
  device.prepareMarks(1);
  for (uint32_t step = 0; step < 6; ++step) {
    uint32_t slot = step % 2;
    auto x = pattern(n, step);
    std::copy(x.begin(), x.end(), in[slot]);
    if (!device.replay(slot)) {
      device.beginList(slot);
      device.mark(0);
      if (rank == 0)
        device.upload(0, in[slot], n * 4);
      for (uint32_t i = 0; i < kMessages; ++i)
        comm.start(receives[i]);
      for (uint32_t i = 0; i < kMessages; ++i) {
        uint64_t mine = i * kEach, theirs = (kMessages + i) * kEach;
        if (rank == 0) {
          if (i > 0)
            device.copy(mine, mine - kEach, n * 4);
          device.scale(mine, n, 0.5);
        } else {
          comm.setOperation("x");
          comm.wait(receives[i]);
          device.copy(mine, theirs, n * 4);
          device.scale(mine, n, 2);
        }
        comm.start(sends[i]);
        comm.progress();
      }
      for (uint32_t i = 0; i < kMessages && rank == 0; ++i) {
        comm.setOperation("2 x");
        comm.wait(receives[i]);
      }
      for (Comm::Request send : sends)
        comm.wait(send);
      device.download(out[slot], (2 * kMessages - 1) * kEach, n * 4);
      device.endList();
    }
    device.synchronize();
    // The last message is x / 2^4, there and back doubled.
    float factor = rank == 0 ? 0x1p-3f : 0x1p-4f;
    for (uint64_t i = 0; i < n; ++i)
      ASSERT_EQ(out[slot][i], x[i] * factor) << "step " << step;
  }
}

/// However many transfers are started before the first is waited for, both ways at once.
TEST_F(CommCts, ManyTransfersAreStartedAtOnce) {
  if (size < 2 || rank > 1) {
    comm.connect();
    return;
  }
  constexpr uint32_t kMessages = 600;
  constexpr uint64_t kFloats = 64, kBytes = kFloats * 4;
  const uint32_t peer = 1 - rank;
  std::vector<Comm::Request> sends, receives;
  for (uint32_t i = 0; i < kMessages; ++i) {
    sends.push_back(comm.prepareSend(floats(i * kBytes), kBytes, peer, 6));
    receives.push_back(comm.prepareRecv(floats((kMessages + i) * kBytes), kBytes, peer, 6));
  }
  comm.connect();
  write(0, pattern(kMessages * kFloats, rank));
  for (Comm::Request send : sends)
    comm.start(send);
  for (Comm::Request receive : receives)
    comm.start(receive);
  for (Comm::Request receive : receives)
    comm.wait(receive);
  for (Comm::Request send : sends)
    comm.wait(send);
  EXPECT_EQ(read(kMessages * kBytes, kMessages * kFloats), pattern(kMessages * kFloats, peer));
}

/// A wait for a message that never comes ends, and says who was waited for. The last test: where a
/// timeout ends the world, nothing can follow.
TEST_F(CommCts, WaitsEnd) {
  Comm::Request request = 0;
  if (size > 1 && rank == 0)
    request = comm.prepareSend(floats(0), 4, 1, 77);
  else if (size > 1 && rank == 1)
    request = comm.prepareRecv(floats(0), 4, 0, 77);
  comm.connect();
  bool survives = theDriver->survivesTimeout;
  if (size > 1 && rank == 1) {
    comm.start(request);
    comm.setTimeout(survives ? 0.2 : 1);
    comm.setOperation("the test of waits");
    try {
      comm.wait(request);
      device.synchronize();
      ADD_FAILURE() << "no timeout";
    } catch (const RuntimeError &error) {
      EXPECT_NE(std::string(error.what()).find("rank 0 (the test of waits)"), std::string::npos)
          << error.what();
    }
    comm.setTimeout(60);
  }
  if (size > 1)
    comm.barrier();
  // The message comes after all.
  if (size > 1 && survives && rank == 0)
    comm.start(request);
  if (size > 1 && survives && rank < 2)
    comm.wait(request);
}

int runCommCts(int argc, char **argv, const CommDriver &driver) {
  theDriver = &driver;
  Comm &comm = driver.comm;
  comm.setTimeout(60);
  testing::InitGoogleTest(&argc, argv);
  int status = RUN_ALL_TESTS();
  double failed = status;
  comm.allMax({&failed, 1});
  return failed != 0;
}

} // namespace bigmac::rt::cts
