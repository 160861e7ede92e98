//===- Dependencies.cpp - The dependencies of schedules.md ----------------===//

#include "bigmac/Planning/Dependencies.h"

#include <utility>

namespace bigmac::planning {

Dependencies::~Dependencies() = default;

StandardDependencies::StandardDependencies(Workload workload, bool splitGenerator)
    : workload(std::move(workload)), splitGenerator(splitGenerator) {}

void StandardDependencies::append(uint32_t rank, const Action &consumer,
                                  std::vector<Dependency> &producers) const {
  const uint32_t ranks = workload.ranks;
  const uint32_t lastRank = ranks - 1;
  const uint32_t lastChunk = workload.chunks - 1;
  const uint32_t m = consumer.microbatch;
  auto add = [&](uint32_t fromRank, uint32_t channel, const Action &producer) {
    producers.push_back({fromRank, fromRank == rank ? LocalChannel : channel, producer});
  };

  switch (consumer.component) {
  case Component::Encoder:
    if (consumer.phase != Phase::Backward)
      return;
    add(rank, LocalChannel,
        Action::ofUnit(Component::Encoder, Phase::Forward, consumer.unit, ranks, rank));
    add(0, EncoderGradientChannel, Action::llm(Phase::Backward, 0, m));
    return;

  case Component::Generator:
    if (consumer.phase == Phase::Backward)
      add(rank, LocalChannel,
          Action::ofUnit(Component::Generator, Phase::Forward, consumer.unit, ranks, rank));
    else
      add(lastRank, GeneratorInputChannel, Action::llm(Phase::Forward, lastChunk, m));
    return;

  case Component::Llm:
    break;
  }

  const uint32_t chunk = consumer.chunk;
  switch (consumer.phase) {
  case Phase::Forward:
    if (rank > 0)
      add(rank - 1, LlmForwardChannel, Action::llm(Phase::Forward, chunk, m));
    else if (chunk > 0)
      add(lastRank, LlmForwardChannel, Action::llm(Phase::Forward, chunk - 1, m));
    else if (workload.hasEncoder)
      add(m % ranks, EncoderFeatureChannel,
          Action::ofUnit(Component::Encoder, Phase::Forward, m / ranks, ranks, m % ranks));
    return;

  case Phase::Backward:
    add(rank, LocalChannel, Action::llm(Phase::Forward, chunk, m));
    if (rank < lastRank)
      add(rank + 1, LlmBackwardChannel, Action::llm(Phase::Backward, chunk, m));
    else if (chunk < lastChunk)
      add(0, LlmBackwardChannel, Action::llm(Phase::Backward, chunk + 1, m));
    else if (workload.hasGenerator)
      add(m % ranks, GeneratorGradientChannel,
          Action::ofUnit(Component::Generator,
                         splitGenerator ? Phase::Backward : Phase::ForwardBackward, m / ranks,
                         ranks, m % ranks));
    return;

  case Phase::WeightGradient:
    add(rank, LocalChannel, Action::llm(Phase::Backward, chunk, m));
    return;

  case Phase::ForwardBackward:
    return;
  }
}

} // namespace bigmac::planning
