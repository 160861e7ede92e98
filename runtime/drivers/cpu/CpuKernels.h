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

void sum(float *target, const float *const *sources, uint64_t count, uint64_t elements);
double sumSquares(const float *values, uint64_t elements);
void scale(float *values, uint64_t elements, float factor);
void adamW(const AdamWScalars &s, float *param, const float *grad, float *m, float *v,
           uint64_t elements);

} // namespace bigmac::rt::cpu

#endif // BIGMAC_RT_CPUKERNELS_H
