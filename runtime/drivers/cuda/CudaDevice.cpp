// One GPU: calls are in order on one stream, copies beside them on one for each direction. The host
// waits for them in synchronize() only, and where it is too far ahead.

#include "CudaDevice.h"

#include "../common/IndexErrorText.h"
#include "CudaTasks.h"
#include "LibraryCalls.h"
#include "Poll.h"
#include "kernels.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <nvtx3/nvToolsExt.h>
#include <sched.h>
#include <time.h>
#include <utility>

extern "C" const unsigned char bm_cuda_own_kernels[];

namespace bigmac::rt {

/// Calls between two looks at how far the stream is. Up to four times as many are queued; some are
/// three kernels, or have an event before and after.
static constexpr uint64_t kPaceStride = 64;

static constexpr const char *kIssuedBefore =
    "what was issued before this wait (BIGMAC_CUDA_LISTS=check finds the call)";

static std::optional<CudaLists> listsFromEnvironment() {
  const char *text = std::getenv("BIGMAC_CUDA_LISTS");
  if (!text)
    return std::nullopt;
  std::string value = text;
  if (value == "graph")
    return CudaLists::Graph;
  if (value == "issue")
    return CudaLists::Issue;
  if (value == "check")
    return CudaLists::Check;
  if (value == "time")
    return CudaLists::Time;
  throw RuntimeError("BIGMAC_CUDA_LISTS: expected graph, issue, check or time, found '" + value +
                     "'");
}

CudaDevice::CudaDevice(uint32_t ordinal, const bm_cuda_program *program, bool deterministic)
    : api(cudaApi()), chosenLists(listsFromEnvironment()),
      lists(chosenLists.value_or(CudaLists::Graph)), ordinal(static_cast<int>(ordinal)),
      program(program), deterministic(deterministic) {
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
  modelText = text;
  titleText = "GPU " + std::to_string(this->ordinal) + " (" + modelText + ")";
  checkCuda(api.cuDevicePrimaryCtxRetain(&context, device), "opening the GPU's context");
  checkCuda(api.cuCtxSetCurrent(context), "opening the GPU's context");
  checkCuda(api.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "creating a stream");
  if (lists == CudaLists::Time)
    times = std::make_unique<CallTimes>(api, stream);
  paced = std::make_unique<Pace>(api, kPaceStride);

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
  copyKernel = own("bm_copy");
  randomKernel = own("bm_random");
  unseenKernel = own("bm_unseen_queries");
  checkIndicesKernel = own("bm_check_indices");
  scatterKernel = own("bm_scatter_rows");
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
  indexError = static_cast<cuda::IndexErrorRecord *>(hostMemory(sizeof(*indexError)));
  checkCuda(api.cuEventCreate(&anchor, CU_EVENT_DEFAULT), "creating an event");
  anchorClock();
  setTaskDevice(this);
}

CudaDevice::~CudaDevice() {
  setTaskDevice(nullptr);
  label(nullptr);
  // Freeing waits for what runs, which may be waiting for ranks that have ended. The system takes
  // everything when the process ends.
  if (lost || std::uncaught_exceptions() > 0 || api.cuStreamSynchronize(stream) != CUDA_SUCCESS) {
    static_cast<void>(matmuls.release());
    static_cast<void>(attentions.release());
    static_cast<void>(times.release());
    static_cast<void>(paced.release());
    return;
  }
  if (times)
    std::fprintf(stderr, "%s: seconds, calls, least seconds, action, call\n%s", titleText.c_str(),
                 times->table().c_str());
  times.reset();
  paced.reset();
  forgetLists();
  matmuls.reset();
  attentions.reset();
  for (CUevent event : marks)
    api.cuEventDestroy(event);
  forgetCopies();
  api.cuEventDestroy(anchor);
  api.cuModuleUnload(ownModule);
  if (taskModule)
    api.cuModuleUnload(taskModule);
  for (void *block : hostBlocks)
    api.cuMemFreeHost(block);
  api.cuMemFree(scratch);
  for (CUdeviceptr memory : {arena, workspace})
    if (memory)
      api.cuMemFree(memory);
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

std::string CudaDevice::identity() const {
  CUuuid uuid{};
  checkCuda(api.cuDeviceGetUuid(&uuid, device), "asking for the GPU's identity");
  return std::string(uuid.bytes, sizeof(uuid.bytes));
}

void CudaDevice::allocateArena(uint64_t size) {
  arenaBytes = std::max<uint64_t>(size, 1);
  size_t available = 0, whole = 0;
  checkCuda(api.cuMemGetInfo(&available, &whole), "asking for the GPU's memory");
  // In whole blocks of the driver's: another process that opens the arena sees it from its first
  // byte.
  constexpr uint64_t kBlock = 2 << 20;
  CUresult code = residentBytes() > available
                      ? CUDA_ERROR_OUT_OF_MEMORY
                      : api.cuMemAlloc(&arena, (arenaBytes + kBlock - 1) / kBlock * kBlock);
  if (code == CUDA_SUCCESS && workspaceBytes())
    code = api.cuMemAlloc(&workspace, workspaceBytes());
  if (code == CUDA_ERROR_OUT_OF_MEMORY)
    throw RuntimeError(
        "the arena needs " + std::to_string(size) + " bytes" +
        (workspaceBytes() ? " and library calls " + std::to_string(workspaceBytes()) : "") + ", " +
        titleText + " has " + std::to_string(available) + " free of " + std::to_string(whole) +
        "; compile for more ranks or with a smaller --memory-limit");
  checkCuda(code, "allocating the arena");
  prepareLibraries();
  fill(0, 0, arenaBytes);
}

void CudaDevice::prepareLibraries() {
  if (!program || program->matmul_count + program->attention_count == 0)
    return;
  auto attribute = [&](CUdevice_attribute which) {
    int value = 0;
    checkCuda(api.cuDeviceGetAttribute(&value, which, device), "asking for the GPU's properties");
    return value;
  };
  int driver = 0;
  checkCuda(api.cuDriverGetVersion(&driver), "asking for the driver's version");
  std::string processors = std::to_string(attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  int smVersion = 10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
                  attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  CudaSpace space{.api = api,
                  .stream = stream,
                  .workspace = workspace,
                  .workspaceBytes = workspaceBytes(),
                  .arena = arena,
                  .arenaBytes = arenaBytes,
                  .randomKernel = randomKernel,
                  .unseenKernel = unseenKernel,
                  .title = titleText,
                  .model = modelText + " with " + processors + " multiprocessors, CUDA driver " +
                           std::to_string(driver),
                  .l2Bytes = static_cast<uint64_t>(attribute(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)),
                  .smVersion = smVersion,
                  .deterministic = deterministic};
  if (program->matmul_count)
    matmuls = std::make_unique<Matmuls>(*program, space);
  if (program->attention_count)
    attentions = std::make_unique<Attentions>(*program, space);
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
  if (bytes && copiesByKernel())
    return copyByKernel(at(offset), reinterpret_cast<CUdeviceptr>(source), bytes, "an upload",
                        [&] { return "upload of " + bytesAt(bytes, offset); });
  pace();
  if (bytes)
    check(api.cuMemcpyHtoDAsync(at(offset), source, bytes, stream),
          [&] { return "upload of " + bytesAt(bytes, offset); });
}

void CudaDevice::download(void *target, uint64_t offset, uint64_t bytes) {
  if (bytes && copiesByKernel())
    return copyByKernel(reinterpret_cast<CUdeviceptr>(target), at(offset), bytes, "a download",
                        [&] { return "download of " + bytesAt(bytes, offset); });
  pace();
  if (bytes)
    check(api.cuMemcpyDtoHAsync(target, at(offset), bytes, stream),
          [&] { return "download of " + bytesAt(bytes, offset); });
}

void CudaDevice::fill(uint64_t offset, uint8_t value, uint64_t bytes) {
  pace();
  if (bytes)
    check(api.cuMemsetD8Async(at(offset), value, bytes, stream),
          [&] { return "filling " + bytesAt(bytes, offset); });
}

void CudaDevice::copy(uint64_t offset, uint64_t source, uint64_t bytes) {
  pace();
  if (bytes)
    check(api.cuMemcpyDtoDAsync(at(offset), at(source), bytes, stream),
          [&] { return "copy of " + bytesAt(bytes, source) + " to " + std::to_string(offset); });
}

void CudaDevice::run(bm_task_fn task, void *const *args) {
  task(args);
  if (failure.empty())
    return;
  if (lost) // not by this task
    throw RuntimeError(failure);
  lost = true;
  throw RuntimeError(failure + (labelled ? " in " + std::string(labelled) : ""));
}

CUresult CudaDevice::poll(const std::function<CUresult()> &query) {
  struct Waited {
    ~Waited() { setWaiting(nullptr); } // the watcher may have said something, which may go
  } waited;
  uint64_t begin = nowNs();
  for (uint32_t round = 0;; ++round) {
    CUresult code = query();
    if (code != CUDA_ERROR_NOT_READY)
      return code;
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

CUresult CudaDevice::drain() {
  return poll([&] { return api.cuStreamQuery(stream); });
}

void CudaDevice::pace() {
  if (!watcher || recording)
    return;
  CUresult code = paced->ready();
  if (code == CUDA_ERROR_NOT_READY)
    code = poll([&] { return paced->ready(); });
  if (code == CUDA_SUCCESS)
    code = paced->issue(stream);
  if (code == CUDA_SUCCESS)
    return;
  lost = true;
  checkCuda(code, [] { return kIssuedBefore; });
}

void CudaDevice::synchronize() {
  inList = false; // an exception may have left a list before its end
  if (looksForIndexErrors)
    check(api.cuMemcpyDtoHAsync(indexError, scratch + kIndexError, sizeof(*indexError), stream),
          [] { return "asking what kernels have found"; });
  check(drain(), [] { return kIssuedBefore; });
  if (times)
    times->collect();
  if (looksForIndexErrors && indexError->count)
    throw RuntimeError(indexErrorText(indexError->index, indexError->size));
  // The two clocks drift apart, if slowly.
  if (nowNs() - anchorNs > 1'000'000'000)
    anchorClock();
}

void CudaDevice::anchorClock() {
  checkCuda(api.cuEventRecord(anchor, stream), "recording an event");
  checkCuda(api.cuEventSynchronize(anchor), "waiting for an event");
  anchorNs = nowNs();
}

void CudaDevice::forgetCopies() {
  for (CUevent event : copied)
    api.cuEventDestroy(event);
  copied.clear();
  for (CopyStream *copies : {&out, &back}) {
    if (copies->ready)
      api.cuEventDestroy(copies->ready);
    if (copies->stream)
      api.cuStreamDestroy(copies->stream);
    *copies = {};
  }
}

void CudaDevice::prepareCopies(uint32_t count) {
  forgetCopies();
  if (count == 0)
    return;
  for (CopyStream *copies : {&out, &back}) {
    checkCuda(api.cuStreamCreate(&copies->stream, CU_STREAM_NON_BLOCKING), "creating a stream");
    checkCuda(api.cuEventCreate(&copies->ready, CU_EVENT_DISABLE_TIMING), "creating an event");
  }
  copied.assign(count, nullptr);
  for (CUevent &event : copied)
    checkCuda(api.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), "creating an event");
}

void CudaDevice::beginCopy(CopyStream &copies) {
  pace();
  check(api.cuEventRecord(copies.ready, stream), [] { return "recording an event"; });
  check(api.cuStreamWaitEvent(copies.stream, copies.ready, 0),
        [] { return "ordering a copy after what is before it"; });
}

void CudaDevice::endCopy(CopyStream &copies, uint32_t copy) {
  check(api.cuEventRecord(copied[copy], copies.stream), [] { return "recording an event"; });
  // Only the compute stream is waited for call by call.
  if (lists == CudaLists::Check)
    await(copy);
}

void CudaDevice::offload(uint32_t copy, void *target, uint64_t offset, uint64_t bytes) {
  beginCopy(out);
  check(api.cuMemcpyDtoHAsync(target, at(offset), bytes, out.stream),
        [&] { return "offload of " + bytesAt(bytes, offset); });
  endCopy(out, copy);
}

void CudaDevice::fetch(uint32_t copy, uint64_t offset, const void *source, uint64_t bytes) {
  beginCopy(back);
  check(api.cuMemcpyHtoDAsync(at(offset), source, bytes, back.stream),
        [&] { return "fetch of " + bytesAt(bytes, offset); });
  endCopy(back, copy);
}

void CudaDevice::await(uint32_t copy) {
  pace();
  check(api.cuStreamWaitEvent(stream, copied[copy], 0),
        [] { return "waiting for a copy to or from the host's memory"; });
}

bool CudaDevice::replay(uint32_t slot) {
  if (!graphs[slot])
    return false;
  check(api.cuGraphLaunch(graphs[slot], stream), [] { return "starting a step's graph"; });
  for (const auto &start : starts[slot])
    start();
  return true;
}

void CudaDevice::beginList(uint32_t slot) {
  recordingSlot = slot;
  inList = true;
  if (lists != CudaLists::Graph)
    return;
  check(api.cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        [] { return "beginning a graph"; });
  recording = true;
}

void CudaDevice::endList() {
  inList = false;
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

void CudaDevice::needStreams() {
  if (chosenLists || lists == CudaLists::Issue)
    return;
  lists = CudaLists::Issue;
  forgetLists();
}

void CudaDevice::forgetLists() {
  for (CUgraphExec &graph : graphs)
    if (graph)
      api.cuGraphExecDestroy(std::exchange(graph, nullptr));
  for (auto &list : starts)
    list.clear();
}

void CudaDevice::prepareMarks(uint32_t count) {
  for (CUevent event : marks)
    checkCuda(api.cuEventDestroy(event), "destroying an event");
  marks.assign(count, nullptr);
  for (CUevent &event : marks)
    checkCuda(api.cuEventCreate(&event, CU_EVENT_DEFAULT), "creating an event");
}

void CudaDevice::mark(uint32_t index) {
  pace();
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

std::unique_ptr<Device> makeCudaDevice(uint32_t ordinal, const bm_cuda_program *program,
                                       bool deterministic) {
  if (program)
    checkLibraryCalls(*program);
  return std::make_unique<CudaDevice>(ordinal, program, deterministic);
}

} // namespace bigmac::rt
