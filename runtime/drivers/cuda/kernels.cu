// The CUDA device's own arithmetic: memory-bound, 16 bytes a thread where addresses allow. Compiled
// without fused multiply-add, so elementwise results have the CPU driver's bits.

#include "drivers/common/AdamWScalars.h"
#include "drivers/cuda/kernels.h"
#include "include/bigmac-rt/plan.h"

using bigmac::rt::AdamWScalars;
using namespace bigmac::rt::cuda;

namespace {

__device__ uint64_t thread() { return uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ uint64_t threads() { return uint64_t(gridDim.x) * blockDim.x; }
__device__ bool aligned(const void *p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

struct Four {
  float at[4];
};

/// Elements 4 i .. 4 i + 3 of `n`; zero where there are none.
__device__ Four load(const float *from, uint64_t i, uint64_t n, bool wide) {
  Four four = {};
  if (wide && 4 * i + 4 <= n) {
    float4 value = reinterpret_cast<const float4 *>(from)[i];
    return {{value.x, value.y, value.z, value.w}};
  }
  for (int j = 0; j < 4; ++j)
    if (4 * i + j < n)
      four.at[j] = from[4 * i + j];
  return four;
}

__device__ void store(float *to, const Four &four, uint64_t i, uint64_t n, bool wide) {
  if (wide && 4 * i + 4 <= n) {
    reinterpret_cast<float4 *>(to)[i] = make_float4(four.at[0], four.at[1], four.at[2], four.at[3]);
    return;
  }
  for (int j = 0; j < 4; ++j)
    if (4 * i + j < n)
      to[4 * i + j] = four.at[j];
}

/// The sum over a block of kBlock threads, on thread 0, in a fixed order.
__device__ double blockSum(double value) {
  __shared__ double warps[kBlock / 32];
  for (int lane = 16; lane > 0; lane /= 2)
    value += __shfl_down_sync(~0u, value, lane);
  if (threadIdx.x % 32 == 0)
    warps[threadIdx.x / 32] = value;
  __syncthreads();
  value = threadIdx.x < kBlock / 32 ? warps[threadIdx.x] : 0;
  for (int lane = kBlock / 64; lane > 0; lane /= 2)
    value += __shfl_down_sync(~0u, value, lane);
  return value;
}

} // namespace

extern "C" __global__ void bm_sum(float *target, SumSources sources, uint64_t n) {
  for (uint64_t i = thread(); i < n; i += threads()) {
    float value = sources.at[0][i];
    for (uint32_t s = 1; s < sources.count; ++s)
      value += sources.at[s][i];
    target[i] = value;
  }
}

extern "C" __global__ void __launch_bounds__(kBlock)
    bm_sum_squares(double *partial, const float *values, uint64_t n) {
  bool wide = aligned(values);
  double total = 0;
  for (uint64_t i = thread(); 4 * i < n; i += threads()) {
    Four four = load(values, i, n, wide);
    for (float value : four.at)
      total += double(value) * value;
  }
  total = blockSum(total);
  if (threadIdx.x == 0)
    partial[blockIdx.x] = total;
}

extern "C" __global__ void __launch_bounds__(kBlock)
    bm_sum_partials(double *result, const double *partial, uint32_t count) {
  double total = 0;
  for (uint32_t i = threadIdx.x; i < count; i += kBlock)
    total += partial[i];
  total = blockSum(total);
  if (threadIdx.x == 0)
    *result = total;
}

extern "C" __global__ void bm_scale(float *values, float factor, uint64_t n) {
  bool wide = aligned(values);
  for (uint64_t i = thread(); 4 * i < n; i += threads()) {
    Four four = load(values, i, n, wide);
    for (float &value : four.at)
      value *= factor;
    store(values, four, i, n, wide);
  }
}

extern "C" __global__ void bm_adamw(AdamWScalars k, float *param, const float *grad, float *first,
                                    float *second, uint64_t n) {
  bool wide = aligned(param) && aligned(grad) && aligned(first) && aligned(second);
  for (uint64_t i = thread(); 4 * i < n; i += threads()) {
    Four p = load(param, i, n, wide), g = load(grad, i, n, wide), m = load(first, i, n, wide),
         v = load(second, i, n, wide);
    for (int j = 0; j < 4; ++j) {
      float gj = g.at[j] * k.gradScale * k.clip;
      m.at[j] = m.at[j] + k.oneMinusBeta1 * (gj - m.at[j]);
      v.at[j] = v.at[j] * k.beta2 + k.oneMinusBeta2 * gj * gj;
      p.at[j] = p.at[j] * k.decay + k.minusStepSize * m.at[j] / (sqrtf(v.at[j]) / k.sqrtC2 + k.eps);
    }
    store(param, p, i, n, wide);
    store(first, m, i, n, wide);
    store(second, v, i, n, wide);
  }
}

/// Tells the host what the stream has come to (see CudaDevice::report): `what`, and a count of such
/// reports in the upper half, in one write.
extern "C" __global__ void bm_report(volatile uint64_t *place, uint32_t *count, uint32_t what) {
  *place = uint64_t(++*count) << 32 | what;
}

//===----------------------------------------------------------------------===//
// For library calls
//===----------------------------------------------------------------------===//

/// Values from 1/16 to 1 and their negatives, of type BM_F32, BM_BF16 or BM_F16.
extern "C" __global__ void bm_random(void *values, uint32_t type, uint64_t n, uint64_t seed) {
  for (uint64_t i = thread(); i < n; i += threads()) {
    uint64_t bits = (i + 1) * 0x9E3779B97F4A7C15u + seed * 0xD1342543DE82EF95u;
    bits = (bits ^ bits >> 32) * 0xD6E8FEB86659FD93u;
    bits ^= bits >> 32;
    uint32_t sign = bits >> 63, fraction = bits & 0x7FFFFF, below = bits >> 40 & 3;
    uint32_t value = sign << 31 | (126 - below) << 23 | fraction;
    if (type == BM_F32)
      static_cast<uint32_t *>(values)[i] = value;
    else if (type == BM_BF16)
      static_cast<uint16_t *>(values)[i] = value >> 16;
    else
      static_cast<uint16_t *>(values)[i] = sign << 15 | (14 - below) << 10 | fraction >> 13;
  }
}
