//===- Transfers.h - Sends and receives of a schedule -----------*- C++ -*-===//
//
// Every dependency between different ranks is one transfer. Transfers of one (source, destination,
// channel) form a link. A link's messages are sent in the order of their producers, and received in
// the same order into a ring of receive buffers: message i into buffer i mod K, posted as soon as
// the action that used message i - K has ended (the first K before the step). A send may block
// until its receive is posted (rendezvous), and with it the rank that sends.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_TRANSFERS_H
#define BIGMAC_PLANNING_TRANSFERS_H

#include "bigmac/Planning/Dependencies.h"
#include "bigmac/Planning/Executor.h"
#include "bigmac/Planning/Result.h"
#include "bigmac/Planning/Schedule.h"

#include <cstdint>
#include <vector>

namespace bigmac::planning {

/// One message. Producer and consumer are positions in their ranks' orders.
struct Transfer {
  uint32_t link = 0;
  /// Number of the message on its link, from 0: the order of sends, and of receives.
  uint32_t sequence = 0;
  uint32_t producer = 0;
  uint32_t consumer = 0;
};

struct Link {
  uint32_t source = 0;
  uint32_t destination = 0;
  uint32_t channel = 0;
  /// The link's messages in order are transfers[first .. first+count-1].
  uint32_t first = 0;
  uint32_t count = 0;

  friend bool operator==(const Link &, const Link &) = default;
};

/// All transfers of a schedule, sorted by link and sequence; links by (source, destination,
/// channel).
struct TransferPlan {
  std::vector<Link> links;
  std::vector<Transfer> transfers;
  /// By rank: its sends as indexes of `transfers`, in the order in which the rank issues them:
  /// after each producer, those of that producer, ordered by how soon their consumers come in their
  /// ranks' orders, then by link.
  std::vector<std::vector<uint32_t>> sends;
};

/// Derives the transfers. Every action with a dependency on another rank's is one receiver, that
/// action the one sender. Errors: an action that is not in the schedule or is there twice; the same
/// (producer, consumer, channel) twice.
Result<TransferPlan> matchTransfers(const Schedule &schedule, const Dependencies &dependencies);

/// When a rank posts a receive: before its first action (`after` == beforeFirstAction), or when the
/// action at position `after` has ended.
struct PostedReceive {
  static constexpr int64_t beforeFirstAction = -1;
  uint32_t transfer = 0;
  uint32_t buffer = 0;
  int64_t after = beforeFirstAction;
};

/// That every link has at least one buffer.
Status checkBuffers(const TransferPlan &plan, const std::vector<uint32_t> &buffersOfLink);

/// By rank, in posting order. `buffersOfLink[l]` is link l's number of receive buffers, at least 1.
/// A rank posts what follows an action before it sends what that action produced.
Result<std::vector<std::vector<PostedReceive>>>
planReceives(const Schedule &schedule, const TransferPlan &plan,
             const std::vector<uint32_t> &buffersOfLink);

/// Proves that `plan` has exactly the transfers that the dependencies ask for, each sent and
/// received once and in one order, and that the schedule ends when every send blocks its rank until
/// the receive is posted, with these buffers. An error names the cycle: which send waits for which
/// buffer, held by which action.
Status proveTransfers(const Schedule &schedule, const Dependencies &dependencies,
                      const TransferPlan &plan, const std::vector<uint32_t> &buffersOfLink);

/// By link, the most messages that are there at once when the schedule runs as timed: from the end
/// of the producer to the end of the consumer. With so many buffers no send waits for its receive
/// in that execution.
std::vector<uint32_t> buffersForTiming(const Schedule &schedule, const TransferPlan &plan,
                                       const Timing &timing);

/// The least number, the same for every link, with which proveTransfers holds.
Result<uint32_t> leastUniformBuffers(const Schedule &schedule, const Dependencies &dependencies,
                                     const TransferPlan &plan);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_TRANSFERS_H
