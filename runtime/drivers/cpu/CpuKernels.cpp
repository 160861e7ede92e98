#include "CpuKernels.h"

#include <algorithm>
#include <cmath>

// Contraction to fused multiply-add would make the bits depend on the machine.
#pragma clang fp contract(off)

#if defined(__x86_64__) && defined(__clang__)
#define BM_SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define BM_SIMD
#endif

namespace bigmac::rt::cpu {

BM_SIMD static void add(float *__restrict target, const float *__restrict source, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    target[i] += source[i];
}

void sum(float *target, const float *const *sources, uint64_t count, uint64_t elements) {
  // Through a block on the stack: the target may be one of the sources.
  constexpr uint64_t kBlock = 2048;
  float block[kBlock];
  for (uint64_t begin = 0; begin < elements; begin += kBlock) {
    uint64_t n = std::min(kBlock, elements - begin);
    std::copy_n(sources[0] + begin, n, block);
    for (uint64_t j = 1; j < count; ++j)
      add(block, sources[j] + begin, n);
    std::copy_n(block, n, target + begin);
  }
}

BM_SIMD double sumSquares(const float *values, uint64_t elements) {
  constexpr uint64_t kLanes = 16;
  double lanes[kLanes] = {};
  uint64_t i = 0;
  for (; i + kLanes <= elements; i += kLanes)
    for (uint64_t j = 0; j < kLanes; ++j)
      lanes[j] += static_cast<double>(values[i + j]) * values[i + j];
  for (uint64_t j = 0; i < elements; ++i, ++j)
    lanes[j] += static_cast<double>(values[i]) * values[i];
  double total = 0;
  for (double lane : lanes)
    total += lane;
  return total;
}

BM_SIMD void scale(float *values, uint64_t elements, float factor) {
  for (uint64_t i = 0; i < elements; ++i)
    values[i] *= factor;
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

} // namespace bigmac::rt::cpu
