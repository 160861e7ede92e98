#include "Lanes.h"

#include <algorithm>
#include <set>

namespace bigmac::rt {

using Tags = std::vector<uint32_t>;

static Tags restricted(const Tags &all, const std::set<uint32_t> &kept) {
  Tags result;
  std::copy_if(all.begin(), all.end(), std::back_inserter(result),
               [&](uint32_t tag) { return kept.contains(tag); });
  return result;
}

Lanes::Lanes(const PlanView &plan) {
  struct Ends {
    Tags sent, received; // in the order in which they are started
  };
  std::map<std::pair<uint32_t, uint32_t>, Ends> pairs;
  for (uint32_t r = 0; r < plan.header().ranks; ++r)
    for (const bm_instr &instr : plan.instrs(plan.ranks()[r])) {
      uint32_t peer = instr.peer;
      if (instr.op == BM_OP_SEND)
        pairs[{r, peer}].sent.push_back(instr.tag);
      else if (instr.op == BM_OP_RECV)
        pairs[{peer, r}].received.push_back(instr.tag);
    }
  for (const auto &[pair, ends] : pairs) {
    std::vector<std::set<uint32_t>> found;
    for (uint32_t tag : ends.sent) {
      Key key{pair.first, pair.second, tag};
      if (lanes.contains(key))
        continue;
      // The first lane whose messages, with this tag's, are in one order at both ends.
      size_t lane = 0;
      for (; lane < found.size(); ++lane) {
        found[lane].insert(tag);
        if (restricted(ends.sent, found[lane]) == restricted(ends.received, found[lane]))
          break;
        found[lane].erase(tag);
      }
      if (lane == found.size())
        found.push_back({tag});
      lanes[key] = static_cast<uint32_t>(lane);
    }
  }
}

} // namespace bigmac::rt
