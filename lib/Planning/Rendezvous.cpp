//===- Rendezvous.cpp - Proves transfers with finite buffers --------------===//
//
// Runs the schedule without times: a rank runs an action when its messages are there, posts the
// receives whose buffers that action freed, then issues its sends one by one, each of which waits
// until its receive is posted. What can run, runs, in whatever order: if that ends early, no order
// of events gets further.
//
//===----------------------------------------------------------------------===//

#include "ActionGraph.h"
#include "bigmac/Planning/Transfers.h"

#include <algorithm>
#include <string>

namespace bigmac::planning {

namespace {

class RendezvousRunner {
public:
  RendezvousRunner(const Schedule &schedule, const TransferPlan &plan,
                   const std::vector<uint32_t> &buffersOfLink,
                   const std::vector<std::vector<PostedReceive>> &receives)
      : schedule(schedule), plan(plan), buffersOfLink(buffersOfLink), ranks(schedule.ranks),
        postedAfter(plan.transfers.size()), sent(plan.transfers.size(), false),
        waiters(schedule.ranks) {
    for (const std::vector<PostedReceive> &ofRank : receives)
      for (const PostedReceive &receive : ofRank)
        postedAfter[receive.transfer] = receive.after;
    for (uint32_t t = 0; t < plan.transfers.size(); ++t)
      ranks[plan.links[plan.transfers[t].link].destination].incoming.push_back(t);
    for (Rank &rank : ranks)
      std::sort(rank.incoming.begin(), rank.incoming.end(), [&](uint32_t a, uint32_t b) {
        return std::pair(plan.transfers[a].consumer, a) < std::pair(plan.transfers[b].consumer, b);
      });
  }

  bool run() {
    for (uint32_t rank = schedule.ranks; rank-- > 0;)
      runnable.push_back(rank);
    while (!runnable.empty()) {
      uint32_t rank = runnable.back();
      runnable.pop_back();
      advance(rank);
    }
    return std::all_of(ranks.begin(), ranks.end(),
                       [](const Rank &rank) { return rank.blockedOn == Blocked::Nothing; });
  }

  std::string explain() const {
    uint32_t rank = 0;
    while (ranks[rank].blockedOn == Blocked::Nothing)
      ++rank;
    std::vector<bool> seen(ranks.size(), false);
    for (; !seen[rank]; rank = blocker(rank))
      seen[rank] = true;
    std::string text = "deadlock with rendezvous sends: ";
    const uint32_t first = rank;
    do {
      if (rank != first)
        text += "; ";
      text += explainRank(rank);
      rank = blocker(rank);
    } while (rank != first);
    return text;
  }

private:
  enum class Blocked : uint8_t { Nothing, OnMessage, OnBuffer };

  struct Rank {
    uint32_t done = 0;
    size_t nextSend = 0;
    size_t nextIncoming = 0;
    Blocked blockedOn = Blocked::Nothing;
    uint32_t transfer = 0;
    /// Transfers that come in, sorted by consumer.
    std::vector<uint32_t> incoming;
  };

  void advance(uint32_t self) {
    Rank &rank = ranks[self];
    rank.blockedOn = Blocked::Nothing;
    const std::vector<uint32_t> &sends = plan.sends[self];
    while (true) {
      for (; rank.nextSend < sends.size() &&
             plan.transfers[sends[rank.nextSend]].producer < rank.done;
           ++rank.nextSend) {
        uint32_t transfer = sends[rank.nextSend];
        uint32_t to = plan.links[plan.transfers[transfer].link].destination;
        if (postedAfter[transfer] >= static_cast<int64_t>(ranks[to].done)) {
          rank.blockedOn = Blocked::OnBuffer;
          rank.transfer = transfer;
          waiters[to].push_back(self);
          return;
        }
        sent[transfer] = true;
        if (ranks[to].blockedOn == Blocked::OnMessage && ranks[to].transfer == transfer)
          runnable.push_back(to);
      }
      if (rank.done == schedule.orders[self].size())
        return;
      for (; rank.nextIncoming < rank.incoming.size() &&
             plan.transfers[rank.incoming[rank.nextIncoming]].consumer == rank.done;
           ++rank.nextIncoming) {
        uint32_t transfer = rank.incoming[rank.nextIncoming];
        if (!sent[transfer]) {
          rank.blockedOn = Blocked::OnMessage;
          rank.transfer = transfer;
          return;
        }
      }
      ++rank.done;
      wakeSenders(self);
    }
  }

