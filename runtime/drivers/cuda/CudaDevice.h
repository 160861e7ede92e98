//===- CudaDevice.h - One GPU ---------------------------------------------===//

#ifndef BIGMAC_RT_CUDADEVICE_H
#define BIGMAC_RT_CUDADEVICE_H

#include "Attentions.h"
#include "CallTimes.h"
#include "CudaApi.h"
#include "Matmuls.h"
#include "Pace.h"
#include "bigmac-rt/Device.h"
#include "kernels.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace bigmac::rt {

/// How lists are carried out; the environment variable BIGMAC_CUDA_LISTS. Without it they are
/// graphs, unless needStreams() says that they cannot be.
enum class CudaLists {
  Graph, // kept as a CUDA graph and started again
  Issue, // call by call in every step; a profiler then shows the labels where the work is
  Check, // and each call is waited for, so that an error names its call
  Time   // and each call is timed; the device prints the times at its end
};

class CudaDevice final : public Device {
public:
  CudaDevice(uint32_t ordinal, const bm_cuda_program *program, bool deterministic);
  ~CudaDevice() override;

  std::string name() const override { return "cuda"; }
  void allocateArena(uint64_t size) override;
  void *address(uint64_t offset) override { return reinterpret_cast<void *>(arena + offset); }
  uint64_t residentBytes() const override { return arenaBytes + workspaceBytes(); }
  uint64_t usedBytes() const override;
  bool isHost() const override { return false; }
  void *hostMemory(uint64_t bytes) override;

  void upload(uint64_t offset, const void *source, uint64_t bytes) override;
  void download(void *target, uint64_t offset, uint64_t bytes) override;
  void fill(uint64_t offset, uint8_t value, uint64_t bytes) override;
  void copy(uint64_t offset, uint64_t source, uint64_t bytes) override;
  void run(bm_task_fn task, void *const *args) override;
  void synchronize() override;

  void prepareCopies(uint32_t count) override;
  void offload(uint32_t copy, void *target, uint64_t offset, uint64_t bytes) override;
  void fetch(uint32_t copy, uint64_t offset, const void *source, uint64_t bytes) override;
  void await(uint32_t copy) override;

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
  // These throw RuntimeError.
  void matmul(uint32_t index, const MatmulPointers &at);
  void attentionForward(uint32_t index, const void *q, const void *k, const void *v,
                        const void *mask, void *o, float *logsumexp);
  void attentionBackward(uint32_t index, const void *q, const void *k, const void *v,
                         const void *mask, const void *o, const float *logsumexp, const void *gradO,
                         void *gradQ, void *gradK, void *gradV);
  void scatterRows(void *table, uint32_t tableType, int64_t tableRows, int64_t width,
                   const void *ids, uint32_t idBytes, int64_t count, const void *rows,
                   uint32_t rowsType);
  /// From now on, synchronize() looks into it.
  void checkIndices(const void *indices, uint32_t indexBytes, int64_t count, int64_t lowest,
                    int64_t size, int64_t ignored);
  void *indexErrorRecord();

  // For the communicator that serves this device.
  CUstream computeStream() const { return stream; }
  /// On the compute stream: the host is to see `what` (0: nothing) in reported() from here on.
  void report(uint32_t what);
  /// What was reported last in the lower half; the upper counts reports.
  uint64_t reported() const { return *reportPlace; }
  /// Called again and again while the host waits for the device; what it throws ends the wait.
  void setWatcher(std::function<void()> fn) { watcher = std::move(fn); }
  /// Waits, watching, until `query` gives another code than CUDA_ERROR_NOT_READY: the result.
  CUresult poll(const std::function<CUresult()> &query);
  /// sum() on another stream than the device's calls.
  void sumOn(CUstream on, void *target, std::span<const void *const> sources, uint64_t elements,
             bm_dtype type);
  /// Whether calls go into a graph, and none to the device yet.
  bool isRecording() const { return recording; }
  /// To be called whenever the graph that is recorded has been started.
  void atEachStart(std::function<void()> fn) { starts[recordingSlot].push_back(std::move(fn)); }
  /// Lists will hold transfers that meet another rank's: the streams must make progress beside one
  /// another. Branches of a graph do not promise to: CUDA may carry out a branch behind one that
  /// waits for the other rank, which waits for the first.
  void needStreams();
  /// Graphs hold on to the communicators in them: to be called before those are destroyed.
  void forgetLists();
  /// The device cannot be relied on any more; it is left as it is.
  void giveUp() { lost = true; }
  /// "GPU 0 (NVIDIA H200)", and what tells it from every other GPU.
  const std::string &title() const { return titleText; }
  std::string identity() const;

private:
  /// After the partial sums in `scratch`: how often the stream has reported, and what kernels have
  /// found wrong.
  static constexpr uint64_t kReportCount = cuda::kMostBlocks * sizeof(double);
  static constexpr uint64_t kIndexError = kReportCount + 64;
  static constexpr uint64_t kScratchBytes = kIndexError + sizeof(cuda::IndexErrorRecord);

