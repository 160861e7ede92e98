//===- Transfers.cpp - Sends and receives of a schedule -------------------===//

#include "bigmac/Planning/Transfers.h"
#include "ActionGraph.h"

#include <algorithm>
#include <string>
#include <tuple>

namespace bigmac::planning {

namespace {

struct Message {
  uint32_t source, destination, channel, producer, consumer;
  auto link() const { return std::tie(source, destination, channel); }
  auto key() const { return std::tie(source, destination, channel, producer, consumer); }
};

Result<std::vector<Message>> collectMessages(const Schedule &schedule, const ActionIndex &index,
                                             const Dependencies &dependencies) {
  std::vector<Message> messages;
  std::vector<Dependency> needed;
  for (uint32_t rank = 0; rank < schedule.ranks; ++rank) {
    for (uint32_t i = 0; i < schedule.orders[rank].size(); ++i) {
      needed.clear();
      dependencies.append(rank, schedule.orders[rank][i], needed);
      for (const Dependency &dependency : needed) {
        if (dependency.rank == rank)
          continue;
        uint32_t producer = index.find(dependency.rank, dependency.producer);
        if (producer == noAction)
          return Error{describe(rank, schedule.orders[rank][i]) + " receives from " +
                       describe(dependency.rank, dependency.producer) +
                       ", which is not in the schedule: nothing sends it"};
        messages.push_back({dependency.rank, rank, dependency.channel,
                            producer - index.rankBegin(dependency.rank), i});
      }
    }
  }
  return messages;
}

} // namespace

Result<TransferPlan> matchTransfers(const Schedule &schedule, const Dependencies &dependencies) {
  Result<ActionIndex> index = ActionIndex::build(schedule);
  if (!index)
    return index.error();
  Result<std::vector<Message>> collected = collectMessages(schedule, *index, dependencies);
  if (!collected)
    return collected.error();
  std::vector<Message> &messages = *collected;
  std::sort(messages.begin(), messages.end(),
            [](const Message &a, const Message &b) { return a.key() < b.key(); });

  TransferPlan plan;
  plan.transfers.reserve(messages.size());
  plan.sends.resize(schedule.ranks);
  for (uint32_t i = 0; i < messages.size(); ++i) {
    const Message &message = messages[i];
    if (i == 0 || messages[i - 1].link() != message.link())
      plan.links.push_back({message.source, message.destination, message.channel, i, 0});
    else if (messages[i - 1].key() == message.key())
      return Error{
          describe(message.source, schedule.orders[message.source][message.producer]) +
          " is sent twice on channel " + std::to_string(message.channel) + " to " +
          describe(message.destination, schedule.orders[message.destination][message.consumer]) +
          "; a transfer has one sender and one receiver"};
    Link &link = plan.links.back();
    plan.transfers.push_back({static_cast<uint32_t>(plan.links.size()) - 1, link.count++,
                              message.producer, message.consumer});
    plan.sends[message.source].push_back(i);
  }
  for (std::vector<uint32_t> &sends : plan.sends)
    std::sort(sends.begin(), sends.end(), [&](uint32_t a, uint32_t b) {
      const Transfer &x = plan.transfers[a], &y = plan.transfers[b];
      return std::tie(x.producer, x.consumer, x.link) < std::tie(y.producer, y.consumer, y.link);
    });
  return plan;
}

Result<std::vector<std::vector<PostedReceive>>>
planReceives(const Schedule &schedule, const TransferPlan &plan,
             const std::vector<uint32_t> &buffersOfLink) {
  if (Status status = checkBuffers(plan, buffersOfLink); !status)
    return status.error();
  std::vector<std::vector<PostedReceive>> receives(schedule.ranks);
  for (uint32_t i = 0; i < plan.transfers.size(); ++i) {
    const Transfer &transfer = plan.transfers[i];
    uint32_t buffers = buffersOfLink[transfer.link];
    PostedReceive receive{i, transfer.sequence % buffers, PostedReceive::beforeFirstAction};
    if (transfer.sequence >= buffers)
      receive.after = plan.transfers[i - buffers].consumer;
    receives[plan.links[transfer.link].destination].push_back(receive);
  }
  // A ring posts message i after message i - 1 even where its own buffer was free earlier, so that
  // a link's receives are posted in the order of its sends.
  for (std::vector<PostedReceive> &ofRank : receives) {
    for (size_t i = 1; i < ofRank.size(); ++i)
      if (plan.transfers[ofRank[i].transfer].link == plan.transfers[ofRank[i - 1].transfer].link)
        ofRank[i].after = std::max(ofRank[i].after, ofRank[i - 1].after);
    std::sort(ofRank.begin(), ofRank.end(), [](const PostedReceive &a, const PostedReceive &b) {
      return std::tie(a.after, a.transfer) < std::tie(b.after, b.transfer);
    });
  }
  return receives;
}

Status checkBuffers(const TransferPlan &plan, const std::vector<uint32_t> &buffersOfLink) {
  if (buffersOfLink.size() != plan.links.size())
    return Error{"receive buffers are given for " + std::to_string(buffersOfLink.size()) +
                 " links, the schedule has " + std::to_string(plan.links.size())};
  for (size_t l = 0; l < buffersOfLink.size(); ++l)
    if (buffersOfLink[l] == 0)
      return Error{"the link from rank " + std::to_string(plan.links[l].source) + " to rank " +
                   std::to_string(plan.links[l].destination) + " on channel " +
                   std::to_string(plan.links[l].channel) +
                   " has no receive buffer; it needs at least one"};
  return Status::success();
}

std::vector<uint32_t> buffersForTiming(const Schedule &schedule, const TransferPlan &plan,
                                       const Timing &timing) {
  std::vector<uint32_t> buffers(plan.links.size(), 1);
  std::vector<double> used;
  for (size_t l = 0; l < plan.links.size(); ++l) {
    const Link &link = plan.links[l];
    // Buffers free up in the order of messages: message i's once all up to i have been consumed.
    used.clear();
    double latest = 0;
    size_t free = 0;
    for (uint32_t i = 0; i < link.count; ++i) {
      const Transfer &transfer = plan.transfers[link.first + i];
      double sent = timing.end[link.source][transfer.producer];
      while (free < used.size() && used[free] <= sent)
        ++free;
      latest = std::max(latest, timing.end[link.destination][transfer.consumer]);
      used.push_back(latest);
      buffers[l] = std::max(buffers[l], static_cast<uint32_t>(used.size() - free));
    }
  }
  return buffers;
}

} // namespace bigmac::planning
