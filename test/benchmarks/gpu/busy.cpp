//===- busy.cpp - How much of the time a process's kernels run -------------===//
//
// A library that CUDA loads into any process, compiled program or PyTorch:
//
//   CUDA_INJECTION64_PATH=build/lib/libbigmac-gpu-busy.so BIGMAC_BUSY_SECONDS=3 PROGRAM ...
//
// When the process ends it prints, for each GPU and for the last so many seconds in which kernels
// ran there (default 2): the share of the time in which at least one kernel ran, the gaps by their
// length, and the kernels that took longest. Timestamps are the GPU's own, by CUPTI's activity API.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cupti.h>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

struct Kernel {
  uint64_t start, end; // nanoseconds
  const char *name;    // CUPTI keeps it
};

std::mutex mutex;
std::map<uint32_t, std::vector<Kernel>> kernelsOf; // by device

void check(CUptiResult code, const char *what) {
  if (code == CUPTI_SUCCESS)
    return;
  const char *text = "";
  cuptiGetResultString(code, &text);
  std::fprintf(stderr, "gpu-busy: %s: %s\n", what, text);
}

constexpr size_t kBufferBytes = 8 << 20;

void CUPTIAPI bufferRequested(uint8_t **buffer, size_t *size, size_t *records) {
  *buffer = static_cast<uint8_t *>(std::aligned_alloc(8, kBufferBytes));
  *size = *buffer ? kBufferBytes : 0;
  *records = 0;
}

void CUPTIAPI bufferCompleted(CUcontext context, uint32_t stream, uint8_t *buffer, size_t,
                              size_t valid) {
  CUpti_Activity *record = nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS)
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
      auto *kernel = reinterpret_cast<CUpti_ActivityKernel10 *>(record);
      kernelsOf[kernel->deviceId].push_back({kernel->start, kernel->end, kernel->name});
    }
  size_t dropped = 0;
  cuptiActivityGetNumDroppedRecords(context, stream, &dropped);
  if (dropped > 0)
    std::fprintf(stderr, "gpu-busy: %zu records were dropped: the share is too low\n", dropped);
  std::free(buffer);
}

double windowSeconds() {
  const char *text = std::getenv("BIGMAC_BUSY_SECONDS");
  double seconds = text ? std::atof(text) : 2;
  return seconds > 0 ? seconds : 2;
}

void report(uint32_t device, std::vector<Kernel> &kernels) {
  std::sort(kernels.begin(), kernels.end(),
            [](const Kernel &a, const Kernel &b) { return a.start < b.start; });
  uint64_t end = 0;
  for (const Kernel &kernel : kernels)
    end = std::max(end, kernel.end);
  const auto window = static_cast<uint64_t>(windowSeconds() * 1e9);
  const uint64_t begin = std::max(kernels.front().start, end > window ? end - window : 0);
  // Gaps up to so many microseconds.
  const double limits[] = {2, 5, 20, 100, 1e9};
  double gaps[std::size(limits)] = {};
  uint64_t counts[std::size(limits)] = {};
  struct Total {
    double seconds = 0;
    uint64_t calls = 0;
  };
  std::map<std::string, Total> totals;
  uint64_t reached = begin, count = 0;
  double idle = 0;
  for (const Kernel &kernel : kernels) {
    if (kernel.start < begin) {
      reached = std::max(reached, kernel.end);
      continue;
    }
    ++count;
    Total &total = totals[kernel.name ? kernel.name : "?"];
    total.seconds += static_cast<double>(kernel.end - kernel.start) * 1e-9;
    ++total.calls;
    if (kernel.start > reached) {
      double gap = static_cast<double>(kernel.start - reached) * 1e-9;
      size_t kind =
          std::find_if(limits, std::end(limits), [&](double limit) { return gap * 1e6 <= limit; }) -
          limits;
      gaps[std::min(kind, std::size(limits) - 1)] += gap;
      ++counts[std::min(kind, std::size(limits) - 1)];
      idle += gap;
    }
    reached = std::max(reached, kernel.end);
  }
  const double seconds = static_cast<double>(end - begin) * 1e-9;
  std::fprintf(stderr, "gpu-busy: GPU %u, %.3f s: kernels run %.2f%% of the time, %llu kernels\n",
               device, seconds, 100 * (1 - idle / seconds), static_cast<unsigned long long>(count));
  double lowest = 0;
  for (size_t i = 0; i < std::size(limits); ++i) {
    std::fprintf(stderr, "gpu-busy:   gaps of more than %3.0f us: %.2f%% of the time, %llu\n",
                 lowest, 100 * gaps[i] / seconds, static_cast<unsigned long long>(counts[i]));
    lowest = limits[i];
  }
  std::vector<std::pair<std::string, Total>> rows(totals.begin(), totals.end());
  std::sort(rows.begin(), rows.end(),
            [](const auto &a, const auto &b) { return a.second.seconds > b.second.seconds; });
  rows.resize(std::min<size_t>(rows.size(), 40));
  for (const auto &[name, total] : rows)
    std::fprintf(stderr, "gpu-busy:   %5.2f%% %8llu x %9.2f us  %.110s\n",
                 100 * total.seconds / seconds, static_cast<unsigned long long>(total.calls),
                 total.seconds / static_cast<double>(total.calls) * 1e6, name.c_str());
}

void finish() {
  check(cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "reading what is left");
  std::lock_guard<std::mutex> lock(mutex);
  for (auto &[device, kernels] : kernelsOf)
    report(device, kernels);
}

} // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  check(cuptiActivityRegisterCallbacks(bufferRequested, bufferCompleted), "registering");
  check(cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL), "recording kernels");
  std::atexit(finish);
  return 1;
}