  /// Those whose receive has been posted by what `self` has done.
  void wakeSenders(uint32_t self) {
    std::vector<uint32_t> &waiting = waiters[self];
    for (size_t i = 0; i < waiting.size();) {
      if (postedAfter[ranks[waiting[i]].transfer] < static_cast<int64_t>(ranks[self].done)) {
        runnable.push_back(waiting[i]);
        waiting[i] = waiting.back();
        waiting.pop_back();
      } else {
        ++i;
      }
    }
  }

  /// The rank that `rank` waits for.
  uint32_t blocker(uint32_t rank) const {
    const Link &link = plan.links[plan.transfers[ranks[rank].transfer].link];
    return ranks[rank].blockedOn == Blocked::OnMessage ? link.source : link.destination;
  }

  std::string explainRank(uint32_t rank) const {
    const Transfer &transfer = plan.transfers[ranks[rank].transfer];
    const Link &link = plan.links[transfer.link];
    std::string producer = describe(link.source, schedule.orders[link.source][transfer.producer]);
    std::string consumer =
        describe(link.destination, schedule.orders[link.destination][transfer.consumer]);
    if (ranks[rank].blockedOn == Blocked::OnMessage)
      return consumer + " waits for the message of " + producer + ", which is not sent yet";
    int64_t holder = postedAfter[ranks[rank].transfer];
    uint32_t buffers = buffersOfLink[transfer.link];
    return "the message of " + producer + " to " + consumer + " waits for a receive buffer (" +
           std::to_string(buffers) + " on channel " + std::to_string(link.channel) +
           "), which is free after " +
           describe(link.destination, schedule.orders[link.destination][size_t(holder)]);
  }

