// The runtime's own kernels (kernels.cu): sums, norms, the optimizer, copies and reports to the
// host.

#include "../common/AdamWScalars.h"
#include "CudaDevice.h"
#include "kernels.h"

#include <algorithm>

namespace bigmac::rt {

static unsigned blocksOf(uint64_t threads) {
  return static_cast<unsigned>(
      std::clamp<uint64_t>((threads + cuda::kBlock - 1) / cuda::kBlock, 1, cuda::kMostBlocks));
}

void CudaDevice::start(CUfunction kernel, uint64_t threads, void **params, const char *what,
                       const std::function<std::string()> &details) {
  pace();
  beginCall();
  check(api.cuLaunchKernel(kernel, blocksOf(threads), 1, 1, cuda::kBlock, 1, 1, 0, stream, params,
                           nullptr),
        [&] { return details ? details() : std::string(what); });
  endCall([&] { return what; });
}

/// Of the two kernels, and how many elements a thread takes at once.
static size_t kernelOf(bm_dtype type) { return type == BM_F32 ? 0 : 1; }
static uint64_t widthOf(bm_dtype type) { return type == BM_F32 ? 4 : 8; }

CUresult CudaDevice::launchSum(CUstream on, void *target, std::span<const void *const> sources,
                               uint64_t elements, bm_dtype type) {
  if (sources.size() > cuda::kMostSources)
    throw RuntimeError("a sum of " + std::to_string(sources.size()) + " values, at most " +
                       std::to_string(cuda::kMostSources) + " can be added at once");
  cuda::SumSources list{};
  std::copy(sources.begin(), sources.end(), list.at);
  list.count = static_cast<uint32_t>(sources.size());
  void *params[] = {&target, &list, &elements};
  return api.cuLaunchKernel(sumKernel[kernelOf(type)], blocksOf(elements / widthOf(type) + 1), 1, 1,
                            cuda::kBlock, 1, 1, 0, on, params, nullptr);
}

void CudaDevice::sum(void *target, std::span<const void *const> sources, uint64_t elements,
                     bm_dtype type) {
  pace();
  beginCall();
  check(launchSum(stream, target, sources, elements, type), [] { return "a sum"; });
  endCall([] { return "a sum"; });
}

void CudaDevice::sumOn(CUstream on, void *target, std::span<const void *const> sources,
                       uint64_t elements, bm_dtype type) {
  checkCuda(launchSum(on, target, sources, elements, type), "a sum of gradients");
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

void CudaDevice::copyByKernel(CUdeviceptr to, CUdeviceptr from, uint64_t bytes, const char *what,
                              const std::function<std::string()> &details) {
  void *params[] = {&to, &from, &bytes};
  start(copyKernel, bytes / 16 + 1, params, what, details);
}

void CudaDevice::report(uint32_t what) {
  pace();
  volatile uint64_t *place = reportPlace;
  CUdeviceptr count = scratch + kReportCount;
  void *params[] = {&place, &count, &what};
  check(api.cuLaunchKernel(reportKernel, 1, 1, 1, 1, 1, 1, 0, stream, params, nullptr),
        [] { return "a report to the host"; });
}

} // namespace bigmac::rt
