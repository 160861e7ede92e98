//===- Random.h - Random problems, the same everywhere ----------*- C++ -*-===//

#ifndef BIGMAC_TEST_UNIT_PLANNING_RANDOM_H
#define BIGMAC_TEST_UNIT_PLANNING_RANDOM_H

#include "Reference.h"

#include <random>

namespace bigmac::test {

/// std::uniform_*_distribution differs between libraries; these do not.
class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  uint32_t below(uint32_t count) { return static_cast<uint32_t>(engine() % count); }
  double seconds() {
    // Zero and equal times are the hard cases.
    return below(8) == 0 ? 0.0 : below(64) / 16.0;
  }
  planning::PerIndex<double> figures(uint32_t count) {
    if (below(2))
      return seconds();
    std::vector<double> list;
    for (uint32_t i = 0; i < count; ++i)
      list.push_back(below(2) ? seconds() : seconds() / 3);
    return list;
  }

private:
  std::mt19937_64 engine;
};

/// Up to 6 ranks, 3 chunks and some 4 units; even or uneven stages and microbatches, any component
/// missing or frozen, with and without transfer times.
inline planning::Problem randomProblem(Random &random) {
  using namespace planning;
  uint32_t ranks = 1 + random.below(6), chunks = 1 + random.below(3);
  uint32_t microbatches = 1 + random.below(4 * ranks + 3), stages = ranks * chunks;
  Costs costs;
  costs.llmForward = random.figures(stages);
  std::vector<std::optional<double>> input;
  std::vector<double> weight;
  bool trainedEncoder = false;
  if (random.below(2)) {
    costs.encoder = Costs::Part{random.figures(microbatches), std::nullopt};
    trainedEncoder = random.below(2);
    if (trainedEncoder)
      costs.encoder->backward = random.figures(microbatches);
  }
  if (random.below(2)) {
    costs.generator = Costs::Part{random.figures(microbatches), std::nullopt};
    if (random.below(4))
      costs.generator->backward = random.figures(microbatches);
  }
  uint32_t frozen = !trainedEncoder && random.below(3) == 0 ? random.below(stages + 1) : 0;
  for (uint32_t s = 0; s < stages; ++s) {
    input.push_back(s < frozen ? std::nullopt : std::optional<double>(random.seconds()));
    weight.push_back(s < frozen ? 0.0 : random.seconds());
  }
  costs.llmBackwardInput = input;
  costs.llmBackwardWeight = weight;
  costs.transfer = random.below(3) ? 0 : random.seconds() / 4;
  return problemOf(ranks, chunks, microbatches, costs);
}

} // namespace bigmac::test

#endif // BIGMAC_TEST_UNIT_PLANNING_RANDOM_H
