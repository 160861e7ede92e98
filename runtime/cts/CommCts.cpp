#include "CommCts.h"

#include "Pattern.h"
#include "bigmac-rt/Error.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>

namespace bigmac::rt::cts {

static Comm *theComm;
static Device *theDevice;

class CommCts : public testing::Test {
protected:
  Comm &comm = *theComm;
  Device &device = *theDevice;
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
    for (int round = 0; round < 3; ++round) {
      for (Comm::Request request : requests)
        comm.start(request);
      comm.progress();
      for (Comm::Request request : requests)
        comm.wait(request);
      for (uint32_t peer = 0; peer < size; ++peer)
        if (peer != rank) {
          EXPECT_EQ(read(512 * 1024 * (1 + peer), n), pattern(n, peer));
          device.zero(512 * 1024 * (1 + peer), n * 4);
        }
      comm.barrier();
    }
  }
}

/// One channel: messages arrive in the order in which they were started, whatever is waited for
/// first.
TEST_F(CommCts, OrderOnAChannel) {
  if (size < 2 || rank > 1)
    return;
  constexpr uint32_t kMessages = 8;
  std::vector<Comm::Request> requests;
  for (uint32_t i = 0; i < kMessages; ++i) {
    write(4096 * i, std::vector<float>(1, i + 100.0f * rank));
    requests.push_back(rank == 0 ? comm.prepareSend(floats(4096 * i), 4, 1, 5)
                                 : comm.prepareRecv(floats(4096 * i), 4, 0, 5));
  }
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
  if (size < 2 || rank > 1)
    return;
  write(0, {1});
  write(64, {2});
  Comm::Request first, second;
  if (rank == 0) {
    first = comm.prepareSend(floats(0), 4, 1, 10);
    second = comm.prepareSend(floats(64), 4, 1, 11);
  } else {
    second = comm.prepareRecv(floats(64), 4, 0, 11);
    first = comm.prepareRecv(floats(0), 4, 0, 10);
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

/// Groups of every kind: all ranks, the first and the last, this rank alone; scratch smaller than a
/// shard.
TEST_F(CommCts, ReduceScatterAndAllGather) {
  std::vector<std::vector<uint32_t>> groups(2);
  groups[0].resize(size);
  std::iota(groups[0].begin(), groups[0].end(), 0u);
  groups[1] = {0, size - 1};
  if (size == 1)
    groups[1] = {0};
  groups.push_back({rank}); // each rank its own group
  for (const auto &group : groups)
    for (uint64_t shard : {16u, 1000 * 16u}) {
      auto self = std::find(group.begin(), group.end(), rank) - group.begin();
      if (self == static_cast<ptrdiff_t>(group.size()))
        continue;
      uint64_t n = shard * group.size(), scratch = 2 << 20;
      auto mine = pattern(n, rank);
      write(0, mine);
      ShardedRegion region{group,           static_cast<uint32_t>(self), floats(0), shard,
                           floats(scratch), 1024 * group.size()};
      comm.reduceScatter(device, region);
      std::vector<float> want = mine;
      std::vector<std::vector<float>> all;
      for (uint32_t r : group)
        all.push_back(pattern(n, r));
      for (uint64_t i = self * shard; i < (self + 1) * shard; ++i) {
        want[i] = all[0][i];
        for (size_t j = 1; j < group.size(); ++j)
          want[i] += all[j][i];
      }
      auto got = read(0, n);
      ASSERT_EQ(got, want) << "group of " << group.size() << ", shard " << shard;

      write(0, std::vector<float>(n, -1));
      write(self * shard * 4, std::vector<float>(shard, float(rank)));
      comm.allGather(device, region);
      got = read(0, n);
      for (uint64_t i = 0; i < n; ++i)
        ASSERT_EQ(got[i], group[i / shard]);
    }
}

/// A wait for a message that never comes ends, and says who was waited for.
TEST_F(CommCts, WaitsEnd) {
  if (size > 1 && rank == 1) {
    Comm::Request request = comm.prepareRecv(floats(0), 4, 0, 77);
    comm.start(request);
    comm.setTimeout(0.2);
    comm.setOperation("the test of waits");
    try {
      comm.wait(request);
      ADD_FAILURE() << "no timeout";
    } catch (const RuntimeError &error) {
      EXPECT_NE(std::string(error.what()).find("rank 0 (the test of waits)"), std::string::npos)
          << error.what();
    }
    comm.setTimeout(60);
    // The message comes after all.
    comm.barrier();
    comm.wait(request);
  } else if (size > 1) {
    comm.barrier();
    if (rank == 0) {
      Comm::Request request = comm.prepareSend(floats(0), 4, 1, 77);
      comm.start(request);
      comm.wait(request);
    }
  }
}

int runCommCts(int argc, char **argv, Comm &comm, Device &device) {
  theComm = &comm;
  theDevice = &device;
  comm.setTimeout(60);
  testing::InitGoogleTest(&argc, argv);
  int status = RUN_ALL_TESTS();
  double failed = status;
  comm.allMax({&failed, 1});
  return failed != 0;
}

} // namespace bigmac::rt::cts
