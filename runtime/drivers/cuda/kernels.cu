// The CUDA device's own arithmetic: memory-bound, 16 bytes a thread where addresses allow. Compiled
// without fused multiply-add, so elementwise results have the CPU driver's bits.

#include "drivers/common/AdamWScalars.h"
#include "drivers/cuda/kernels.h"

#include <cuda_bf16.h>

using bigmac::rt::AdamWScalars;
using namespace bigmac::rt::cuda;

namespace {

__device__ uint64_t thread() { return uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ uint64_t threads() { return uint64_t(gridDim.x) * blockDim.x; }
__device__ bool aligned(const void *p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

template <int N> struct Pack {
  float at[N];
};

/// Elements N i .. N i + N - 1 of `n`, in fp32; zero where there are none. 16 bytes at a time where
/// all are there and `wide`.
template <int N> __device__ Pack<N> load(const float *from, uint64_t i, uint64_t n, bool wide) {
  Pack<N> pack = {};
  if (wide && N * i + N <= n) {
    for (int j = 0; j < N / 4; ++j) {
      float4 value = reinterpret_cast<const float4 *>(from)[i * (N / 4) + j];
      pack.at[4 * j] = value.x;
      pack.at[4 * j + 1] = value.y;
      pack.at[4 * j + 2] = value.z;
      pack.at[4 * j + 3] = value.w;
    }
    return pack;
  }
  for (int j = 0; j < N; ++j)
    if (N * i + j < n)
      pack.at[j] = from[N * i + j];
  return pack;
}

template <int N>
__device__ Pack<N> load(const __nv_bfloat16 *from, uint64_t i, uint64_t n, bool wide) {
  static_assert(N == 8);
  Pack<N> pack = {};
  if (wide && N * i + N <= n) {
    uint4 value = reinterpret_cast<const uint4 *>(from)[i];
    const uint32_t pairs[] = {value.x, value.y, value.z, value.w};
    for (int j = 0; j < 4; ++j) {
      pack.at[2 * j] = __uint_as_float(pairs[j] << 16);
      pack.at[2 * j + 1] = __uint_as_float(pairs[j] & 0xffff0000);
    }
    return pack;
  }
  for (int j = 0; j < N; ++j)
    if (N * i + j < n)
      pack.at[j] = __bfloat162float(from[N * i + j]);
  return pack;
}

template <int N>
__device__ void store(float *to, const Pack<N> &pack, uint64_t i, uint64_t n, bool wide) {
  if (wide && N * i + N <= n) {
    for (int j = 0; j < N / 4; ++j)
      reinterpret_cast<float4 *>(to)[i * (N / 4) + j] =
          make_float4(pack.at[4 * j], pack.at[4 * j + 1], pack.at[4 * j + 2], pack.at[4 * j + 3]);
    return;
  }
  for (int j = 0; j < N; ++j)
    if (N * i + j < n)
      to[N * i + j] = pack.at[j];
}

template <int N>
__device__ void store(__nv_bfloat16 *to, const Pack<N> &pack, uint64_t i, uint64_t n, bool wide) {
  static_assert(N == 8);
  if (wide && N * i + N <= n) {
    uint32_t pairs[4];
    for (int j = 0; j < 4; ++j) {
      uint32_t low = __bfloat16_as_ushort(__float2bfloat16_rn(pack.at[2 * j]));
      uint32_t high = __bfloat16_as_ushort(__float2bfloat16_rn(pack.at[2 * j + 1]));
      pairs[j] = low | high << 16;
    }
    reinterpret_cast<uint4 *>(to)[i] = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
    return;
  }
  for (int j = 0; j < N; ++j)
    if (N * i + j < n)
      to[N * i + j] = __float2bfloat16_rn(pack.at[j]);
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

/// How many elements a thread takes at once: 16 bytes of the narrowest type.
template <typename T> constexpr int kWidth = sizeof(T) == 4 ? 4 : 8;

template <typename T> __device__ void sum(T *target, const SumSources &sources, uint64_t n) {
  constexpr int N = kWidth<T>;
  bool wide = aligned(target);
  for (uint32_t s = 0; s < sources.count; ++s)
    wide = wide && aligned(sources.at[s]);
  for (uint64_t i = thread(); N * i < n; i += threads()) {
    Pack<N> total = load<N>(static_cast<const T *>(sources.at[0]), i, n, wide);
    for (uint32_t s = 1; s < sources.count; ++s) {
      Pack<N> next = load<N>(static_cast<const T *>(sources.at[s]), i, n, wide);
      for (int j = 0; j < N; ++j)
        total.at[j] += next.at[j];
    }
    store(target, total, i, n, wide);
  }
}

template <typename T> __device__ void sumSquares(double *partial, const T *values, uint64_t n) {
  constexpr int N = kWidth<T>;
  bool wide = aligned(values);
  double total = 0;
  for (uint64_t i = thread(); N * i < n; i += threads()) {
    Pack<N> pack = load<N>(values, i, n, wide);
    for (float value : pack.at)
      total += double(value) * value;
  }
  total = blockSum(total);
  if (threadIdx.x == 0)
    partial[blockIdx.x] = total;
}

template <typename T> __device__ void scale(T *values, float factor, uint64_t n) {
  constexpr int N = kWidth<T>;
  bool wide = aligned(values);
  for (uint64_t i = thread(); N * i < n; i += threads()) {
    Pack<N> pack = load<N>(values, i, n, wide);
    for (float &value : pack.at)
      value *= factor;
    store(values, pack, i, n, wide);
  }
}

/// Updates `weights` and, where that is another array, rounds them to `param`.
template <typename Param, typename Weight, typename Grad, typename Moment>
__device__ void adamW(const AdamWScalars &k, Param *param, Weight *weights, const Grad *grad,
                      Moment *first, Moment *second, uint64_t n) {
  constexpr int N = kWidth<Param>;
  bool wide =
      aligned(param) && aligned(weights) && aligned(grad) && aligned(first) && aligned(second);
  for (uint64_t i = thread(); N * i < n; i += threads()) {
    Pack<N> p = load<N>(weights, i, n, wide), g = load<N>(grad, i, n, wide),
            m = load<N>(first, i, n, wide), v = load<N>(second, i, n, wide);
    for (int j = 0; j < N; ++j) {
      float gj = g.at[j] * k.gradScale * k.clip;
      m.at[j] = m.at[j] + k.oneMinusBeta1 * (gj - m.at[j]);
      v.at[j] = v.at[j] * k.beta2 + k.oneMinusBeta2 * gj * gj;
      p.at[j] = p.at[j] * k.decay + k.minusStepSize * m.at[j] / (sqrtf(v.at[j]) / k.sqrtC2 + k.eps);
    }
    store(weights, p, i, n, wide);
    if constexpr (sizeof(Param) != sizeof(Weight))
      store(param, p, i, n, wide);
    store(first, m, i, n, wide);
    store(second, v, i, n, wide);
  }
}

} // namespace

using bf16 = __nv_bfloat16;

extern "C" __global__ void bm_sum(float *target, SumSources sources, uint64_t n) {
  sum(target, sources, n);
}
extern "C" __global__ void bm_sum_bf16(bf16 *target, SumSources sources, uint64_t n) {
  sum(target, sources, n);
}

extern "C" __global__ void __launch_bounds__(kBlock)
    bm_sum_squares(double *partial, const float *values, uint64_t n) {
  sumSquares(partial, values, n);
}
extern "C" __global__ void __launch_bounds__(kBlock)
    bm_sum_squares_bf16(double *partial, const bf16 *values, uint64_t n) {
  sumSquares(partial, values, n);
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
  scale(values, factor, n);
}
extern "C" __global__ void bm_scale_bf16(bf16 *values, float factor, uint64_t n) {
  scale(values, factor, n);
}

extern "C" __global__ void bm_adamw(AdamWScalars k, float *param, const float *grad, float *first,
                                    float *second, uint64_t n) {
  adamW(k, param, param, grad, first, second, n);
}
extern "C" __global__ void bm_adamw_master(AdamWScalars k, bf16 *param, float *master,
                                           const float *grad, float *first, float *second,
                                           uint64_t n) {
  adamW(k, param, master, grad, first, second, n);
}
extern "C" __global__ void bm_adamw_master_bf16(AdamWScalars k, bf16 *param, float *master,
                                                const bf16 *grad, float *first, float *second,
                                                uint64_t n) {
  adamW(k, param, master, grad, first, second, n);
}
extern "C" __global__ void bm_adamw_narrow(AdamWScalars k, bf16 *param, const float *grad,
                                           bf16 *first, bf16 *second, uint64_t n) {
  adamW(k, param, param, grad, first, second, n);
}
extern "C" __global__ void bm_adamw_narrow_bf16(AdamWScalars k, bf16 *param, const bf16 *grad,
                                                bf16 *first, bf16 *second, uint64_t n) {
  adamW(k, param, param, grad, first, second, n);
}

/// Tells the host what the stream has come to (see CudaDevice::report): `what`, and a count of such
/// reports in the upper half, in one write.
extern "C" __global__ void bm_report(volatile uint64_t *place, uint32_t *count, uint32_t what) {
  *place = uint64_t(++*count) << 32 | what;
}
