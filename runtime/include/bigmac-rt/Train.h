//===- Train.h - The training program -------------------------------------===//

#ifndef BIGMAC_RT_TRAIN_H
#define BIGMAC_RT_TRAIN_H

#include "bigmac-rt/cuda.h"
#include "bigmac-rt/plan.h"

#include <cstdint>

namespace bigmac::rt {

/// What the compiler linked in.
struct Program {
  const unsigned char *image;
  uint64_t imageSize;
  const bm_task_fn *tasks;
  uint64_t taskCount;
  const bm_cuda_program *cuda = nullptr; // kernels, for the target "cuda"
};

/// The whole of main(): options, launcher, plan, data, weights, steps, checkpoints. Returns the
/// exit status.
int trainMain(int argc, char **argv, const Program &program);

} // namespace bigmac::rt

#endif // BIGMAC_RT_TRAIN_H
