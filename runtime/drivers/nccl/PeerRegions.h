//===- PeerRegions.h - Sums and gathers by the GPUs' copy engines ---------===//
//
// Among GPUs of one machine that reach each other's memory, gradients are summed and parameters
// gathered beside what the multiprocessors compute. Each rank's copy engine writes its part of
// another's shard, in pieces, into a buffer there; the other adds up the pieces in the order of the
// group. A gather writes where the shard belongs. Both have a stream for what is sent and one for
// what arrives; ranks wait for each other by numbers in device memory that streams wait for.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_PEERREGIONS_H
#define BIGMAC_RT_PEERREGIONS_H

#include "../cuda/CudaDevice.h"
#include "../cuda/Pace.h"
#include "PeerMemory.h"
#include "RegionPairs.h"
#include "bigmac-rt/Comm.h"

#include <deque>
#include <map>
#include <memory>
#include <vector>

namespace bigmac::rt {

class PeerRegions {
public:
  PeerRegions(CudaDevice &device, PeerMemory &memory, uint32_t self);
  ~PeerRegions();
  PeerRegions(const PeerRegions &) = delete;
  PeerRegions &operator=(const PeerRegions &) = delete;

  /// Of more than one rank; they stay.
  using Regions = std::map<Comm::Region, const ShardedRegion *>;
  /// Collective: takes those whose ranks all reach each other. RuntimeError, on every rank, where
  /// ranks of a group have not prepared the same regions.
  void connect(const Regions &added);
  bool carries(Comm::Region region) const { return regions.contains(region); }

  /// On the compute stream, in a list too: the gradients are complete.
  void offer(Comm::Region region);
  /// Once for each offer, in that order: the sum moves. Sums and gathers go one after another,
  /// whatever regions they are of.
  void startSum(Comm::Region region);
  /// What the compute stream has done so far may be sent.
  void startGather(Comm::Region region);
  /// Gives streams what they have room for. False: something of the region waits for room.
  bool feed(Comm::Region region);
  void feed();
  bool isFed() const { return queue.empty(); }
  /// On the compute stream: what was started last has ended. All of it is on the streams.
  void finish(Comm::Region region);

private:
  /// Two ranks' numbers, at both ends. Each counts up, over and over.
  struct Peer {
    CUdeviceptr arena = 0, block = 0;   // of the other, as this process sees them
    uint64_t place = 0, placeThere = 0; // of the other among those that write to this; and v. v.
    uint32_t sent = 0, received = 0;    // pieces of sums
    uint32_t offered = 0, gathered = 0; // gathers
  };
  struct Part {
    Peer *peer;
    uint32_t index;     // of its shard
    CUdeviceptr target; // gathers: where this rank's shard belongs there
  };
  struct Moved {
    const ShardedRegion *region;
    std::vector<Part> parts; // of the group's other ranks, from this one on
    CUdeviceptr flag;        // 1: the gradients are complete
    CUevent begun = nullptr, sent = nullptr, done = nullptr;
    size_t waiting = 0; // entries of `queue`
  };
  enum class Step { BeginSum, Piece, EndSum, Gather };
  struct Work {
    Moved *moved;
    Step step;
    uint64_t begin = 0; // Piece: first byte in the shard
  };

  CUdeviceptr word(CUdeviceptr block, uint64_t place, int which) const;
  CUdeviceptr slot(CUdeviceptr block, uint64_t place, uint32_t piece) const;
  void allocate(uint64_t peersHere);
  RankRegions describe(const Regions &added) const;
  bool reach(const std::vector<uint32_t> &group, const std::vector<RankRegions> &ranks);
  Moved &add(Comm::Region number, const ShardedRegion &region);
  void push(Moved &moved, Step step, uint64_t begin = 0);
  void put(const Work &work);
  void putPiece(const Moved &moved, uint64_t begin);
  void putGather(const Moved &moved);
  void write(CUstream stream, CUdeviceptr at, uint32_t value);
  void await(CUstream stream, CUdeviceptr at, uint32_t value, unsigned how);

  CudaDevice &device;
  PeerMemory &memory;
  const CudaApi &cuda;
  uint32_t self;
  CUdeviceptr block = 0;  // words, then slots
  uint64_t slotBytes = 0; // of each of two slots for each peer
  CUstream sends = nullptr, sums = nullptr;
  std::unique_ptr<Pace> sendPace, sumPace;
  std::map<uint32_t, Peer> peers; // by rank
  std::map<Comm::Region, Moved> regions;
  std::deque<Work> queue; // started, and not yet on the streams
  std::vector<const void *> sources;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_PEERREGIONS_H
