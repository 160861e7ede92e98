//===- Comm.h - What a communication driver provides ----------------------===//
//
// The world of ranks of one training run. Pointers are those of the device that the driver serves.
// What touches the device is in order with the device's calls: it comes after those before it, and
// those after it come later. Where the host runs ahead of the device, so do these: only the host
// collectives, the device's synchronize(), and calls that would be too far ahead wait then.
//
// Every wait is bounded: after `timeout` seconds it throws a RuntimeError that names this rank, the
// other one and the operation (setOperation). The conformance suite in cts/ runs on every driver.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_COMM_H
#define BIGMAC_RT_COMM_H

#include "bigmac-rt/Device.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bigmac::rt {

/// A gradient or parameter region that the ranks of a group hold: as many equal shards as ranks,
/// shard k owned by group[k]. Elements are BM_F32 or BM_BF16.
struct ShardedRegion {
  std::vector<uint32_t> group; // world ranks
  uint32_t self;               // this rank's index in the group
  void *data;                  // group.size() * shardElements
  uint64_t shardElements;
  void *scratch; // for sums; free where their end is awaited
  uint64_t scratchBytes;
  bm_dtype type = BM_F32;

  uint64_t elementBytes() const { return type == BM_F32 ? 4 : 2; }
  uint64_t shardBytes() const { return shardElements * elementBytes(); }
  /// The first byte of a shard.
  unsigned char *shard(uint32_t index) const {
    return static_cast<unsigned char *>(data) + index * shardBytes();
  }
};

class Comm {
public:
  using Request = uint32_t;
  using Region = uint32_t;

  virtual ~Comm() = default;
  virtual std::string name() const = 0;
  virtual uint32_t rank() const = 0;
  virtual uint32_t size() const = 0;

  /// How long a wait may last; 0 for ever.
  virtual void setTimeout(double seconds) = 0;
  /// What the next waits are for; `what` must outlive them.
  virtual void setOperation(const char *what) = 0;

  /// A transfer that is prepared once and started many times; not started again before it has
  /// ended. Between two ranks under one tag, both ends prepare the same messages in the same order,
  /// and start them in that order, over and over, until a connect() that brings new ones.
  virtual Request prepareSend(const void *data, uint64_t bytes, uint32_t peer, uint32_t tag) = 0;
  virtual Request prepareRecv(void *data, uint64_t bytes, uint32_t peer, uint32_t tag) = 0;
  /// A region whose collectives are below. There is one order of all regions of the world in which
  /// every rank prepares those that it holds, and one of all collectives in which every rank
  /// begins, and ends, those that it takes part in. A region has one collective at a time.
  virtual Region prepareRegion(const ShardedRegion &region) = 0;
  /// Collective: connects what has been prepared since the last time. Before the first start() and
  /// the first collective on a region.
  virtual void connect() = 0;
  /// Begins a transfer; the device's later calls do not wait for it ...
  virtual void start(Request request) = 0;
  /// ... and from here on they do.
  virtual void wait(Request request) = 0;
  /// Lets open transfers move; called between computations.
  virtual void progress() = 0;
  /// Throws RuntimeError if a rank is known to have ended; for those who wait for it elsewhere.
  virtual void checkOthers() = 0;

  /// Data of shard `self` = the sum over the group of that shard. May move beside the device's
  /// calls between begin and end, which do not touch the region; a sum may begin in a list of the
  /// device, once, so at every start of the list, and ends outside of it. The same inputs give the
  /// same bits: those of the sum in group order, in fp32 and rounded once (where NCCL sums, bf16
  /// may be rounded after each addition).
  virtual void beginSum(Device &device, Region region) = 0;
  virtual void endSum(Device &device, Region region) = 0;
  /// Every shard = its owner's. Begins and ends outside of lists.
  virtual void beginGather(Device &device, Region region) = 0;
  virtual void endGather(Device &device, Region region) = 0;

  /// Collectives of the whole world on host memory.
  virtual void barrier() = 0;
  virtual void allSum(std::span<double> values) = 0;
  virtual void allMax(std::span<double> values) = 0;
  /// On rank 0, every rank's text; elsewhere empty.
  virtual std::vector<std::string> gather(std::string_view text) = 0;
  /// Rank 0's text, on every rank.
  virtual std::string broadcast(std::string_view text) = 0;

  /// Ends every rank of the world with this status, as far as the launcher lets us; does not
  /// return.
  [[noreturn]] virtual void abort(int status) = 0;
};

/// A world of this process alone.
std::unique_ptr<Comm> makeSelfComm();

/// The MPI driver; initialises MPI, and finalises it when destroyed. One at a time.
std::unique_ptr<Comm> makeMpiComm();

/// A world whose ranks a launcher has started without connecting them.
struct TcpWorld {
  uint32_t rank, size;
  uint32_t ranksHere; // on this machine
  std::string host;   // where rank 0 runs
  uint16_t port;      // rank 0 listens on one of the 16 ports after this
  uint64_t token;     // the same on all ranks of the run, and other than other runs'
  double timeout;     // seconds; also of the start
};

/// The TCP driver. RuntimeError when the ranks do not find one another.
std::unique_ptr<Comm> makeTcpComm(const TcpWorld &world);

/// The NCCL driver, for a CUDA device. Between GPUs of one machine copy engines carry transfers,
/// sums and gathers (BIGMAC_CUDA_TRANSFERS=nccl: NCCL everywhere). The
/// world, its collectives on host memory and abort() are those of `host`, which passes NCCL's ids
/// around as well. Collective. RuntimeError, on every rank, where NCCL is missing or two ranks have
/// one GPU.
std::unique_ptr<Comm> makeNcclComm(Comm &host, Device &device);

} // namespace bigmac::rt

#endif // BIGMAC_RT_COMM_H
