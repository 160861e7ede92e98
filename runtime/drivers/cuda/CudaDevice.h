//===- CudaDevice.h - One GPU ---------------------------------------------===//

#ifndef BIGMAC_RT_CUDADEVICE_H
#define BIGMAC_RT_CUDADEVICE_H

#include "CudaApi.h"
#include "bigmac-rt/Device.h"

#include <functional>
#include <vector>

namespace bigmac::rt {

/// How lists are carried out; the environment variable BIGMAC_CUDA_LISTS.
enum class CudaLists {
  Graph, // kept as a CUDA graph and started again
  Issue, // call by call in every step; a profiler then shows the labels where the work is
  Check  // and each call is waited for, so that an error names its call
};

class CudaDevice final : public Device {
public:
  CudaDevice(uint32_t ordinal, const bm_cuda_program *program);
  ~CudaDevice() override;

  std::string name() const override { return "cuda"; }
  void allocateArena(uint64_t size) override;
  void *address(uint64_t offset) override { return reinterpret_cast<void *>(arena + offset); }
  uint64_t residentBytes() const override { return arenaBytes; }
  uint64_t usedBytes() const override;
  bool isHost() const override { return false; }
  void *hostMemory(uint64_t bytes) override;

  void upload(uint64_t offset, const void *source, uint64_t bytes) override;
  void download(void *target, uint64_t offset, uint64_t bytes) override;
  void fill(uint64_t offset, uint8_t value, uint64_t bytes) override;
  void copy(uint64_t offset, uint64_t source, uint64_t bytes) override;
  void run(bm_task_fn task, void *const *args) override;
  void synchronize() override;

  bool replay(uint32_t slot) override;
  void beginList(uint32_t slot) override;
  void endList() override;
  void prepareMarks(uint32_t count) override;
  void mark(uint32_t index) override;
  uint64_t markTime(uint32_t index) const override;
  void label(const char *name) override;

  void sum(void *target, std::span<const void *const> sources, uint64_t elements,
           bm_dtype type) override;
  void sumSquares(double *result, uint64_t offset, uint64_t elements, bm_dtype type) override;
  void scale(uint64_t offset, uint64_t elements, double factor, bm_dtype type) override;
  void adamW(const AdamW &how, const AdamWShard &shard) override;

  // For tasks (CudaTasks.cpp).
  void launch(uint32_t kernel, const uint32_t grid[3], const uint32_t block[3], void **params);
  void fail(const std::string &what);

  // For the communicator that serves this device.
  CUstream computeStream() const { return stream; }
  /// On the compute stream: the host is to see `what` (0: nothing) in reported() from here on.
  void report(uint32_t what);
  /// What was reported last in the lower half; the upper counts reports.
  uint64_t reported() const { return *reportPlace; }
  /// Called again and again while synchronize() waits; what it throws ends the wait.
  void setWatcher(std::function<void()> fn) { watcher = std::move(fn); }
  /// Graphs hold on to the communicators in them: to be called before those are destroyed.
  void forgetLists();
  /// The device cannot be relied on any more; it is left as it is.
  void giveUp() { lost = true; }
  /// "GPU 0 (NVIDIA H200)", and what tells it from every other GPU.
  const std::string &title() const { return titleText; }
  std::string identity() const;

private:
  CUfunction function(CUmodule module, const char *name, const char *whose);
  void start(CUfunction kernel, uint64_t threads, void **params, const char *what);
  /// Checks a call's status; waits for it first in CudaLists::Check.
  template <typename What> void check(CUresult code, What what);
  CUdeviceptr at(uint64_t offset) const { return arena + offset; }
  float *floats(uint64_t offset) { return static_cast<float *>(address(offset)); }
  /// Waits until the stream is empty or has failed.
  CUresult drain();
  void anchorClock();

  const CudaApi &api;
  CudaLists lists;
  int ordinal;
  CUdevice device = 0;
  CUcontext context = nullptr;
  std::string titleText;
  bool lost = false;

  CUdeviceptr arena = 0, scratch = 0;
  uint64_t arenaBytes = 0;
  std::vector<void *> hostBlocks;
  CUstream stream = nullptr;

  CUmodule ownModule = nullptr, taskModule = nullptr;
  /// One for fp32 and one for bf16.
  CUfunction sumKernel[2], squaresKernel[2], scaleKernel[2];
  /// On fp32; on bf16 by the gradients' type, with master weights and without.
  CUfunction adamwKernel, masterKernel[2], narrowKernel[2];
  CUfunction partialsKernel, reportKernel;
  const bm_cuda_program *program;
  std::vector<CUfunction> taskKernels;
  std::string failure; // of the running task

  CUgraphExec graphs[2] = {};
  bool recording = false;
  uint32_t recordingSlot = 0;
  const char *labelled = nullptr;

  std::vector<CUevent> marks;
  CUevent anchor = nullptr; // recorded at anchorNs
  uint64_t anchorNs = 0;
  volatile uint64_t *reportPlace = nullptr;
  std::function<void()> watcher;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDADEVICE_H
