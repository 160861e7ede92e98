//===- Dependencies.cpp - The dependencies of schedules.md ----------------===//

#include "bigmac/Planning/Dependencies.h"

#include <utility>

namespace bigmac::planning {

Dependencies::~Dependencies() = default;

StandardDependencies::StandardDependencies(Workload given, bool splitGenerator)
    : workload(std::move(given)), llm(workload.ranksOf(Component::Llm)),
      encoder(workload.ranksOf(Component::Encoder)),
      generator(workload.ranksOf(Component::Generator)), splitGenerator(splitGenerator) {
  // A component that has no rank is not there; verifySchedule refuses such a workload.
  workload.hasEncoder = workload.hasEncoder && encoder.count > 0;
  workload.hasGenerator = workload.hasGenerator && generator.count > 0;
}

void StandardDependencies::append(uint32_t rank, const Action &consumer,
                                  std::vector<Dependency> &producers) const {
  const uint32_t lastChunk = workload.chunks - 1;
  const uint32_t m = consumer.microbatch;
  auto add = [&](uint32_t fromRank, uint32_t channel, const Action &producer) {
    producers.push_back({fromRank, fromRank == rank ? LocalChannel : channel, producer});
  };

  switch (consumer.component) {
  case Component::Encoder:
    if (consumer.phase != Phase::Backward)
      return;
    add(rank, LocalChannel, Action::ofMicrobatch(Component::Encoder, Phase::Forward, m, encoder));
    add(llm.first, EncoderGradientChannel, Action::llm(Phase::Backward, 0, m));
    return;

  case Component::Generator:
    if (consumer.phase == Phase::Backward)
      add(rank, LocalChannel,
          Action::ofMicrobatch(Component::Generator, Phase::Forward, m, generator));
    else
      add(llm.last(), GeneratorInputChannel, Action::llm(Phase::Forward, lastChunk, m));
    return;

  case Component::Llm:
    break;
  }

  const uint32_t chunk = consumer.chunk;
  switch (consumer.phase) {
  case Phase::Forward:
    if (rank > llm.first)
      add(rank - 1, LlmForwardChannel, Action::llm(Phase::Forward, chunk, m));
    else if (chunk > 0)
      add(llm.last(), LlmForwardChannel, Action::llm(Phase::Forward, chunk - 1, m));
    else if (workload.hasEncoder)
      add(encoder.rankOf(m), EncoderFeatureChannel,
          Action::ofMicrobatch(Component::Encoder, Phase::Forward, m, encoder));
    return;

  case Phase::Backward:
    add(rank, LocalChannel, Action::llm(Phase::Forward, chunk, m));
    if (rank < llm.last())
      add(rank + 1, LlmBackwardChannel, Action::llm(Phase::Backward, chunk, m));
    else if (chunk < lastChunk)
      add(llm.first, LlmBackwardChannel, Action::llm(Phase::Backward, chunk + 1, m));
    else if (workload.hasGenerator)
      add(generator.rankOf(m), GeneratorGradientChannel,
          Action::ofMicrobatch(Component::Generator,
                               splitGenerator ? Phase::Backward : Phase::ForwardBackward, m,
                               generator));
    return;

  case Phase::WeightGradient:
    add(rank, LocalChannel, Action::llm(Phase::Backward, chunk, m));
    return;

  case Phase::ForwardBackward:
    return;
  }
}

} // namespace bigmac::planning
