//===- PeerLanes.h - Transfers by the GPUs' copy engines ------------------===//
//
// Between two GPUs of one machine that reach each other's memory, a message needs no kernel: the
// sender's copy engine writes it into the receiver's arena. Both ends wait for each other by words
// in device memory that streams wait for and write (CUDA's stream memory operations), so neither an
// open send nor an open receive takes a multiprocessor. NCCL's receives do, and a matrix product
// whose blocks fill all multiprocessors runs in one more wave when one is taken.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_PEERLANES_H
#define BIGMAC_RT_PEERLANES_H

#include "../cuda/CudaDevice.h"
#include "LanePairs.h"
#include "PeerMemory.h"

#include <map>
#include <string>
#include <vector>

namespace bigmac::rt {

class PeerLanes {
public:
  struct Message {
    void *data; // in the device's arena
    uint64_t bytes;
  };
  /// Those of each lane of this rank, in the order in which they will be started.
  using Messages = std::map<Lane, std::vector<Message>>;

  PeerLanes(Comm &host, CudaDevice &device, PeerMemory &memory);

  /// Collective: takes what is new. RuntimeError, on every rank, where the two ends of a lane do
  /// not have the same messages.
  void connect(const Messages &added);
  /// Whether a connected lane is carried here, at both its ends; if not, memory of the other GPU
  /// cannot be reached from this one, or BIGMAC_CUDA_TRANSFERS says that NCCL is to be used.
  bool carries(const Lane &lane) const { return lanes.contains(lane); }
  /// On `stream`: message `index` of the lane. They are started in turn, over and over.
  void start(const Lane &lane, size_t index, CUstream stream);

private:
  struct Carried {
    CUdeviceptr own, theirs;          // signals: 1 once the other end has written it, else 0
    std::vector<CUdeviceptr> targets; // of messages that this rank sends
    std::vector<Message> messages;
    size_t next = 0;
  };

  RankLanes describe(const Messages &added);
  uint64_t signalOf(const Lane &lane);

  Comm &host;
  CudaDevice &device;
  PeerMemory &memory;
  const CudaApi &cuda;
  CUdeviceptr signals = 0;
  std::map<Lane, uint64_t> signalOffsets;
  std::map<Lane, Carried> lanes;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_PEERLANES_H
