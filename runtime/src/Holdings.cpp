#include "Holdings.h"

#include <algorithm>

namespace bigmac::rt {

Holdings::Holdings(const PlanView &plan, uint32_t worldRank)
    : replica(worldRank / plan.header().ranks), pipelineRank(worldRank % plan.header().ranks) {
  for (uint32_t c = 0; c < plan.classes().size(); ++c) {
    const bm_class &entry = plan.classes()[c];
    auto members = plan.members(entry);
    auto mine = std::find_if(members.begin(), members.end(),
                             [&](const bm_member &m) { return m.rank == pipelineRank; });
    if (mine == members.end())
      continue;
    bool isTrained = entry.kind == BM_CLASS_TRAINED;
    uint64_t shardBegin = 0, shardBytes = 0;
    if (isTrained) {
      HeldClass held{entry.bytes, *mine, {}, 0, 0};
      for (uint32_t d = 0; d < plan.header().replicas; ++d)
        for (const bm_member &member : members)
          held.group.push_back(d * plan.header().ranks + member.rank);
      held.self = std::find(held.group.begin(), held.group.end(), worldRank) - held.group.begin();
      shardBytes = entry.bytes / held.group.size();
      shardBegin = shardBytes * held.self;
      held.shardElements = shardBytes / sizeof(float);
      trained.push_back(std::move(held));
    }
    for (uint32_t p = 0; p < plan.params().size(); ++p) {
      const bm_param &param = plan.params()[p];
      if (param.class_index != c)
        continue;
      params.push_back({p, mine->param_offset + param.position});
      uint64_t bytes = plan.bytes(param);
      if (!isTrained) {
        // Every member has the same bytes: the first one of the first replica writes them.
        if (replica == 0 && mine == members.begin())
          segments.push_back({p, 0, bytes, params.back().offset, 0, 0, 0, false, false});
        continue;
      }
      uint64_t begin = std::max(param.position, shardBegin);
      uint64_t end = std::min(param.position + bytes, shardBegin + shardBytes);
      if (begin >= end)
        continue;
      segments.push_back({p, begin - param.position, end - begin, mine->param_offset + begin,
                          mine->grad_offset + begin, mine->m_offset + (begin - shardBegin),
                          mine->v_offset + (begin - shardBegin), true, param.dims.count >= 2});
    }
  }
}

} // namespace bigmac::rt
