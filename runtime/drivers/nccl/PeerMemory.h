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

#include <map>
#include <string>
#include <vector>

namespace bigmac::rt {

class PeerMemory {
public:
  /// `host`: passes texts around.
  PeerMemory(Comm &host, CudaDevice &device);
  /// Collective, as far as other ranks still live. Nothing may be under way.
  ~PeerMemory();
  PeerMemory(const PeerMemory &) = delete;
  PeerMemory &operator=(const PeerMemory &) = delete;

  /// False: BIGMAC_CUDA_TRANSFERS says that NCCL is to be used.
  bool isAllowed() const { return allowed; }
  /// The same for ranks whose processes may share memory.
  const std::string &machine() const { return machineText; }

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
  bool allowed;
  std::string machineText;
  bool exchanged = false;
  std::vector<CUdeviceptr> own;
  std::map<std::string, CUdeviceptr> imports; // by handle; 0: could not be opened
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_PEERMEMORY_H
