//===- Kernels.cpp - Kernels as functions of the host ----------------------===//
//
// The fixture's are those that a GPU runs, one thread each. Of the runtime's own there are the ones
// that fp32 training takes, without their parallelism.
//
//===----------------------------------------------------------------------===//

#include "drivers/cuda/kernels.h"
#include "Emulated.h"
#include "drivers/common/AdamWScalars.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#define __device__
#define __global__
#include "../fixture-kernels.cu"

using namespace bigmac::test;
using bigmac::rt::AdamWScalars;
using bigmac::rt::cuda::SumSources;

namespace {

void sum(float *target, SumSources sources, uint64_t n) {
  for (uint64_t i = 0; i < n; ++i) {
    float total = static_cast<const float *>(sources.at[0])[i];
    for (uint32_t s = 1; s < sources.count; ++s)
      total += static_cast<const float *>(sources.at[s])[i];
    target[i] = total;
  }
}

/// All of it is one block's share; the others' are 0.
void sumSquares(double *partial, const float *values, uint64_t n) {
  double total = 0;
  for (uint64_t i = 0; i < n; ++i)
    total += double(values[i]) * values[i];
  *partial = total;
}

void sumPartials(double *result, const double *partial, uint32_t) { *result = *partial; }

void scale(float *values, float factor, uint64_t n) {
  for (uint64_t i = 0; i < n; ++i)
    values[i] *= factor;
}

void adamW(AdamWScalars k, float *param, const float *grad, float *first, float *second,
           uint64_t n) {
  for (uint64_t i = 0; i < n; ++i) {
    float g = grad[i] * k.gradScale * k.clip;
    first[i] = first[i] + k.oneMinusBeta1 * (g - first[i]);
    second[i] = second[i] * k.beta2 + k.oneMinusBeta2 * g * g;
    param[i] =
        param[i] * k.decay + k.minusStepSize * first[i] / (std::sqrt(second[i]) / k.sqrtC2 + k.eps);
  }
}

void report(volatile uint64_t *place, uint32_t *count, uint32_t what) {
  *place = uint64_t(++*count) << 32 | what;
}

void copy(void *to, const void *from, uint64_t bytes) { std::memcpy(to, from, bytes); }

/// Values of operands that are only tried: any will do.
void random(void *, uint32_t, uint64_t, uint64_t) {}

template <typename... Arguments, size_t... Is>
Operation launchOf(void (*function)(Arguments...), void **arguments, std::index_sequence<Is...>) {
  return [function, values = std::tuple<Arguments...>(
                        *static_cast<std::remove_cv_t<Arguments> *>(arguments[Is])...)] {
    std::apply(function, values);
    return true;
  };
}

/// Arguments are read when the kernel is launched.
template <typename... Arguments> Kernel kernel(void (*function)(Arguments...)) {
  return [function](void **arguments) {
    return launchOf(function, arguments, std::index_sequence_for<Arguments...>());
  };
}

/// Of the host's memory a GPU reads and writes what is pinned only.
Operation launchCopy(void **arguments) {
  for (int i : {0, 1})
    if (void *memory = *static_cast<void **>(arguments[i]);
        !isReachable(memory, *static_cast<uint64_t *>(arguments[2]))) {
      std::fprintf(stderr, "bm_copy: the GPU does not reach all bytes at %p\n", memory);
      std::abort();
    }
  return kernel(copy)(arguments);
}

} // namespace

Kernel bigmac::test::findKernel(const std::string &name) {
  static const auto &all = *new std::map<std::string, Kernel>{
      {"bm_sum", kernel(sum)},
      {"bm_sum_squares", kernel(sumSquares)},
      {"bm_sum_partials", kernel(sumPartials)},
      {"bm_scale", kernel(scale)},
      {"bm_adamw", kernel(adamW)},
      {"bm_report", kernel(report)},
      {"bm_copy", launchCopy},
      {"bm_random", kernel(random)},
      {"fixture_embed", kernel(fixture_embed)},
      {"fixture_forward", kernel(fixture_forward)},
      {"fixture_head", kernel(fixture_head)},
      {"fixture_backward", kernel(fixture_backward)},
      {"fixture_embed_gradient", kernel(fixture_embed_gradient)},
  };
  auto it = all.find(name);
  return it == all.end() ? Kernel() : it->second;
}
