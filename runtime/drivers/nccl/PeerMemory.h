//===- PeerMemory.h - Memory of the other GPUs of this machine ------------===//
//
// Ranks of one machine tell one another handles of their memory (CUDA IPC) and open those of the
// others, which copy engines then write.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_PEERMEMORY_H
#define BIGMAC_RT_PEERMEMORY_H

#include "../cuda/CudaDevice.h"
#include "bigmac-rt/Comm.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace bigmac::rt {

class PeerMemory {
public:
  /// Collective. `host`: passes texts around.
  PeerMemory(Comm &host, CudaDevice &device);
  /// Collective, as far as other ranks still live, unless an exception ends them all. Nothing may
  /// be under way.
  ~PeerMemory();
  PeerMemory(const PeerMemory &) = delete;
  PeerMemory &operator=(const PeerMemory &) = delete;

  /// The ranks of this machine, this one among them. None where BIGMAC_CUDA_TRANSFERS says that
  /// NCCL is to be used, and none that it says so to.
  const std::vector<uint32_t> &ranksHere() const { return here; }
  bool isHere(uint32_t rank) const { return std::ranges::find(here, rank) != here.end(); }

  /// Memory of this GPU that others may open, cleared; lives as long as this. 0 where there is not
  /// enough: NCCL has to do without it.
  CUdeviceptr allocate(uint64_t bytes);
  /// A handle by which other processes open an allocation; empty where that cannot be.
  std::string exported(CUdeviceptr memory) const;
  /// 0 where it cannot be opened.
  CUdeviceptr opened(const std::string &handle);
  /// Collective: every rank's text, on every rank. Texts without NUL.
  std::vector<std::string> exchange(const std::string &mine);

private:
  Comm &host;
  CudaDevice &device;
  const CudaApi &cuda;
  std::vector<uint32_t> here;
  std::vector<CUdeviceptr> own;
  std::map<std::string, CUdeviceptr> imports; // by handle; 0: could not be opened
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_PEERMEMORY_H
