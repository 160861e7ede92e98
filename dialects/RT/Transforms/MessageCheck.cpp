//===- MessageCheck.cpp - Messages between ranks ---------------------------===//

#include "MessageCheck.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::rt;

namespace {

/// Both ends of a channel: (rank, message) in order.
struct Channel {
  std::vector<std::pair<size_t, size_t>> sends, receives;
};
using Channels = std::map<std::tuple<int64_t, int64_t, int64_t>, Channel>;

} // namespace

static Channels channelsOf(ArrayRef<RankMessages> ranks) {
  Channels channels;
  for (auto [rank, own] : llvm::enumerate(ranks))
    for (auto [i, message] : llvm::enumerate(own.messages)) {
      int64_t self = rank;
      if (message.isSend)
        channels[{self, message.peer, message.channel}].sends.push_back({rank, i});
      else
        channels[{message.peer, self, message.channel}].receives.push_back({rank, i});
    }
  return channels;
}

LogicalResult rt::checkChannels(const ProgramIndex &index, ArrayRef<RankMessages> ranks) {
  for (const auto &[key, channel] : channelsOf(ranks)) {
    auto [from, to, number] = key;
    size_t both = std::min(channel.sends.size(), channel.receives.size());
    auto messageOf = [&](std::pair<size_t, size_t> end) -> const Message & {
      return ranks[end.first].messages[end.second];
    };
    for (size_t i = 0; i < both; ++i) {
      const Message &send = messageOf(channel.sends[i]);
      const Message &receive = messageOf(channel.receives[i]);
      if (send.microbatch == receive.microbatch && send.bytes == receive.bytes)
        continue;
      auto diagnostic = receive.op->emitOpError("on rank ")
                        << to << " expects " << index.value(number, receive.microbatch) << ", "
                        << receive.bytes << " bytes, as message " << i
                        << " of its channel, but rank " << from << " sends "
                        << index.value(number, send.microbatch) << ", " << send.bytes << " bytes";
      diagnostic.attachNote(send.op->getLoc()) << "sent here";
      return diagnostic;
    }
    if (channel.sends.size() > both) {
      const Message &send = messageOf(channel.sends[both]);
      return send.op->emitOpError("sends ")
             << index.value(number, send.microbatch) << " from rank " << from << " to rank " << to
             << ", which does not receive it";
    }
    if (channel.receives.size() > both) {
      const Message &receive = messageOf(channel.receives[both]);
      return receive.op->emitOpError("on rank ")
             << to << " waits for " << index.value(number, receive.microbatch) << ", which rank "
             << from << " does not send";
    }
  }
  return success();
}

LogicalResult rt::checkRendezvous(const ProgramIndex &index, ArrayRef<RankMessages> ranks) {
  // The other end of each message.
  std::vector<std::vector<std::pair<size_t, size_t>>> other(ranks.size());
  std::vector<std::vector<bool>> posted(ranks.size());
  for (auto [rank, own] : llvm::enumerate(ranks)) {
    other[rank].resize(own.messages.size());
    posted[rank].assign(own.messages.size(), false);
  }
  for (const auto &[key, channel] : channelsOf(ranks))
    for (auto [send, receive] : llvm::zip(channel.sends, channel.receives)) {
      other[send.first][send.second] = receive;
      other[receive.first][receive.second] = send;
    }

  std::vector<size_t> position(ranks.size(), 0), ready;
  std::vector<bool> queued(ranks.size(), true);
  for (size_t rank = ranks.size(); rank-- > 0;)
    ready.push_back(rank);
  auto stuck = [&](size_t rank) { return position[rank] < ranks[rank].events.size(); };
  while (!ready.empty()) {
    size_t rank = ready.back();
    ready.pop_back();
    queued[rank] = false;
    for (; stuck(rank); ++position[rank]) {
      MessageEvent event = ranks[rank].events[position[rank]];
      auto [peer, message] = other[rank][event.message];
      if (event.wait && !posted[peer][message])
        break;
      if (event.wait)
        continue;
      posted[rank][event.message] = true;
      if (!queued[peer] && stuck(peer)) {
        queued[peer] = true;
        ready.push_back(peer);
      }
    }
  }

  size_t rank = 0;
  while (rank < ranks.size() && !stuck(rank))
    ++rank;
  if (rank == ranks.size())
    return success();
  // A stuck rank waits for a stuck rank: after as many steps as there are ranks we are in a cycle.
  auto waitsFor = [&](size_t from) {
    return other[from][ranks[from].events[position[from]].message].first;
  };
  for (size_t i = 0; i < ranks.size(); ++i)
    rank = waitsFor(rank);
  WaitOp first = ranks[rank].events[position[rank]].wait;
  auto diagnostic = first.emitOpError("is part of a deadlock: ");
  size_t at = rank;
  do {
    MessageEvent event = ranks[at].events[position[at]];
    const Message &message = ranks[at].messages[event.message];
    WaitOp wait = event.wait;
    diagnostic << (at == rank ? "" : "; ") << "rank " << at << ", before "
               << index.action(index.tasks.lookup(wait.getCallee()), wait.getMicrobatch()) << ", ";
    if (message.isSend)
      diagnostic << "waits until rank " << message.peer << " posts its receive of ";
    else
      diagnostic << "waits until rank " << message.peer << " sends ";
    diagnostic << index.value(message.channel, message.microbatch);
    at = waitsFor(at);
  } while (at != rank);
  return diagnostic;
}
