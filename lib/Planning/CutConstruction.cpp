//===- CutConstruction.cpp - Nests units inside an LLM order --------------===//

#include "CutConstruction.h"
#include "Figures.h"

#include <algorithm>
#include <iterator>

namespace bigmac::planning {

namespace {

const Action &actionOf(const Schedule &schedule, const ActionGraph &graph, uint32_t rank,
                       uint32_t id) {
  return schedule.orders[rank][id - graph.rankBegin[rank]];
}

bool overlap(RankRange a, RankRange b) { return a.first < b.end() && b.first < a.end(); }

} // namespace

CutProblem::CutProblem(const Workload &workload, const Schedule &reference,
                       const ActionGraph &graph, std::vector<double> seconds, double transfer)
    : workload(workload), reference(reference), graph(graph), seconds(std::move(seconds)),
      transfer(transfer) {
  double longest = 0;
  for (double duration : this->seconds)
    longest = std::max(longest, duration);
  double scale = std::max(longest, transfer);
  if (scale == 0)
    scale = 1;
  resolution = 1e-6 * scale;
  llmSeconds = this->seconds;
  for (double &duration : llmSeconds)
    duration = std::max(duration, 1e-4 * scale);
  collectUnits();
  buildLlmGraph();
}

void CutProblem::collectUnits() {
  encoderForward.resize(encoderUnits());
  encoderBackward.resize(encoderUnits());
  generator.resize(generatorUnits());
  uint32_t id = 0;
  for (const std::vector<Action> &order : reference.orders) {
    for (const Action &action : order) {
      if (action.component == Component::Generator)
        generator[action.unit].push_back(id);
      else if (action.component == Component::Encoder && action.phase == Phase::Forward)
        encoderForward[action.unit].push_back(id);
      else if (action.component == Component::Encoder)
        encoderBackward[action.unit].push_back(id);
      ++id;
    }
  }
}

void CutProblem::buildLlmGraph() {
  // Inputs of the generator actions that are run at one instant: those of a unit, or a single one
  // where the LLM's ranks do not wait for them. `hops` counts the transfer to the generator's rank.
  std::vector<std::vector<Edge>> generatorInputs;
  auto isLlm = [&](uint32_t id) {
    uint32_t rank = graph.rankOf(id);
    return actionOf(reference, graph, rank, id).component == Component::Llm;
  };
  std::vector<uint32_t> groupOfGenerator(workload.hasGenerator ? graph.size() : 0, noAction);
  const bool apart =
      !overlap(workload.ranksOf(Component::Generator), workload.ranksOf(Component::Llm));
  for (uint32_t u = 0; workload.hasGenerator && u < generatorUnits(); ++u) {
    for (uint32_t id : generator[u]) {
      if (apart || id == generator[u].front())
        generatorInputs.emplace_back();
      groupOfGenerator[id] = static_cast<uint32_t>(generatorInputs.size() - 1);
      for (Edge edge : graph.producers(id))
        if (isLlm(edge.producer))
          generatorInputs.back().push_back(edge);
    }
  }
  std::vector<bool> encoder(workload.hasEncoder ? graph.size() : 0, false);
  for (uint32_t u = 0; u < encoderUnits(); ++u)
    for (const auto *ids : {&encoderForward[u], &encoderBackward[u]})
      for (uint32_t id : *ids)
        encoder[id] = true;

  llmGraph.rankBegin = graph.rankBegin;
  llmGraph.rankOfId = graph.rankOfId;
  llmGraph.edgeBegin.reserve(graph.edgeBegin.size());
  llmGraph.edgeBegin.push_back(0);
  llmGraph.edges.reserve(graph.edges.size());
  for (uint32_t id = 0; id < graph.size(); ++id) {
    bool llm = (encoder.empty() || !encoder[id]) &&
               (groupOfGenerator.empty() || groupOfGenerator[id] == noAction);
    for (Edge edge : llm ? graph.producers(id) : std::span<const Edge>()) {
      if (!encoder.empty() && encoder[edge.producer])
        continue;
      if (groupOfGenerator.empty() || groupOfGenerator[edge.producer] == noAction) {
        llmGraph.edges.push_back(edge);
        continue;
      }
      for (Edge input : generatorInputs[groupOfGenerator[edge.producer]])
        llmGraph.edges.push_back({input.producer, static_cast<uint32_t>(input.hops + edge.hops)});
    }
    llmGraph.edgeBegin.push_back(static_cast<uint32_t>(llmGraph.edges.size()));
  }
}

CutConstruction::CutConstruction(const CutProblem &problem, IdOrders orders)
    : problem(problem), llmOrders(std::move(orders)) {
  ok = llm.run(problem.llmGraph, llmOrders, problem.llmSeconds, problem.transfer);
  if (ok)
    findInstants();
}

std::string CutConstruction::explainDeadlock() const {
  return llm.explainDeadlock(problem.llmGraph, llmOrders,
                             [&](uint32_t id) { return describeId(problem.reference, id); });
}

void CutConstruction::findInstants() {
  const CutProblem &p = problem;
  const uint32_t units = p.encoderUnits(), generatorUnits = p.generatorUnits();
  auto ended = [&](uint32_t id) { return llm.finish[id]; };
  // To follow dependencies between encoder and generator.
  auto actionOfId = [&](uint32_t id) {
    uint32_t rank = p.graph.rankOf(id);
    return actionOf(p.reference, p.graph, rank, id);
  };

  generatorInstant.assign(generatorUnits, 0.0);
  for (uint32_t u = 0; u < generatorUnits; ++u)
    for (uint32_t id : p.generator[u])
      for (Edge edge : p.graph.producers(id))
        if (llm.finish[edge.producer] >= 0)
          generatorInstant[u] =
              std::max(generatorInstant[u], ended(edge.producer) + edge.hops * p.transfer);

  encoderInstant.assign(units, 0.0);
  auto delay = [&](uint32_t unit, double instant) {
    encoderInstant[unit] = std::max(encoderInstant[unit], instant);
  };
  if (p.workload.encoderBackward) {
    for (uint32_t u = 0; u < units; ++u) {
      for (uint32_t id : p.encoderBackward[u]) {
        for (Edge edge : p.graph.producers(id)) {
          if (llm.finish[edge.producer] >= 0)
            delay(u, ended(edge.producer));
          else if (Action producer = actionOfId(edge.producer);
                   producer.component == Component::Generator)
            delay(u, generatorInstant[producer.unit]);
        }
      }
    }
  } else if (p.workload.hasEncoder) {
    std::vector<uint32_t> unitOfForward(p.graph.size(), noAction);
    for (uint32_t u = 0; u < units; ++u)
      for (uint32_t id : p.encoderForward[u])
        unitOfForward[id] = u;
    for (uint32_t id = 0; id < p.graph.size(); ++id) {
      for (Edge edge : p.graph.producers(id)) {
        uint32_t unit = unitOfForward[edge.producer];
        if (unit == noAction)
          continue;
        if (llm.finish[id] >= 0)
          delay(unit, ended(id));
        else if (Action consumer = actionOfId(id); consumer.component == Component::Generator)
          delay(unit, generatorInstant[consumer.unit]);
      }
    }
  }
  // Units are inserted in their order.
  for (uint32_t u = 1; u < generatorUnits; ++u)
    generatorInstant[u] = std::max(generatorInstant[u], generatorInstant[u - 1]);
  for (uint32_t u = 1; u < units; ++u)
    encoderInstant[u] = std::max(encoderInstant[u], encoderInstant[u - 1]);
}

IdOrders CutConstruction::insertUnits(uint32_t window, bool backwardsLast) const {
  const CutProblem &p = problem;
  const uint32_t units = p.encoderUnits();
  std::vector<Cut> generatorCuts, encoderCuts, cuts;
  std::vector<const std::vector<uint32_t> *> before, after;
  for (uint32_t u = 0; p.workload.hasGenerator && u < p.generatorUnits(); ++u)
    generatorCuts.push_back({generatorInstant[u], {&p.generator[u]}});
  for (uint32_t u = 0; p.workload.hasEncoder && u < units; ++u) {
    if (u < window)
      before.push_back(&p.encoderForward[u]);
    if (backwardsLast) {
      after.push_back(&p.encoderBackward[u]);
      continue;
    }
    Cut cut{encoderInstant[u], {&p.encoderBackward[u]}};
    if (uint64_t(u) + window < units)
      cut.groups.push_back(&p.encoderForward[u + window]);
    encoderCuts.push_back(std::move(cut));
  }
  // At one instant generators come first: an encoder backward may need them.
  std::merge(generatorCuts.begin(), generatorCuts.end(), encoderCuts.begin(), encoderCuts.end(),
             std::back_inserter(cuts),
             [](const Cut &a, const Cut &b) { return a.instant < b.instant; });

  // A group has at most one action on a rank, in rank order.
  IdOrders orders(p.graph.ranks());
  auto insert = [&](uint32_t rank, const std::vector<uint32_t> &group) {
    auto found = std::lower_bound(group.begin(), group.end(), p.graph.rankBegin[rank]);
    for (; found != group.end() && *found < p.graph.rankBegin[rank + 1]; ++found)
      orders[rank].push_back(*found);
  };
  for (uint32_t rank = 0; rank < p.graph.ranks(); ++rank) {
    orders[rank].reserve(p.graph.rankBegin[rank + 1] - p.graph.rankBegin[rank]);
    for (const auto *group : before)
      insert(rank, *group);
    auto cut = cuts.begin();
    for (uint32_t id : llmOrders[rank]) {
      const double start = llm.finish[id] - p.llmSeconds[id];
      for (; cut != cuts.end() && start >= cut->instant - p.resolution; ++cut)
        for (const auto *group : cut->groups)
          insert(rank, *group);
      orders[rank].push_back(id);
    }
    for (; cut != cuts.end(); ++cut)
      for (const auto *group : cut->groups)
        insert(rank, *group);
    for (const auto *group : after)
      insert(rank, *group);
  }
  return orders;
}

} // namespace bigmac::planning
