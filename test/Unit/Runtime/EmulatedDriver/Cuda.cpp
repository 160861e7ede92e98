//===- Cuda.cpp - A libcuda.so.1 without a GPU -----------------------------===//
//
// Order and waiting as with NVIDIA's driver, for tests of what the runtime does with them: streams
// that run beside one another, events, copies, memory that another process opens, words in memory
// that streams wait for. Kernels are functions of the host; those that are missing fail to launch.
//
// What the driver does to a host that is not careful:
//   - a stream queues a thousand operations; a call into a full one waits inside;
//   - what frees memory or an event waits for all streams, holding a lock that every call takes.
//
//===----------------------------------------------------------------------===//

#include "Emulated.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cuda.h>
#include <deque>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace bigmac::test;

namespace {

constexpr int kDevices = 8;
constexpr size_t kQueued = 1024;

std::mutex driver;
using Call = std::lock_guard<std::mutex>;

/// A kernel has made an error, such as a bad access: no call succeeds any more. The kernel that
/// BM_EMULATED_FAULT names does so.
std::atomic<bool> broken = false;

CUresult state() { return broken ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS; }

struct Stream {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Operation> queue; // the first is under way
  std::thread worker{[this] { work(); }};

  Stream() { worker.detach(); } // streams live as long as the process

  void add(Operation operation) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return queue.size() < kQueued; });
    queue.push_back(std::move(operation));
    changed.notify_all();
  }
  bool isIdle() {
    std::lock_guard lock(mutex);
    return queue.empty();
  }
  void synchronize() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return queue.empty(); });
  }

private:
  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return !queue.empty(); });
      Operation operation = queue.front();
      lock.unlock();
      while (!broken && !operation())
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      lock.lock();
      queue.pop_front();
      changed.notify_all();
    }
  }
};

struct Event {
  std::mutex mutex;
  uint64_t recorded = 0, reached = 0; // counts
  double seconds = 0;

  /// Whether the `number`-th record has been reached.
  bool has(uint64_t number) {
    std::lock_guard lock(mutex);
    return reached >= number;
  }
  uint64_t last() {
    std::lock_guard lock(mutex);
    return recorded;
  }
};

struct Memory {
  int file;
  size_t bytes;
};

// Never destroyed: streams' threads use them when the process ends.
auto &streams = *new std::deque<Stream>;
auto &memories = *new std::map<CUdeviceptr, Memory>;
auto &pinned = *new std::map<const char *, size_t>; // bytes of the host's memory, by address
auto &kernels = *new std::set<std::string>;         // addresses are functions

/// Calls that were captured, to be made again whenever the graph is launched: in the order in which
/// they were captured, which is one that their graph allows.
using Graph = std::vector<std::function<void()>>;
Graph *capture = nullptr; // under way

/// Makes a call, or captures it.
void submit(std::function<void()> call) {
  if (capture)
    capture->push_back(std::move(call));
  else
    call();
}

Stream &of(CUstream stream) { return *reinterpret_cast<Stream *>(stream); }
Event &of(CUevent event) { return *reinterpret_cast<Event *>(event); }

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void add(CUstream stream, Operation operation) {
  submit([=] { of(stream).add(operation); });
}

void waitForAll() {
  for (Stream &stream : streams)
    stream.synchronize();
}

template <typename T> volatile T *place(CUdeviceptr at) {
  return reinterpret_cast<volatile T *>(at);
}

void copy(void *to, const void *from, size_t bytes, CUstream stream) {
  add(stream, [=] {
    std::memcpy(to, from, bytes);
    return true;
  });
}

bool isPinned(const void *host) {
  auto *at = static_cast<const char *>(host);
  auto next = pinned.upper_bound(at);
  return next != pinned.begin() && at < std::prev(next)->first + std::prev(next)->second;
}

