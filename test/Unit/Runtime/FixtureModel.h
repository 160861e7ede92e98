//===- FixtureModel.h - A small pipeline model, written by hand -----------===//
//
// A chain of P stages on vectors of 8: h = x E^T, then on each stage h = (h W^T + b) * s, at the
// end out = h E + o, loss = mean((out - t)^2). E is tied between the first and the last stage, s is
// replicated on all ranks, W and b are owned by a stage, o is frozen. Every kind of class is there.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_TEST_FIXTUREMODEL_H
#define BIGMAC_TEST_FIXTUREMODEL_H

#include "bigmac-rt/PlanWriter.h"
#include "bigmac-rt/cuda.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bigmac::fixture {

inline constexpr int64_t kWidth = 8;
inline constexpr int64_t kSamples = 2; // per microbatch

struct Shape {
  uint32_t ranks = 1, replicas = 1, microbatches = 2;
  bool weighted = false; // a scalar output weighs the losses
  std::string target = "cpu";
  bool unwritten = false; // a fault: a region is read that nothing has written
  bool offload = false;   // stages' inputs wait for their backwards in the host's memory
};

/// The plan of the model; `weights*` as in PlanWriter::setWeights. Empty and `error` on failure.
std::vector<unsigned char> buildPlan(const Shape &shape, const std::string &weightsFile,
                                     uint64_t weightsSize, uint64_t weightsHeaderHash,
                                     std::string &error);

extern const bm_task_fn kTasks[];
extern const uint64_t kTaskCount;
extern const bm_task_fn kCudaTasks[];
extern const bm_cuda_program kCudaProgram;

/// Called at the start of every stage's forward; a test's way to stop or kill a rank.
extern void (*onForward)();

} // namespace bigmac::fixture

#endif // BIGMAC_TEST_FIXTUREMODEL_H
