// Checks of instruction lists: one rank alone, then transfers between ranks.

#include "bigmac-rt/PlanView.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <map>
#include <vector>

namespace bigmac::rt {

std::string_view actionKind(const bm_instr &instr) {
  static const char *const spelling[3][4] = {
      {"F", "B", "W", "FB"}, {"EF", "EB", "EW", "E"}, {"GF", "GB", "GW", "G"}};
  if (instr.component >= BM_NO_COMPONENT || instr.phase >= BM_NO_PHASE)
    return "";
  return spelling[instr.component][instr.phase];
}

std::string actionName(const bm_instr &instr) {
  std::string name(actionKind(instr));
  if (name.empty())
    return "step";
  if (instr.chunk >= 0)
    name += " chunk " + std::to_string(instr.chunk);
  if (instr.microbatch >= 0)
    name += " microbatch " + std::to_string(instr.microbatch);
  if (instr.unit >= 0)
    name += " unit " + std::to_string(instr.unit);
  return name;
}

namespace {

/// What is in a rank's host memory: stretches that do not overlap.
class HostCheck {
public:
  /// Each of these says what is wrong, or nothing.
  std::string offload(uint64_t begin, uint64_t bytes) {
    auto next = stays.lower_bound(begin);
    if (next != stays.begin() && std::prev(next)->second.end > begin)
      --next;
    while (next != stays.end() && next->first < begin + bytes) {
      if (next->second.state != State::Fetched)
        return "offloads over what is still needed";
      next = stays.erase(next);
    }
    stays[begin] = {begin + bytes, State::Arriving};
    return "";
  }
  std::string fetch(uint64_t begin, uint64_t bytes) {
    auto stay = stays.find(begin);
    if (stay == stays.end() || stay->second.end != begin + bytes ||
        (stay->second.state != State::There && stay->second.state != State::Fetched))
      return "fetches what was not offloaded before";
    stay->second.state = State::Leaving;
    return "";
  }
  /// For the copy of the stretch that begins there; nothing else can have taken its place.
  void wait(uint64_t begin) {
    State &state = stays.find(begin)->second.state;
    state = state == State::Arriving ? State::There : State::Fetched;
  }
  bool done() const {
    return std::all_of(stays.begin(), stays.end(),
                       [](const auto &stay) { return stay.second.state == State::Fetched; });
  }

private:
  enum class State { Arriving, There, Leaving, Fetched };
  struct Stay {
    uint64_t end;
    State state;
  };
  std::map<uint64_t, Stay> stays; // by begin
};

/// Checks one rank's list: indices, bounds, slots, and what is in the host's memory.
class ListCheck {
public:
  ListCheck(const PlanView &plan, uint32_t rankIndex, std::vector<uint32_t> &records,
            std::string &error)
      : plan(plan), rankIndex(rankIndex), rank(plan.ranks()[rankIndex]), records(records),
        error(error) {}

  bool run() {
    auto instrs = plan.instrs(rank);
    // A slot without a SEND or RECV would only waste memory; more than there are instructions is
    // damage.
    if (rank.arena_bytes >> 62 || rank.host_bytes >> 62)
      return fail(0, "the arena is too large");
    if (rank.slots > instrs.size())
      return fail(0, "more slots than instructions");
    open.assign(rank.slots, false);
    copyOf.assign(rank.slots, BM_NONE64);
    for (size_t i = 0; i < instrs.size(); ++i)
      if (!check(i, instrs[i]))
        return false;
    for (uint32_t slot = 0; slot < rank.slots; ++slot)
      if (open[slot])
        return fail(instrs.size(), "slot " + std::to_string(slot) + " is never waited for");
    if (!host.done())
      return fail(instrs.size(), "offloaded bytes are never fetched");
    return true;
  }

private:
  bool fail(size_t at, const std::string &message) {
    error = "damaged plan image: rank " + std::to_string(rankIndex) + ", instruction " +
            std::to_string(at) + ": " + message;
    return false;
  }
  bool fits(uint64_t offset, uint64_t bytes) const {
    return offset <= rank.arena_bytes && bytes <= rank.arena_bytes - offset;
  }
  bool microbatch(const bm_instr &instr) const {
    return instr.microbatch >= 0 && uint32_t(instr.microbatch) < plan.header().microbatches;
  }