/// Whether there is room for an allocation: BM_EMULATED_MEMORY is all that there is, in bytes.
bool hasRoom(size_t bytes) {
  const char *all = std::getenv("BM_EMULATED_MEMORY");
  for (const auto &[at, memory] : memories)
    bytes += memory.bytes;
  return !all || bytes <= std::strtoull(all, nullptr, 10);
}

/// Memory that other processes open by the file behind it.
CUdeviceptr map(int file, size_t bytes) {
  void *data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return data == MAP_FAILED ? 0 : reinterpret_cast<CUdeviceptr>(data);
}

} // namespace

bool bigmac::test::isReachable(const void *memory, size_t bytes) {
  Call call(driver);
  auto at = reinterpret_cast<CUdeviceptr>(memory);
  auto next = memories.upper_bound(at);
  bool isOnDevice = next != memories.begin() &&
                    at + bytes <= std::prev(next)->first + std::prev(next)->second.bytes;
  return isOnDevice ||
         (isPinned(memory) && isPinned(static_cast<const char *>(memory) + bytes - 1));
}

void bigmac::test::enqueue(CUstream stream, Operation operation) {
  Call call(driver);
  add(stream, std::move(operation));
}

extern "C" {

CUresult CUDAAPI cuInit(unsigned) { return state(); }
CUresult CUDAAPI cuDriverGetVersion(int *version) {
  *version = CUDA_VERSION;
  return state();
}
CUresult CUDAAPI cuGetErrorName(CUresult, const char **text) {
  *text = "CUDA_ERROR";
  return CUDA_SUCCESS;
}
CUresult CUDAAPI cuGetErrorString(CUresult, const char **text) {
  *text = "of the emulated driver";
  return CUDA_SUCCESS;
}

//===----------------------------------------------------------------------===//
// Devices, kernels
//===----------------------------------------------------------------------===//

CUresult CUDAAPI cuDeviceGetCount(int *count) {
  *count = kDevices;
  return state();
}
CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal) {
  *device = ordinal;
  return state();
}
CUresult CUDAAPI cuDeviceGetName(char *name, int length, CUdevice) {
  std::snprintf(name, length, "emulated GPU");
  return state();
}
CUresult CUDAAPI cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
  std::memset(uuid->bytes, device + 1, sizeof(uuid->bytes));
  return state();
}
CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute which, CUdevice) {
  *value = which == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 : 0;
  return state();
}
CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
  *context = nullptr;
  return state();
}
CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice) { return state(); }
CUresult CUDAAPI cuCtxSetCurrent(CUcontext) { return state(); }
CUresult CUDAAPI cuModuleLoadData(CUmodule *module, const void *) {
  *module = nullptr;
  return state();
}
CUresult CUDAAPI cuModuleUnload(CUmodule) {
  Call call(driver);
  waitForAll();
  return state();
}
CUresult CUDAAPI cuModuleGetFunction(CUfunction *function, CUmodule, const char *name) {
  Call call(driver);
  *function = reinterpret_cast<CUfunction>(const_cast<std::string *>(&*kernels.insert(name).first));
  return state();
}
CUresult CUDAAPI cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) { return state(); }
CUresult CUDAAPI cuFuncLoad(CUfunction) { return state(); }
CUresult CUDAAPI cuLaunchKernel(CUfunction function, unsigned, unsigned, unsigned, unsigned,
                                unsigned, unsigned, unsigned, CUstream stream, void **arguments,
                                void **) {
  const std::string &name = *reinterpret_cast<std::string *>(function);
  Kernel kernel = findKernel(name);
  if (!kernel) {
    std::fprintf(stderr, "emulated driver: there is no kernel %s\n", name.c_str());
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  Operation operation = kernel(arguments);
  const char *faulty = std::getenv("BM_EMULATED_FAULT");
  if (faulty && name == faulty)
    operation = [] { return broken = true; };
  Call call(driver);
  add(stream, operation);
  return state();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

CUresult CUDAAPI cuMemAlloc(CUdeviceptr *memory, size_t bytes) {
  Call call(driver);
  if (!hasRoom(bytes))
    return CUDA_ERROR_OUT_OF_MEMORY;
  int file = memfd_create("emulated GPU", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, bytes) != 0)
    return CUDA_ERROR_OUT_OF_MEMORY;
  *memory = map(file, bytes);
  if (*memory)
    memories[*memory] = {file, bytes};
  return *memory ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult CUDAAPI cuMemFree(CUdeviceptr memory) {
  Call call(driver);
  waitForAll();
  auto it = memories.find(memory);
  if (it == memories.end())
    return CUDA_ERROR_INVALID_VALUE;
  munmap(reinterpret_cast<void *>(memory), it->second.bytes);
  close(it->second.file);
  memories.erase(it);
  return state();
}
CUresult CUDAAPI cuMemGetInfo(size_t *available, size_t *whole) {
  *available = *whole = size_t(64) << 30;
  return state();
}
CUresult CUDAAPI cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  Call call(driver);
  constexpr size_t kPage = 4096;
  *memory = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (!*memory)
    return CUDA_ERROR_OUT_OF_MEMORY;
  std::memset(*memory, 0, bytes);
  pinned[static_cast<char *>(*memory)] = bytes;
  return state();
}
CUresult CUDAAPI cuMemFreeHost(void *memory) {
  Call call(driver);
  waitForAll();
  pinned.erase(static_cast<char *>(memory));
  std::free(memory);
  return state();
}
/// Of other memory than pinned the driver takes a copy before it returns ...
CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t bytes,
                                   CUstream stream) {
  Call call(driver);
  if (isPinned(from)) {
    copy(reinterpret_cast<void *>(to), from, bytes, stream);
    return state();
  }
  auto *begin = static_cast<const char *>(from);
  add(stream, [to, data = std::string(begin, begin + bytes)] {
    std::memcpy(reinterpret_cast<void *>(to), data.data(), data.size());
    return true;
  });
  return state();
}
/// ... or waits.
CUresult CUDAAPI cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  Call call(driver);
  copy(to, reinterpret_cast<const void *>(from), bytes, stream);
  if (!isPinned(to))
    of(stream).synchronize();
  return state();
}
CUresult CUDAAPI cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                                   CUstream stream) {
  Call call(driver);
  copy(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), bytes, stream);
  return state();
}
CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes,
                                 CUstream stream) {
  Call call(driver);
  add(stream, [=] {
    std::memset(reinterpret_cast<void *>(to), value, bytes);
    return true;
  });
  return state();
}
CUresult CUDAAPI cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr memory) {
  Call call(driver);
  auto it = memories.find(memory);
  if (it == memories.end())
    return CUDA_ERROR_INVALID_VALUE;
  std::memset(handle->reserved, 0, sizeof(handle->reserved));
  std::snprintf(handle->reserved, sizeof(handle->reserved), "/proc/%d/fd/%d", getpid(),
                it->second.file);
  return state();
}
CUresult CUDAAPI cuIpcOpenMemHandle(CUdeviceptr *memory, CUipcMemHandle handle, unsigned) {
  Call call(driver);
  int file = open(handle.reserved, O_RDWR | O_CLOEXEC);
  struct stat about{};
  if (file < 0 || fstat(file, &about) != 0)
    return CUDA_ERROR_INVALID_VALUE;
  *memory = map(file, about.st_size);
  close(file);
  return *memory ? CUDA_SUCCESS : CUDA_ERROR_MAP_FAILED;
}
CUresult CUDAAPI cuIpcCloseMemHandle(CUdeviceptr) {
  Call call(driver);
  waitForAll();
  return state();
}

