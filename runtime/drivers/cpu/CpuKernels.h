//===- CpuKernels.h - The CPU device's own arithmetic ---------------------===//
//
// Vectorised for several instruction sets in one binary, with the same bits on all of them: no
// fused multiply-add, and reductions in a fixed number of lanes.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_CPUKERNELS_H
#define BIGMAC_RT_CPUKERNELS_H

#include "../common/AdamWScalars.h"

#include <cstdint>

namespace bigmac::rt::cpu {

// Elements are float, or bf16 as uint16_t; arithmetic is float.

/// The sources are of the target's type.
void sum(float *target, const void *const *sources, uint64_t count, uint64_t elements);
void sum(uint16_t *target, const void *const *sources, uint64_t count, uint64_t elements);
double sumSquares(const float *values, uint64_t elements);
double sumSquares(const uint16_t *values, uint64_t elements);
void scale(float *values, uint64_t elements, float factor);
void scale(uint16_t *values, uint64_t elements, float factor);
void adamW(const AdamWScalars &s, float *param, const float *grad, float *m, float *v,
           uint64_t elements);
/// With a master copy.
void adamW(const AdamWScalars &s, uint16_t *param, float *master, const float *grad, float *m,
           float *v, uint64_t elements);
void adamW(const AdamWScalars &s, uint16_t *param, float *master, const uint16_t *grad, float *m,
           float *v, uint64_t elements);
/// Without.
void adamW(const AdamWScalars &s, uint16_t *param, const float *grad, uint16_t *m, uint16_t *v,
           uint64_t elements);
void adamW(const AdamWScalars &s, uint16_t *param, const uint16_t *grad, uint16_t *m, uint16_t *v,
           uint64_t elements);

} // namespace bigmac::rt::cpu

#endif // BIGMAC_RT_CPUKERNELS_H