  bool check(size_t at, const bm_instr &instr) {
    switch (instr.op) {
    case BM_OP_LOAD_INPUT:
      if (instr.index >= plan.inputs().size() || !microbatch(instr))
        return fail(at, "no such input or microbatch");
      if (!fits(instr.offset, plan.bytes(plan.inputs()[instr.index])))
        return fail(at, "input outside the arena");
      return true;
    case BM_OP_RUN:
      return checkRun(at, instr);
    case BM_OP_SEND:
    case BM_OP_RECV:
      if (instr.peer < 0 || uint32_t(instr.peer) >= plan.header().ranks ||
          uint32_t(instr.peer) == rankIndex)
        return fail(at, "transfer with rank " + std::to_string(instr.peer));
      if (instr.tag >= BM_TAG_LIMIT || instr.bytes == 0 || !fits(instr.offset, instr.bytes))
        return fail(at, "transfer with a bad tag or outside the arena");
      if (instr.slot >= rank.slots || open[instr.slot])
        return fail(at, "slot " + std::to_string(instr.slot) + " does not exist or is in use");
      open[instr.slot] = true;
      return true;
    case BM_OP_OFFLOAD:
    case BM_OP_FETCH:
      return checkCopy(at, instr);
    case BM_OP_WAIT:
      if (instr.slot >= rank.slots || !open[instr.slot])
        return fail(at, "nothing to wait for in slot " + std::to_string(instr.slot));
      open[instr.slot] = false;
      if (copyOf[instr.slot] != BM_NONE64)
        host.wait(copyOf[instr.slot]);
      copyOf[instr.slot] = BM_NONE64;
      return true;
    case BM_OP_ZERO:
      return fits(instr.offset, instr.bytes) || fail(at, "zeroes bytes outside the arena");
    case BM_OP_COPY:
      if (!fits(instr.offset, instr.bytes) || !fits(instr.u.source, instr.bytes))
        return fail(at, "copies bytes outside the arena");
      if (instr.offset < instr.u.source + instr.bytes &&
          instr.u.source < instr.offset + instr.bytes)
        return fail(at, "copies between overlapping regions");
      return true;
    case BM_OP_RECORD:
      if (instr.index >= plan.scalars().size() || !microbatch(instr))
        return fail(at, "no such scalar or microbatch");
      if (instr.offset % 4 || !fits(instr.offset, 4))
        return fail(at, "scalar outside the arena");
      ++records[size_t(instr.index) * plan.header().microbatches + instr.microbatch];
      return true;
    default:
      return fail(at, "unknown instruction " + std::to_string(instr.op));
    }
  }

  bool checkCopy(size_t at, const bm_instr &instr) {
    if (instr.bytes == 0 || !fits(instr.offset, instr.bytes) || instr.u.host > rank.host_bytes ||
        instr.bytes > rank.host_bytes - instr.u.host)
      return fail(at, "copies bytes outside the arena or the host's memory");
    if (instr.slot >= rank.slots || open[instr.slot])
      return fail(at, "slot " + std::to_string(instr.slot) + " does not exist or is in use");
    open[instr.slot] = true;
    copyOf[instr.slot] = instr.u.host;
    std::string wrong = instr.op == BM_OP_OFFLOAD ? host.offload(instr.u.host, instr.bytes)
                                                  : host.fetch(instr.u.host, instr.bytes);
    return wrong.empty() || fail(at, wrong);
  }

  bool checkRun(size_t at, const bm_instr &instr) {
    if (instr.index >= plan.tasks().size())
      return fail(at, "no task " + std::to_string(instr.index));
    const bm_task &task = plan.tasks()[instr.index];
    auto sizes = plan.table<uint64_t>(task.arg_bytes);
    auto args = plan.table<uint64_t>(instr.u.args);
    std::string name = "task '" + std::string(plan.text(task.name)) + "'";
    if (sizes.size() != args.size())
      return fail(at, name + " takes " + std::to_string(sizes.size()) + " arguments, not " +
                          std::to_string(args.size()));
    for (size_t i = 0; i < args.size(); ++i)
      if (!fits(args[i], sizes[i]))
        return fail(at, name + ": argument " + std::to_string(i) + " is outside the arena");
    return true;
  }

  const PlanView &plan;
  uint32_t rankIndex;
  const bm_rank &rank;
  std::vector<uint32_t> &records;
  std::string &error;
  std::vector<bool> open;
  std::vector<uint64_t> copyOf; // by slot: where its copy is in the host's memory
  HostCheck host;
};

/// Runs all ranks' transfers together, every send a rendezvous.
class TransferCheck {
public:
  TransferCheck(const PlanView &plan, std::string &error) : plan(plan), error(error) {}

