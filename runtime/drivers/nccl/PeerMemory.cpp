#include "PeerMemory.h"

#include "Machine.h"

#include <cstdlib>
#include <exception>

namespace bigmac::rt {

/// An allocation of whole blocks of the driver's shares none with others, so that its handle opens
/// at its first byte. The arena is one, too (CudaDevice).
static constexpr uint64_t kBlock = 2 << 20;

static bool copiesAllowed() {
  const char *text = std::getenv("BIGMAC_CUDA_TRANSFERS");
  std::string value = text ? text : "copy";
  if (value != "copy" && value != "nccl")
    throw RuntimeError("BIGMAC_CUDA_TRANSFERS: expected copy or nccl, found '" + value + "'");
  return value == "copy";
}

PeerMemory::PeerMemory(Comm &host, CudaDevice &device)
    : host(host), device(device), cuda(cudaApi()) {
  std::string mine = copiesAllowed() ? machineId() : "";
  auto all = exchange(mine);
  for (uint32_t rank = 0; rank < all.size(); ++rank)
    if (!mine.empty() && all[rank] == mine)
      here.push_back(rank);
}

PeerMemory::~PeerMemory() {
  if (std::uncaught_exceptions() > 0)
    return; // the others may not come to the barrier; the system takes the memory back
  for (const auto &[handle, memory] : imports)
    if (memory)
      cuda.cuIpcCloseMemHandle(memory);
  // Memory must not be freed while another process has it open.
  try {
    host.barrier();
  } catch (const RuntimeError &) {
    return; // its rank has ended
  }
  for (CUdeviceptr memory : own)
    cuda.cuMemFree(memory);
}

CUdeviceptr PeerMemory::allocate(uint64_t bytes) {
  CUdeviceptr memory = 0;
  uint64_t size = (bytes + kBlock - 1) / kBlock * kBlock;
  CUresult code = cuda.cuMemAlloc(&memory, size);
  if (code == CUDA_ERROR_OUT_OF_MEMORY)
    return 0;
  checkCuda(code, [&] { return "allocating " + std::to_string(size) + " bytes for transfers"; });
  own.push_back(memory);
  checkCuda(cuda.cuMemsetD8Async(memory, 0, size, device.computeStream()), "clearing signals");
  checkCuda(cuda.cuStreamSynchronize(device.computeStream()), "clearing signals");
  return memory;
}

std::string PeerMemory::exported(CUdeviceptr memory) const {
  CUipcMemHandle handle;
  if (!memory || cuda.cuIpcGetMemHandle(&handle, memory) != CUDA_SUCCESS)
    return "";
  std::string text;
  for (char byte : handle.reserved)
    for (unsigned digit : {static_cast<unsigned char>(byte) / 16u, byte & 15u})
      text += "0123456789abcdef"[digit];
  return text;
}

CUdeviceptr PeerMemory::opened(const std::string &text) {
  auto [it, isNew] = imports.try_emplace(text, 0);
  CUipcMemHandle handle;
  if (!isNew || text.size() != 2 * sizeof(handle.reserved))
    return it->second;
  for (size_t i = 0; i < sizeof(handle.reserved); ++i)
    handle.reserved[i] = static_cast<char>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  if (cuda.cuIpcOpenMemHandle(&it->second, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) !=
      CUDA_SUCCESS)
    it->second = 0;
  return it->second;
}

std::vector<std::string> PeerMemory::exchange(const std::string &mine) {
  std::string all;
  for (const std::string &text : host.gather(mine))
    all += text + '\0';
  all = host.broadcast(all);
  std::vector<std::string> texts;
  for (size_t at = 0; at < all.size(); at += texts.back().size() + 1)
    texts.emplace_back(all.c_str() + at);
  return texts;
}

} // namespace bigmac::rt
