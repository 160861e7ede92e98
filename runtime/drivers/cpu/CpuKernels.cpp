#include "CpuKernels.h"

#include "bigmac-rt/BFloat16.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

// Contraction to fused multiply-add would make the bits depend on the machine.
#pragma clang fp contract(off)

#if defined(__x86_64__) && defined(__clang__)
#define BM_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define BM_SIMD
#endif

namespace bigmac::rt::cpu {

// Blocks of elements on the stack, in fp32: what is stored narrower passes through them.
static constexpr uint64_t kBlock = 1024;
/// Of a sum of squares: its order does not depend on the machine.
static constexpr uint64_t kLanes = 16;

static void load(float *__restrict to, const float *__restrict from, uint64_t count) {
  std::copy_n(from, count, to);
}
BM_SIMD static void load(float *__restrict to, const uint16_t *__restrict from, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    to[i] = fromBFloat16(from[i]);
}
static void store(float *__restrict to, const float *__restrict from, uint64_t count) {
  std::copy_n(from, count, to);
}
BM_SIMD static void store(uint16_t *__restrict to, const float *__restrict from, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    to[i] = toBFloat16(from[i]);
}

BM_SIMD static void add(float *__restrict target, const float *__restrict source, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    target[i] += source[i];
}

template <typename T>
static void sumOf(T *target, const void *const *sources, uint64_t count, uint64_t elements) {
  // Through a block on the stack: the target may be one of the sources.
  float block[kBlock], next[kBlock];
  for (uint64_t begin = 0; begin < elements; begin += kBlock) {
    uint64_t n = std::min(kBlock, elements - begin);
    load(block, static_cast<const T *>(sources[0]) + begin, n);
    for (uint64_t j = 1; j < count; ++j) {
      const T *source = static_cast<const T *>(sources[j]) + begin;
      if constexpr (std::is_same_v<T, float>) {
        add(block, source, n);
      } else {
        load(next, source, n);
        add(block, next, n);
      }
    }
    store(target + begin, block, n);
  }
}

void sum(float *target, const void *const *sources, uint64_t count, uint64_t elements) {
  sumOf(target, sources, count, elements);
}
void sum(uint16_t *target, const void *const *sources, uint64_t count, uint64_t elements) {
  sumOf(target, sources, count, elements);
}

BM_SIMD static void addSquares(double *__restrict lanes, const float *__restrict values,
                               uint64_t elements) {
  uint64_t i = 0;
  for (; i + kLanes <= elements; i += kLanes)
    for (uint64_t j = 0; j < kLanes; ++j)
      lanes[j] += static_cast<double>(values[i + j]) * values[i + j];
  for (uint64_t j = 0; i < elements; ++i, ++j)
    lanes[j] += static_cast<double>(values[i]) * values[i];
}

static double total(const double (&lanes)[kLanes]) {
  double total = 0;
  for (double lane : lanes)
    total += lane;
  return total;
}

double sumSquares(const float *values, uint64_t elements) {
  double lanes[kLanes] = {};
  addSquares(lanes, values, elements);
  return total(lanes);
}

double sumSquares(const uint16_t *values, uint64_t elements) {
  double lanes[kLanes] = {};
  float block[kBlock];
  static_assert(kBlock % kLanes == 0);
  for (uint64_t begin = 0; begin < elements; begin += kBlock) {
    uint64_t n = std::min(kBlock, elements - begin);
    load(block, values + begin, n);
    addSquares(lanes, block, n);
  }
  return total(lanes);
}

BM_SIMD void scale(float *values, uint64_t elements, float factor) {
  for (uint64_t i = 0; i < elements; ++i)
    values[i] *= factor;
}

void scale(uint16_t *values, uint64_t elements, float factor) {
  float block[kBlock];
  for (uint64_t begin = 0; begin < elements; begin += kBlock) {
    uint64_t n = std::min(kBlock, elements - begin);
    load(block, values + begin, n);
    scale(block, n, factor);
    store(values + begin, block, n);
  }
}

BM_SIMD void adamW(const AdamWScalars &s, float *__restrict param, const float *__restrict grad,
                   float *__restrict m, float *__restrict v, uint64_t elements) {
  const AdamWScalars k = s;
  for (uint64_t i = 0; i < elements; ++i) {
    float g = grad[i] * k.gradScale * k.clip;
    float p = param[i] * k.decay;
    float mi = m[i] + k.oneMinusBeta1 * (g - m[i]);
    float vi = v[i] * k.beta2 + k.oneMinusBeta2 * g * g;
    m[i] = mi;
    v[i] = vi;
    param[i] = p + k.minusStepSize * mi / (std::sqrt(vi) / k.sqrtC2 + k.eps);
  }
}

template <typename Grad>
static void adamWOf(const AdamWScalars &s, uint16_t *param, float *master, const Grad *grad,
                    float *m, float *v, uint64_t elements) {
  float g[kBlock];
  for (uint64_t begin = 0; begin < elements; begin += kBlock) {
    uint64_t n = std::min(kBlock, elements - begin);
    load(g, grad + begin, n);
    adamW(s, master + begin, g, m + begin, v + begin, n);
    store(param + begin, master + begin, n);
  }
}

void adamW(const AdamWScalars &s, uint16_t *param, float *master, const float *grad, float *m,
           float *v, uint64_t elements) {
  adamWOf(s, param, master, grad, m, v, elements);
}
void adamW(const AdamWScalars &s, uint16_t *param, float *master, const uint16_t *grad, float *m,
           float *v, uint64_t elements) {
  adamWOf(s, param, master, grad, m, v, elements);
}

template <typename Grad>
static void adamWOf(const AdamWScalars &s, uint16_t *param, const Grad *grad, uint16_t *m,
                    uint16_t *v, uint64_t elements) {
  float p[kBlock], g[kBlock], first[kBlock], second[kBlock];
  for (uint64_t begin = 0; begin < elements; begin += kBlock) {
    uint64_t n = std::min(kBlock, elements - begin);
    load(p, param + begin, n);
    load(g, grad + begin, n);
    load(first, m + begin, n);
    load(second, v + begin, n);
    adamW(s, p, g, first, second, n);
    store(param + begin, p, n);
    store(m + begin, first, n);
    store(v + begin, second, n);
  }
}

void adamW(const AdamWScalars &s, uint16_t *param, const float *grad, uint16_t *m, uint16_t *v,
           uint64_t elements) {
  adamWOf(s, param, grad, m, v, elements);
}
void adamW(const AdamWScalars &s, uint16_t *param, const uint16_t *grad, uint16_t *m, uint16_t *v,
           uint64_t elements) {
  adamWOf(s, param, grad, m, v, elements);
}

} // namespace bigmac::rt::cpu