  bool run() {
    uint32_t count = plan.header().ranks;
    position.assign(count, 0);
    slots.resize(count);
    for (uint32_t r = 0; r < count; ++r)
      slots[r].resize(plan.ranks()[r].slots);
    std::vector<uint32_t> ready;
    for (uint32_t r = count; r-- > 0;)
      ready.push_back(r);
    while (!ready.empty()) {
      uint32_t r = ready.back();
      ready.pop_back();
      if (!advance(r, ready))
        return false;
    }
    for (uint32_t r = 0; r < count; ++r)
      if (position[r] != plan.instrs(plan.ranks()[r]).size())
        return stuck();
    for (const auto &[key, channel] : channels)
      if (channel.sends.size() != channel.recvs.size()) {
        error = "damaged plan image: rank " + std::to_string(key.from) + " sends " +
                std::to_string(channel.sends.size()) + " messages with tag " +
                std::to_string(key.tag) + " to rank " + std::to_string(key.to) +
                ", which receives " + std::to_string(channel.recvs.size());
        return false;
      }
    return true;
  }

private:
  struct Key {
    uint32_t from, to, tag;
    auto operator<=>(const Key &) const = default;
  };
  struct Channel {
    std::vector<uint64_t> sends, recvs; // bytes, in order
    uint32_t waiting = BM_NONE32;       // the rank that waits for the other side to post
  };
  struct Slot {
    Channel *channel = nullptr;
    size_t index = 0;
    bool isSend = false;
  };

  bool advance(uint32_t r, std::vector<uint32_t> &ready) {
    auto instrs = plan.instrs(plan.ranks()[r]);
    for (size_t &at = position[r]; at < instrs.size(); ++at) {
      const bm_instr &instr = instrs[at];
      if (instr.op == BM_OP_SEND || instr.op == BM_OP_RECV) {
        bool isSend = instr.op == BM_OP_SEND;
        uint32_t peer = instr.peer;
        Channel &channel = channels[isSend ? Key{r, peer, instr.tag} : Key{peer, r, instr.tag}];
        auto &mine = isSend ? channel.sends : channel.recvs;
        auto &other = isSend ? channel.recvs : channel.sends;
        if (mine.size() < other.size() && other[mine.size()] != instr.bytes) {
          error = "damaged plan image: rank " + std::to_string(r) + ", instruction " +
                  std::to_string(at) + ": transfers " + std::to_string(instr.bytes) +
                  " bytes where rank " + std::to_string(peer) + " transfers " +
                  std::to_string(other[mine.size()]);
          return false;
        }
        slots[r][instr.slot] = {&channel, mine.size(), isSend};
        mine.push_back(instr.bytes);
        if (channel.waiting != BM_NONE32 && channel.waiting != r) {
          ready.push_back(channel.waiting);
          channel.waiting = BM_NONE32;
        }
      } else if (instr.op == BM_OP_OFFLOAD || instr.op == BM_OP_FETCH) {
        slots[r][instr.slot] = {};
      } else if (instr.op == BM_OP_WAIT) {
        Slot &slot = slots[r][instr.slot];
        if (!slot.channel)
          continue; // a copy, which needs no other rank
        auto &other = slot.isSend ? slot.channel->recvs : slot.channel->sends;
        if (other.size() <= slot.index) {
          slot.channel->waiting = r;
          return true;
        }
      }
    }
    return true;
  }

  bool stuck() {
    error = "damaged plan image: deadlock:";
    for (uint32_t r = 0; r < plan.header().ranks; ++r) {
      auto instrs = plan.instrs(plan.ranks()[r]);
      if (position[r] == instrs.size())
        continue;
      const bm_instr &instr = instrs[position[r]];
      error += " rank " + std::to_string(r) + " waits at instruction " +
               std::to_string(position[r]) + " (" + actionName(instr) + ");";
    }
    error.pop_back();
    return false;
  }

  const PlanView &plan;
  std::string &error;
  std::map<Key, Channel> channels;
  std::vector<size_t> position;
  std::vector<std::vector<Slot>> slots;
};

} // namespace

bool checkPrograms(const PlanView &plan, std::string &error) {
  uint32_t microbatches = plan.header().microbatches;
  uint64_t instructions = 0;
  for (const bm_rank &rank : plan.ranks())
    instructions += rank.instrs.count;
  if (plan.scalars().size() > instructions / microbatches) {
    error = "damaged plan image: fewer instructions than scalars to record";
    return false;
  }
  std::vector<uint32_t> records(plan.scalars().size() * microbatches, 0);
  for (uint32_t r = 0; r < plan.header().ranks; ++r)
    if (!ListCheck(plan, r, records, error).run())
      return false;
  for (size_t i = 0; i < records.size(); ++i)
    if (records[i] == 0) {
      error = "damaged plan image: scalar '" +
              std::string(plan.text(plan.scalars()[i / microbatches].name)) + "' of microbatch " +
              std::to_string(i % microbatches) + " is never recorded";
      return false;
    }
  return TransferCheck(plan, error).run();
}

} // namespace bigmac::rt