  const Schedule &schedule;
  const TransferPlan &plan;
  const std::vector<uint32_t> &buffersOfLink;
  std::vector<Rank> ranks;
  std::vector<int64_t> postedAfter;
  std::vector<bool> sent;
  /// By rank: ranks whose send waits for one of its actions.
  std::vector<std::vector<uint32_t>> waiters;
  std::vector<uint32_t> runnable;
};

/// What an action needs from its own rank must come earlier in the rank's order.
Status checkLocalOrder(const Schedule &schedule, const ActionIndex &index,
                       const Dependencies &dependencies) {
  std::vector<Dependency> needed;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    for (uint32_t i = 0; i < schedule.orders[rank].size(); ++i) {
      needed.clear();
      dependencies.append(rank, schedule.orders[rank][i], needed);
      for (const Dependency &dependency : needed) {
        uint32_t producer = index.find(dependency.rank, dependency.producer);
        if (dependency.rank == rank &&
            (producer == noAction || producer - index.rankBegin(rank) >= i))
          return Error{describe(rank, schedule.orders[rank][i]) + " needs " +
                       describe(rank, dependency.producer) +
                       ", which does not come before it in the rank's order"};
      }
    }
  }
  return Status::success();
}

std::string describeTransfer(const Schedule &schedule, const TransferPlan &plan,
                             const Transfer &transfer) {
  const Link &link = plan.links[transfer.link];
  return "the message of " +
         describe(link.source, schedule.orders[link.source][transfer.producer]) + " to " +
         describe(link.destination, schedule.orders[link.destination][transfer.consumer]) +
         " on channel " + std::to_string(link.channel);
}

/// Errors unless `plan` has exactly the transfers that the dependencies ask for, each sent once,
/// after its producer, in the order of its link.
Status checkPlan(const Schedule &schedule, const TransferPlan &expected, const TransferPlan &plan) {
  for (size_t i = 0; i < expected.transfers.size(); ++i) {
    const Transfer &wanted = expected.transfers[i];
    if (i >= plan.transfers.size())
      return Error{describeTransfer(schedule, expected, wanted) + " is missing from the transfers"};
    const Transfer &found = plan.transfers[i];
    if (found.link >= plan.links.size() || found.sequence != wanted.sequence ||
        found.producer != wanted.producer || found.consumer != wanted.consumer ||
        !(plan.links[found.link] == expected.links[wanted.link]))
      return Error{"the transfers are not those of the schedule: at " + std::to_string(i) +
                   " expected " + describeTransfer(schedule, expected, wanted)};
  }
  if (plan.transfers.size() != expected.transfers.size() ||
      plan.links.size() != expected.links.size() || plan.sends.size() != schedule.ranks)
    return Error{"there are " + std::to_string(plan.transfers.size()) +
                 " transfers; the schedule needs " + std::to_string(expected.transfers.size())};

  // What is sent, before in which order: a lost send would show as the next one's wrong place.
  std::vector<bool> sent(plan.transfers.size(), false);
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    for (uint32_t t : plan.sends[rank]) {
      if (t >= plan.transfers.size() || plan.links[plan.transfers[t].link].source != rank)
        return Error{"rank " + std::to_string(rank) + " sends transfer " + std::to_string(t) +
                     ", which is not its own"};
      if (sent[t])
        return Error{describeTransfer(schedule, plan, plan.transfers[t]) + " is sent twice"};
      sent[t] = true;
    }
  }
  for (size_t t = 0; t < sent.size(); ++t)
    if (!sent[t])
      return Error{describeTransfer(schedule, plan, plan.transfers[t]) + " is never sent"};
  std::vector<uint32_t> nextOfLink(plan.links.size(), 0);
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    uint32_t producer = 0;
    for (uint32_t t : plan.sends[rank]) {
      const Transfer &transfer = plan.transfers[t];
      if (transfer.producer < producer || transfer.sequence != nextOfLink[transfer.link]++)
        return Error{describeTransfer(schedule, plan, transfer) +
                     " is not sent in the order in which it is received"};
      producer = transfer.producer;
    }
  }
  return Status::success();
}

Status runTransfers(const Schedule &schedule, const TransferPlan &plan,
                    const std::vector<uint32_t> &buffersOfLink) {
  Result<std::vector<std::vector<PostedReceive>>> receives =
      planReceives(schedule, plan, buffersOfLink);
  if (!receives)
    return receives.error();
  RendezvousRunner runner(schedule, plan, buffersOfLink, *receives);
  if (!runner.run())
    return Error{runner.explain()};
  return Status::success();
}

} // namespace

Status proveTransfers(const Schedule &schedule, const Dependencies &dependencies,
                      const TransferPlan &plan, const std::vector<uint32_t> &buffersOfLink) {
  Result<TransferPlan> expected = matchTransfers(schedule, dependencies);
  if (!expected)
    return expected.error();
  if (Status status = checkPlan(schedule, *expected, plan); !status)
    return status;
  Result<ActionIndex> index = ActionIndex::build(schedule);
  if (!index)
    return index.error();
  if (Status status = checkLocalOrder(schedule, *index, dependencies); !status)
    return status;
  return runTransfers(schedule, plan, buffersOfLink);
}

Result<uint32_t> leastUniformBuffers(const Schedule &schedule, const Dependencies &dependencies,
                                     const TransferPlan &plan) {
  uint32_t most = 1;
  for (const Link &link : plan.links)
    most = std::max(most, link.count);
  auto buffers = [&](uint32_t count) { return std::vector<uint32_t>(plan.links.size(), count); };
  if (Status status = proveTransfers(schedule, dependencies, plan, buffers(most)); !status)
    return status.error();
  // More buffers only ever let a send go earlier, so what holds for a number holds for all above.
  uint32_t least = 1;
  while (least < most) {
    uint32_t middle = least + (most - least) / 2;
    if (runTransfers(schedule, plan, buffers(middle)))
      most = middle;
    else
      least = middle + 1;
  }
  return most;
}

} // namespace bigmac::planning