//===----------------------------------------------------------------------===//
// Streams and events
//===----------------------------------------------------------------------===//

CUresult CUDAAPI cuStreamCreate(CUstream *stream, unsigned) {
  Call call(driver);
  *stream = reinterpret_cast<CUstream>(&streams.emplace_back());
  return state();
}
CUresult CUDAAPI cuStreamDestroy(CUstream) { return state(); }
CUresult CUDAAPI cuStreamQuery(CUstream stream) {
  Call call(driver);
  return of(stream).isIdle() ? state() : CUDA_ERROR_NOT_READY;
}
CUresult CUDAAPI cuStreamSynchronize(CUstream stream) {
  of(stream).synchronize();
  return state();
}
CUresult CUDAAPI cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  Call call(driver);
  Event *what = &of(event);
  submit([=] { of(stream).add([what, number = what->last()] { return what->has(number); }); });
  return state();
}
CUresult CUDAAPI cuStreamWaitValue32(CUstream stream, CUdeviceptr at, cuuint32_t value,
                                     unsigned flags) {
  if (flags != CU_STREAM_WAIT_VALUE_EQ && flags != CU_STREAM_WAIT_VALUE_GEQ)
    return CUDA_ERROR_NOT_SUPPORTED;
  Call call(driver);
  add(stream, [=] {
    cuuint32_t found = *place<cuuint32_t>(at);
    std::atomic_thread_fence(std::memory_order_acquire);
    // As numbers that start over.
    return flags == CU_STREAM_WAIT_VALUE_EQ ? found == value
                                            : static_cast<int32_t>(found - value) >= 0;
  });
  return state();
}
CUresult CUDAAPI cuStreamWriteValue32(CUstream stream, CUdeviceptr at, cuuint32_t value, unsigned) {
  Call call(driver);
  add(stream, [=] {
    std::atomic_thread_fence(std::memory_order_release);
    *place<cuuint32_t>(at) = value;
    return true;
  });
  return state();
}
CUresult CUDAAPI cuEventCreate(CUevent *event, unsigned) {
  *event = reinterpret_cast<CUevent>(new Event);
  return state();
}
CUresult CUDAAPI cuEventDestroy(CUevent) {
  Call call(driver);
  waitForAll();
  return state();
}
CUresult CUDAAPI cuEventRecord(CUevent event, CUstream stream) {
  Call call(driver);
  Event *what = &of(event);
  submit([=] {
    uint64_t number;
    {
      std::lock_guard lock(what->mutex);
      number = ++what->recorded;
    }
    of(stream).add([=] {
      std::lock_guard lock(what->mutex);
      what->reached = number;
      what->seconds = now();
      return true;
    });
  });
  return state();
}
CUresult CUDAAPI cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned) {
  return cuEventRecord(event, stream);
}
CUresult CUDAAPI cuEventQuery(CUevent event) {
  Call call(driver);
  return of(event).has(of(event).last()) ? state() : CUDA_ERROR_NOT_READY;
}
CUresult CUDAAPI cuEventSynchronize(CUevent event) {
  while (!of(event).has(of(event).last()))
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  return state();
}
CUresult CUDAAPI cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  *milliseconds = static_cast<float>(1e3 * (of(to).seconds - of(from).seconds));
  return state();
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

CUresult CUDAAPI cuStreamBeginCapture(CUstream, CUstreamCaptureMode) {
  Call call(driver);
  capture = new Graph;
  return state();
}
CUresult CUDAAPI cuStreamEndCapture(CUstream, CUgraph *graph) {
  Call call(driver);
  *graph = reinterpret_cast<CUgraph>(std::exchange(capture, nullptr));
  return state();
}
CUresult CUDAAPI cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *) { return state(); }
CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long) {
  *exec = reinterpret_cast<CUgraphExec>(new Graph(*reinterpret_cast<Graph *>(graph)));
  return state();
}
CUresult CUDAAPI cuGraphDestroy(CUgraph graph) {
  delete reinterpret_cast<Graph *>(graph);
  return state();
}
CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec exec) {
  Call call(driver);
  waitForAll();
  delete reinterpret_cast<Graph *>(exec);
  return state();
}
CUresult CUDAAPI cuGraphLaunch(CUgraphExec exec, CUstream) {
  Call call(driver);
  for (const auto &made : *reinterpret_cast<Graph *>(exec))
    made();
  return state();
}

} // extern "C"