  CUfunction function(CUmodule module, const char *name, const char *whose);
  /// `details`: of an error, where `what` does not say enough.
  void start(CUfunction kernel, uint64_t threads, void **params, const char *what,
             const std::function<std::string()> &details = nullptr);
  CUresult launchSum(CUstream on, void *target, std::span<const void *const> sources,
                     uint64_t elements, bm_dtype type);
  /// Checks a call's status; waits for it first in CudaLists::Check.
  template <typename What> void check(CUresult code, What what);
  CUdeviceptr at(uint64_t offset) const { return arena + offset; }
  float *floats(uint64_t offset) { return static_cast<float *>(address(offset)); }
  /// Copies in one direction: a stream of their own, since a device can copy both ways at once.
  struct CopyStream {
    CUstream stream = nullptr;
    CUevent ready = nullptr; // what the next copy comes after
  };
  /// Lets the stream's next copy come after the calls so far.
  void beginCopy(CopyStream &copies);
  void endCopy(CopyStream &copies, uint32_t copy);
  /// Whether an upload or download is by a kernel. An engine carries out the copies of a direction
  /// one after another, whatever stream they are on: behind offloaded values the compute stream
  /// would wait for all of those.
  bool copiesByKernel() const { return inList && !copied.empty(); }
  void copyByKernel(CUdeviceptr to, CUdeviceptr from, uint64_t bytes, const char *what,
                    const std::function<std::string()> &details);
  void forgetCopies();
  /// Waits until the stream is empty or has failed.
  CUresult drain();
  /// Before a call: waits, watching, while the host is too far ahead.
  void pace();
  void anchorClock();
  uint64_t workspaceBytes() const { return program ? program->workspace_bytes : 0; }
  void prepareLibraries();
  void beginCall() {
    if (times)
      times->begin();
  }
  /// `describe` is only called where calls are timed.
  template <typename Describe> void endCall(Describe describe) {
    if (times)
      times->end(labelled ? labelled : "", describe());
  }
  /// Of a task: `call`, unless an earlier one has failed; waits for it in CudaLists::Check.
  template <typename Call> void callLibrary(const std::string &what, Call call);

  const CudaApi &api;
  std::optional<CudaLists> chosenLists;
  CudaLists lists;
  int ordinal;
  CUdevice device = 0;
  CUcontext context = nullptr;
  std::string modelText, titleText;
  bool lost = false;

  CUdeviceptr arena = 0, workspace = 0, scratch = 0;
  uint64_t arenaBytes = 0;
  std::vector<void *> hostBlocks;
  CUstream stream = nullptr;

  CUmodule ownModule = nullptr, taskModule = nullptr;
  /// One for fp32 and one for bf16.
  CUfunction sumKernel[2], squaresKernel[2], scaleKernel[2];
  /// On fp32; on bf16 by the gradients' type, with master weights and without.
  CUfunction adamwKernel, masterKernel[2], narrowKernel[2];
  CUfunction partialsKernel, reportKernel, copyKernel, randomKernel, unseenKernel, scatterKernel,
      checkIndicesKernel;
  const bm_cuda_program *program;
  std::vector<CUfunction> taskKernels;
  std::unique_ptr<Matmuls> matmuls;
  std::unique_ptr<Attentions> attentions;
  bool looksForIndexErrors = false;
  cuda::IndexErrorRecord *indexError = nullptr; // of the host, copied from the device
  bool deterministic;
  std::string failure; // of the running task

  CUgraphExec graphs[2] = {};
  std::vector<std::function<void()>> starts[2];
  bool inList = false, recording = false;
  uint32_t recordingSlot = 0;
  const char *labelled = nullptr;
  std::unique_ptr<CallTimes> times; // in CudaLists::Time

  CopyStream out, back;
  std::vector<CUevent> copied; // by copy

  std::vector<CUevent> marks;
  CUevent anchor = nullptr; // recorded at anchorNs
  uint64_t anchorNs = 0;
  volatile uint64_t *reportPlace = nullptr;
  std::function<void()> watcher;
  std::unique_ptr<Pace> paced;
};

template <typename What> void CudaDevice::check(CUresult code, What what) {
  if (code == CUDA_SUCCESS && lists == CudaLists::Check)
    code = drain();
  if (code == CUDA_SUCCESS)
    return;
  lost = true;
  checkCuda(code, [&] {
    return std::string(what()) + (labelled ? " in " + std::string(labelled) : "") + " on " +
           titleText;
  });
}

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDADEVICE_H
