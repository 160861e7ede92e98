// One GPU: everything is in order on one stream, and only synchronize() waits for it.

#include "CudaDevice.h"

#include "../common/AdamWScalars.h"
#include "CudaTasks.h"
#include "Poll.h"
#include "kernels.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <nvtx3/nvToolsExt.h>
#include <sched.h>
#include <time.h>
#include <utility>

extern "C" const unsigned char bm_cuda_own_kernels[];

namespace bigmac::rt {

/// After the partial sums in `scratch`: how often the stream has reported.
static constexpr uint64_t kReportCount = cuda::kMostBlocks * sizeof(double);
static constexpr uint64_t kScratchBytes = kReportCount + 64;

static CudaLists listsFromEnvironment() {
  const char *text = std::getenv("BIGMAC_CUDA_LISTS");
  std::string value = text ? text : "graph";
  if (value == "graph")
    return CudaLists::Graph;
  if (value == "issue")
    return CudaLists::Issue;
  if (value == "check")
    return CudaLists::Check;
  throw RuntimeError("BIGMAC_CUDA_LISTS: expected graph, issue or check, found '" + value + "'");
}

CudaDevice::CudaDevice(uint32_t ordinal, const bm_cuda_program *program)
    : api(cudaApi()), lists(listsFromEnvironment()), ordinal(static_cast<int>(ordinal)),
      program(program) {
  int count = 0;
  checkCuda(api.cuDeviceGetCount(&count), "counting the GPUs");
  if (count == 1)
    this->ordinal = 0;
  if (this->ordinal >= count)
    throw RuntimeError("GPU " + std::to_string(ordinal) + " is missing: this process sees " +
                       std::to_string(count) +
                       " (CUDA_VISIBLE_DEVICES limits them); start fewer ranks on this machine");
  checkCuda(api.cuDeviceGet(&device, this->ordinal), "opening the GPU");
  char text[128] = {};
  checkCuda(api.cuDeviceGetName(text, sizeof(text) - 1, device), "asking for the GPU's name");
  titleText = "GPU " + std::to_string(this->ordinal) + " (" + text + ")";
  checkCuda(api.cuDevicePrimaryCtxRetain(&context, device), "opening the GPU's context");
  checkCuda(api.cuCtxSetCurrent(context), "opening the GPU's context");
  checkCuda(api.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "creating a stream");

  checkCuda(api.cuModuleLoadData(&ownModule, bm_cuda_own_kernels), [&] {
    return "loading the runtime's kernels on " + titleText +
           " (compiled for sm_" BM_CUDA_ARCHITECTURES " and later)";
  });
  auto own = [&](const char *name) { return function(ownModule, name, "the runtime"); };
  sumKernel[0] = own("bm_sum");
  sumKernel[1] = own("bm_sum_bf16");
  squaresKernel[0] = own("bm_sum_squares");
  squaresKernel[1] = own("bm_sum_squares_bf16");
  scaleKernel[0] = own("bm_scale");
  scaleKernel[1] = own("bm_scale_bf16");
  adamwKernel = own("bm_adamw");
  masterKernel[0] = own("bm_adamw_master");
  masterKernel[1] = own("bm_adamw_master_bf16");
  narrowKernel[0] = own("bm_adamw_narrow");
  narrowKernel[1] = own("bm_adamw_narrow_bf16");
  partialsKernel = own("bm_sum_partials");
  reportKernel = own("bm_report");
  if (program) {
    checkCuda(api.cuModuleLoadData(&taskModule, program->image), [&] {
      return "loading the program's kernels on " + titleText + "; were they compiled for it?";
    });
    for (uint64_t i = 0; i < program->kernel_count; ++i) {
      const bm_cuda_kernel &kernel = program->kernels[i];
      taskKernels.push_back(function(taskModule, kernel.name, "the program"));
      // More than what every kernel may have must be asked for.
      if (kernel.shared_bytes > 48 * 1024)
        checkCuda(api.cuFuncSetAttribute(taskKernels.back(),
                                         CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                         static_cast<int>(kernel.shared_bytes)),
                  [&] { return std::string("workgroup memory of kernel ") + kernel.name; });
    }
  }

  checkCuda(api.cuMemAlloc(&scratch, kScratchBytes), "allocating scratch");
  checkCuda(api.cuMemsetD8Async(scratch, 0, kScratchBytes, stream), "clearing scratch");
  reportPlace = static_cast<volatile uint64_t *>(hostMemory(sizeof(uint64_t)));
  checkCuda(api.cuEventCreate(&anchor, CU_EVENT_DEFAULT), "creating an event");
  anchorClock();
  setTaskDevice(this);
}

CudaDevice::~CudaDevice() {
  setTaskDevice(nullptr);
  label(nullptr);
  // Freeing waits for what runs, which may be waiting for ranks that have ended. The system takes
  // everything when the process ends.
  if (lost || std::uncaught_exceptions() > 0 || api.cuStreamSynchronize(stream) != CUDA_SUCCESS)
    return;
  forgetLists();
  for (CUevent event : marks)
    api.cuEventDestroy(event);
  api.cuEventDestroy(anchor);
  api.cuModuleUnload(ownModule);
  if (taskModule)
    api.cuModuleUnload(taskModule);
  for (void *block : hostBlocks)
    api.cuMemFreeHost(block);
  api.cuMemFree(scratch);
  if (arena)
    api.cuMemFree(arena);
  api.cuStreamDestroy(stream);
  api.cuDevicePrimaryCtxRelease(device);
}

/// Loads it now: loading at the first launch could have to wait for kernels that wait for it.
CUfunction CudaDevice::function(CUmodule module, const char *name, const char *whose) {
  CUfunction result = nullptr;
  auto what = [&] { return "kernel " + std::string(name) + " of " + whose; };
  checkCuda(api.cuModuleGetFunction(&result, module, name), what);
  checkCuda(api.cuFuncLoad(result), what);
  return result;
}

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

std::string CudaDevice::identity() const {
  CUuuid uuid{};
  checkCuda(api.cuDeviceGetUuid(&uuid, device), "asking for the GPU's identity");
  return std::string(uuid.bytes, sizeof(uuid.bytes));
}

void CudaDevice::allocateArena(uint64_t size) {
  arenaBytes = std::max<uint64_t>(size, 1);
  size_t available = 0, whole = 0;
  checkCuda(api.cuMemGetInfo(&available, &whole), "asking for the GPU's memory");
  CUresult code =
      arenaBytes > available ? CUDA_ERROR_OUT_OF_MEMORY : api.cuMemAlloc(&arena, arenaBytes);
  if (code == CUDA_ERROR_OUT_OF_MEMORY)
    throw RuntimeError("the arena needs " + std::to_string(size) + " bytes, " + titleText +
                       " has " + std::to_string(available) + " free of " + std::to_string(whole) +
                       "; compile for more ranks or with a smaller --memory-limit");
  checkCuda(code, "allocating the arena");
  fill(0, 0, arenaBytes);
}

uint64_t CudaDevice::usedBytes() const {
  size_t available = 0, whole = 0;
  checkCuda(api.cuMemGetInfo(&available, &whole), "asking for the GPU's memory");
  return whole - available;
}

void *CudaDevice::hostMemory(uint64_t bytes) {
  void *block = nullptr;
  uint64_t size = std::max<uint64_t>(bytes, 1);
  checkCuda(api.cuMemHostAlloc(&block, size, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP),
            [&] { return "allocating " + std::to_string(size) + " bytes of pinned host memory"; });
  hostBlocks.push_back(block);
  return std::memset(block, 0, size);
}

static std::string bytesAt(uint64_t bytes, uint64_t offset) {
  return std::to_string(bytes) + " bytes at " + std::to_string(offset) + " of the arena";
}

void CudaDevice::upload(uint64_t offset, const void *source, uint64_t bytes) {
  if (bytes)
    check(api.cuMemcpyHtoDAsync(at(offset), source, bytes, stream),
          [&] { return "upload of " + bytesAt(bytes, offset); });
}

void CudaDevice::download(void *target, uint64_t offset, uint64_t bytes) {
  if (bytes)
    check(api.cuMemcpyDtoHAsync(target, at(offset), bytes, stream),
          [&] { return "download of " + bytesAt(bytes, offset); });
}

void CudaDevice::fill(uint64_t offset, uint8_t value, uint64_t bytes) {
  if (bytes)
    check(api.cuMemsetD8Async(at(offset), value, bytes, stream),
          [&] { return "filling " + bytesAt(bytes, offset); });
}

void CudaDevice::copy(uint64_t offset, uint64_t source, uint64_t bytes) {
  if (bytes)
    check(api.cuMemcpyDtoDAsync(at(offset), at(source), bytes, stream),
          [&] { return "copy of " + bytesAt(bytes, source) + " to " + std::to_string(offset); });
}

void CudaDevice::run(bm_task_fn task, void *const *args) {
  task(args);
  if (failure.empty())
    return;
  lost = true;
  throw RuntimeError(failure + (labelled ? " in " + std::string(labelled) : ""));
}

void CudaDevice::fail(const std::string &what) {
  if (failure.empty())
    failure = what;
}

void CudaDevice::launch(uint32_t kernel, const uint32_t grid[3], const uint32_t block[3],
                        void **params) {
  if (!failure.empty())
    return;
  if (kernel >= taskKernels.size())
    return fail("the program launches kernel " + std::to_string(kernel) + " of " +
                std::to_string(taskKernels.size()));
  CUresult code =
      api.cuLaunchKernel(taskKernels[kernel], grid[0], grid[1], grid[2], block[0], block[1],
                         block[2], program->kernels[kernel].shared_bytes, stream, params, nullptr);
  if (code == CUDA_SUCCESS && lists == CudaLists::Check)
    code = drain();
  if (code != CUDA_SUCCESS)
    fail("CUDA: kernel " + std::string(program->kernels[kernel].name) + ", " +
         std::to_string(grid[0]) + " x " + std::to_string(grid[1]) + " x " +
         std::to_string(grid[2]) + " blocks of " + std::to_string(block[0]) + " x " +
         std::to_string(block[1]) + " x " + std::to_string(block[2]) +
         " threads: " + cudaErrorText(code));
}

CUresult CudaDevice::drain() {
  uint64_t begin = nowNs();
  for (uint32_t round = 0;; ++round) {
    CUresult code = api.cuStreamQuery(stream);
    if (code != CUDA_ERROR_NOT_READY) {
      if (watcher)
        setWaiting(nullptr); // the watcher may have said something
      return code;
    }
    if (round < 64)
      continue;
    if (watcher)
      watcher();
    // Steps take long: leave the core to others, at a cost that does not show.
    if (nowNs() - begin < 2'000'000) {
      sched_yield();
    } else {
      timespec pause{0, 20'000};
      nanosleep(&pause, nullptr);
    }
  }
}

void CudaDevice::synchronize() {
  check(drain(),
        [] { return "what was issued before this wait (BIGMAC_CUDA_LISTS=check finds the call)"; });
  // The two clocks drift apart, if slowly.
  if (nowNs() - anchorNs > 1'000'000'000)
    anchorClock();
}

void CudaDevice::anchorClock() {
  checkCuda(api.cuEventRecord(anchor, stream), "recording an event");
  checkCuda(api.cuEventSynchronize(anchor), "waiting for an event");
  anchorNs = nowNs();
}

bool CudaDevice::replay(uint32_t slot) {
  if (!graphs[slot])
    return false;
  check(api.cuGraphLaunch(graphs[slot], stream), [] { return "starting a step's graph"; });
  return true;
}

void CudaDevice::beginList(uint32_t slot) {
  recordingSlot = slot;
  if (lists != CudaLists::Graph)
    return;
  check(api.cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        [] { return "beginning a graph"; });
  recording = true;
}

void CudaDevice::endList() {
  if (!recording)
    return;
  CUgraph graph = nullptr;
  CUresult code = api.cuStreamEndCapture(stream, &graph);
  recording = false;
  check(code, [] { return "ending a step's graph"; });
  check(api.cuGraphInstantiateWithFlags(&graphs[recordingSlot], graph, 0),
        [] { return "making a step's graph ready"; });
  api.cuGraphDestroy(graph);
  replay(recordingSlot);
}

void CudaDevice::forgetLists() {
  for (CUgraphExec &graph : graphs)
    if (graph)
      api.cuGraphExecDestroy(std::exchange(graph, nullptr));
}

void CudaDevice::prepareMarks(uint32_t count) {
  for (CUevent event : marks)
    checkCuda(api.cuEventDestroy(event), "destroying an event");
  marks.assign(count, nullptr);
  for (CUevent &event : marks)
    checkCuda(api.cuEventCreate(&event, CU_EVENT_DEFAULT), "creating an event");
}

void CudaDevice::mark(uint32_t index) {
  // Without the flag the event would stay inside the graph.
  unsigned flags = recording ? CU_EVENT_RECORD_EXTERNAL : CU_EVENT_RECORD_DEFAULT;
  check(api.cuEventRecordWithFlags(marks[index], stream, flags),
        [] { return "recording an event"; });
}

uint64_t CudaDevice::markTime(uint32_t index) const {
  float ms = 0;
  checkCuda(api.cuEventElapsedTime(&ms, anchor, marks[index]), "reading an event's time");
  return anchorNs + static_cast<int64_t>(static_cast<double>(ms) * 1e6);
}

void CudaDevice::label(const char *name) {
  if (labelled)
    nvtxRangePop();
  labelled = name;
  if (labelled)
    nvtxRangePushA(labelled);
}

void CudaDevice::start(CUfunction kernel, uint64_t threads, void **params, const char *what) {
  uint64_t blocks =
      std::clamp<uint64_t>((threads + cuda::kBlock - 1) / cuda::kBlock, 1, cuda::kMostBlocks);
  check(api.cuLaunchKernel(kernel, static_cast<unsigned>(blocks), 1, 1, cuda::kBlock, 1, 1, 0,
                           stream, params, nullptr),
        [&] { return what; });
}

/// Of the two kernels, and how many elements a thread takes at once.
static size_t kernelOf(bm_dtype type) { return type == BM_F32 ? 0 : 1; }
static uint64_t widthOf(bm_dtype type) { return type == BM_F32 ? 4 : 8; }

void CudaDevice::sum(void *target, std::span<const void *const> sources, uint64_t elements,
                     bm_dtype type) {
  if (sources.size() > cuda::kMostSources)
    throw RuntimeError("a sum of " + std::to_string(sources.size()) + " values, at most " +
                       std::to_string(cuda::kMostSources) + " can be added at once");
  cuda::SumSources list{};
  std::copy(sources.begin(), sources.end(), list.at);
  list.count = static_cast<uint32_t>(sources.size());
  void *params[] = {&target, &list, &elements};
  start(sumKernel[kernelOf(type)], elements / widthOf(type) + 1, params, "a sum");
}

void CudaDevice::sumSquares(double *result, uint64_t offset, uint64_t elements, bm_dtype type) {
  CUdeviceptr values = at(offset);
  auto blocks = static_cast<uint32_t>(std::clamp<uint64_t>(
      (elements / widthOf(type) + cuda::kBlock) / cuda::kBlock, 1, cuda::kMostBlocks));
  void *params[] = {&scratch, &values, &elements};
  start(squaresKernel[kernelOf(type)], uint64_t(blocks) * cuda::kBlock, params, "a sum of squares");
  void *rest[] = {&result, &scratch, &blocks};
  start(partialsKernel, 1, rest, "a sum of squares");
}

void CudaDevice::scale(uint64_t offset, uint64_t elements, double factor, bm_dtype type) {
  CUdeviceptr values = at(offset);
  auto rounded = static_cast<float>(factor);
  void *params[] = {&values, &rounded, &elements};
  start(scaleKernel[kernelOf(type)], elements / widthOf(type) + 1, params, "a scaling");
}

void CudaDevice::adamW(const AdamW &how, const AdamWShard &shard) {
  shard.check();
  AdamWScalars scalars = adamWScalars(how);
  CUdeviceptr p = at(shard.param), g = at(shard.grad), first = at(shard.m), second = at(shard.v);
  uint64_t elements = shard.elements, threads = elements / widthOf(shard.paramType) + 1;
  if (shard.master != BM_NONE64) {
    CUdeviceptr master = at(shard.master);
    void *params[] = {&scalars, &p, &master, &g, &first, &second, &elements};
    start(masterKernel[kernelOf(shard.gradType)], threads, params, "AdamW");
    return;
  }
  void *params[] = {&scalars, &p, &g, &first, &second, &elements};
  start(shard.paramType == BM_F32 ? adamwKernel : narrowKernel[kernelOf(shard.gradType)], threads,
        params, "AdamW");
}

void CudaDevice::report(uint32_t what) {
  volatile uint64_t *place = reportPlace;
  CUdeviceptr count = scratch + kReportCount;
  void *params[] = {&place, &count, &what};
  check(api.cuLaunchKernel(reportKernel, 1, 1, 1, 1, 1, 1, 0, stream, params, nullptr),
        [] { return "a report to the host"; });
}

uint32_t countCudaDevices(std::string &why) {
  int count = 0;
  try {
    checkCuda(cudaApi().cuDeviceGetCount(&count), "counting the GPUs");
  } catch (const RuntimeError &error) {
    why = error.what();
    return 0;
  }
  if (count == 0)
    why = "the NVIDIA driver shows no GPU";
  return count;
}

std::unique_ptr<Device> makeCudaDevice(uint32_t ordinal, const bm_cuda_program *program) {
  return std::make_unique<CudaDevice>(ordinal, program);
}

} // namespace bigmac::rt
