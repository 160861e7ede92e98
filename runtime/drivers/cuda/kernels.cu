// The CUDA device's own arithmetic: memory-bound, 16 bytes a thread where addresses allow. Compiled
// without fused multiply-add, so elementwise results have the CPU driver's bits.

#include "drivers/common/AdamWScalars.h"
#include "drivers/cuda/kernels.h"
#include "include/bigmac-rt/plan.h"

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

/// Either side may be the host's memory.
extern "C" __global__ void bm_copy(void *to, const void *from, uint64_t bytes) {
  uint64_t words = aligned(to) && aligned(from) ? bytes / sizeof(uint4) : 0;
  for (uint64_t i = thread(); i < words; i += threads())
    static_cast<uint4 *>(to)[i] = static_cast<const uint4 *>(from)[i];
  for (uint64_t i = words * sizeof(uint4) + thread(); i < bytes; i += threads())
    static_cast<unsigned char *>(to)[i] = static_cast<const unsigned char *>(from)[i];
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

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

__device__ static float widen(uint32_t type, const void *values, int64_t i) {
  if (type == BM_F32)
    return static_cast<const float *>(values)[i];
  uint16_t bits = static_cast<const uint16_t *>(values)[i];
  if (type == BM_BF16)
    return __uint_as_float(uint32_t(bits) << 16);
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

/// One warp for each query: where the mask hides every key, logsumexp is +inf and the row of o is
/// zero. The mask is only read where logsumexp looks like that (it may be NaN for other reasons, which
/// must show).
extern "C" __global__ void bm_unseen_queries(float *logsumexp, void *o, const void *mask,
                                             UnseenQueries how) {
  int64_t row = int64_t(thread() / 32);
  uint32_t lane = threadIdx.x % 32;
  if (row >= how.batch * how.heads * how.queries)
    return;
  float value = logsumexp[row];
  if (isfinite(value) && value > -3.4e38f)
    return;
  int64_t query = row % how.queries, head = row / how.queries % how.heads,
          batch = row / how.queries / how.heads;
  int64_t last = how.causal ? query + how.keys - how.queries + 1 : how.keys;
  int64_t at = batch * how.maskStrides[0] + head * how.maskStrides[1] + query * how.maskStrides[2];
  bool seen = false;
  for (int64_t key = lane; key < last; key += 32)
    seen |= widen(how.type, mask, at + key * how.maskStrides[3]) != -INFINITY;
  if (__any_sync(~0u, seen))
    return;
  if (lane == 0)
    logsumexp[row] = INFINITY;
  int64_t to = batch * how.oStrides[0] + head * how.oStrides[1] + query * how.oStrides[2];
  for (int64_t column = lane; column < how.valueDepth; column += 32)
    static_cast<uint16_t *>(o)[to + column] = 0;
}

//===----------------------------------------------------------------------===//
// Gradients of table lookups
//===----------------------------------------------------------------------===//

namespace {

constexpr int kElements = kScatterElements;

struct Eight {
  float at[kElements];
};

__device__ uint16_t narrow(float value) {
  uint32_t bits = __float_as_uint(value);
  if (isnan(value))
    return bits >> 16 | 0x40; // rounding could carry into infinity
  return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

/// `count` elements from `values`; 16 bytes at a time where `wide`.
__device__ Eight loadEight(uint32_t type, const void *values, int64_t from, int64_t count,
                           bool wide) {
  Eight eight = {};
  if (!wide) {
    for (int j = 0; j < kElements; ++j)
      if (j < count)
        eight.at[j] = widen(type, values, from + j);
  } else if (type == BM_F32) {
    auto *four = reinterpret_cast<const float4 *>(static_cast<const float *>(values) + from);
    float4 low = four[0], high = four[1];
    return {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
  } else {
    uint4 raw = *reinterpret_cast<const uint4 *>(static_cast<const uint16_t *>(values) + from);
    uint32_t pairs[4] = {raw.x, raw.y, raw.z, raw.w};
    for (int j = 0; j < 4; ++j) {
      eight.at[2 * j] = __uint_as_float(pairs[j] << 16);
      eight.at[2 * j + 1] = __uint_as_float(pairs[j] & 0xFFFF0000);
    }
  }
  return eight;
}

__device__ void storeEight(uint32_t type, void *values, int64_t to, int64_t count, bool wide,
                           const Eight &eight) {
  const float *e = eight.at;
  if (!wide) {
    for (int j = 0; j < kElements; ++j) {
      if (j < count && type == BM_F32)
        static_cast<float *>(values)[to + j] = e[j];
      else if (j < count)
        static_cast<uint16_t *>(values)[to + j] = narrow(e[j]);
    }
  } else if (type == BM_F32) {
    auto *four = reinterpret_cast<float4 *>(static_cast<float *>(values) + to);
    four[0] = make_float4(e[0], e[1], e[2], e[3]);
    four[1] = make_float4(e[4], e[5], e[6], e[7]);
  } else {
    uint32_t pairs[4];
    for (int j = 0; j < 4; ++j)
      pairs[j] = narrow(e[2 * j]) | uint32_t(narrow(e[2 * j + 1])) << 16;
    *reinterpret_cast<uint4 *>(static_cast<uint16_t *>(values) + to) =
        make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
  }
}

/// The table's row that is meant, negative ones counted from the end.
__device__ int64_t rowOf(const ScatterRows &how, const void *ids, int64_t i) {
  int64_t id = how.idBytes == 8 ? static_cast<const int64_t *>(ids)[i]
                                : static_cast<const int32_t *>(ids)[i];
  return id < 0 ? id + how.tableRows : id;
}

__device__ bool allAligned(uint32_t type, const void *values, int64_t width) {
  return aligned(values) && width * (type == BM_F32 ? 4 : 2) % 16 == 0 && width % kElements == 0;
}

} // namespace

/// Reports an index that is not in [lowest, size), but for `ignored`.
extern "C" __global__ void __launch_bounds__(kBlock)
    bm_check_indices(const void *indices, CheckIndices how, IndexErrorRecord *record) {
  int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= how.count)
    return;
  int64_t index = how.indexBytes == 8 ? static_cast<const int64_t *>(indices)[i]
                                      : static_cast<const int32_t *>(indices)[i];
  if ((index >= how.lowest && index < how.size) || index == how.ignored)
    return;
  if (atomicAdd(reinterpret_cast<unsigned long long *>(&record->count), 1ull) == 0) {
    record->index = index;
    record->size = how.size;
  }
}

/// Block (i, part) adds up part of the columns of every row whose id is that of row i, if i is the
/// first of them.
extern "C" __global__ void __launch_bounds__(kBlock)
    bm_scatter_rows(void *table, const void *ids, const void *rows, ScatterRows how,
                    IndexErrorRecord *record) {
  __shared__ uint32_t matches[kBlock / 32];
  __shared__ uint32_t places[kBlock];
  int64_t i = blockIdx.x, row = rowOf(how, ids, i);
  if (row < 0 || row >= how.tableRows) {
    if (threadIdx.x == 0 && blockIdx.y == 0 &&
        atomicAdd(reinterpret_cast<unsigned long long *>(&record->count), 1ull) == 0) {
      record->index = row < 0 ? row - how.tableRows : row;
      record->size = how.tableRows;
    }
    return;
  }
  for (int64_t begin = 0; begin < i; begin += 4 * kBlock) {
    bool earlier = false;
    for (int part = 0; part < 4; ++part) {
      int64_t j = begin + part * kBlock + threadIdx.x;
      earlier |= j < i && rowOf(how, ids, j) == row;
    }
    if (__syncthreads_or(earlier))
      return;
  }

  int64_t column = (int64_t(blockIdx.y) * kBlock + threadIdx.x) * kElements;
  int64_t count = min(int64_t(kElements), how.width - column);
  bool wideTable = allAligned(how.tableType, table, how.width);
  bool wideRows = allAligned(how.rowsType, rows, how.width);
  Eight sum = {};
  if (count > 0)
    sum = loadEight(how.tableType, table, row * how.width + column, count, wideTable);
  uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int64_t begin = i; begin < how.count; begin += kBlock) {
    // Which of the next rows have this id, in order.
    int64_t j = begin + threadIdx.x;
    bool match = j < how.count && rowOf(how, ids, j) == row;
    uint32_t mine = __ballot_sync(~0u, match);
    if (lane == 0)
      matches[warp] = mine;
    __syncthreads();
    uint32_t found = 0, before = 0;
    for (uint32_t w = 0; w < kBlock / 32; ++w) {
      before += w < warp ? __popc(matches[w]) : 0;
      found += __popc(matches[w]);
    }
    if (match)
      places[before + __popc(mine & ((1u << lane) - 1))] = threadIdx.x;
    __syncthreads();
    // Several loads at a time, added one after the other.
    constexpr uint32_t kAtOnce = 4;
    for (uint32_t p = 0; count > 0 && p < found; p += kAtOnce) {
      Eight next[kAtOnce];
#pragma unroll
      for (uint32_t q = 0; q < kAtOnce; ++q)
        if (p + q < found)
          next[q] = loadEight(how.rowsType, rows, (begin + places[p + q]) * how.width + column,
                              count, wideRows);
#pragma unroll
      for (uint32_t q = 0; q < kAtOnce; ++q)
        if (p + q < found)
          for (int e = 0; e < kElements; ++e)
            sum.at[e] += next[q].at[e];
    }
    __syncthreads();
  }
  if (count > 0)
    storeEight(how.tableType, table, row * how.width + column, count, wideTable, sum);
}
