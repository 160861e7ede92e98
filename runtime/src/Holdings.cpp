#include "Holdings.h"

#include "bigmac-rt/PlanWriter.h"

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
    uint64_t shardBegin = 0, shard = 0;
    auto type = static_cast<bm_dtype>(entry.dtype),
         gradType = static_cast<bm_dtype>(entry.grad_dtype),
         momentType = static_cast<bm_dtype>(entry.moment_dtype);
    if (isTrained) {
      HeldClass held{c, *mine, type, gradType, {}, 0, plan.shardElements(entry)};
      for (uint32_t d = 0; d < plan.header().replicas; ++d)
        for (const bm_member &member : members)
          held.group.push_back(d * plan.header().ranks + member.rank);
      held.self = std::find(held.group.begin(), held.group.end(), worldRank) - held.group.begin();
      shard = held.shardElements;
      shardBegin = shard * held.self;
      trained.push_back(std::move(held));
    }
    for (uint32_t p = 0; p < plan.params().size(); ++p) {
      const bm_param &param = plan.params()[p];
      if (param.class_index != c)
        continue;
      params.push_back({p, mine->param_offset + param.position});
      uint64_t elements = plan.elements(param.dims);
      if (!isTrained) {
        // Every member has the same bytes: the first one of the first replica writes them.
        if (replica == 0 && mine == members.begin())
          segments.push_back({p,
                              0,
                              {.param = params.back().offset,
                               .elements = elements,
                               .paramType = static_cast<bm_dtype>(param.dtype)},
                              false,
                              false});
        continue;
      }
      // In elements of the class.
      uint64_t first = param.position / elementBytes(type);
      uint64_t begin = std::max(first, shardBegin),
               end = std::min(first + elements, shardBegin + shard);
      if (begin >= end)
        continue;
      uint64_t inShard = begin - shardBegin, moment = inShard * elementBytes(momentType);
      segments.push_back({p,
                          begin - first,
                          {.param = mine->param_offset + begin * elementBytes(type),
                           .grad = mine->grad_offset + begin * elementBytes(gradType),
                           .m = mine->m_offset + moment,
                           .v = mine->v_offset + moment,
                           .elements = end - begin,
                           .master = mine->master_offset == BM_NONE64
                                         ? BM_NONE64
                                         : mine->master_offset + inShard * sizeof(float),
                           .paramType = type,
                           .gradType = gradType,
                           .momentType = momentType},
                          true,
                          decays(param.dims.count)});
    }
  }
}

} // namespace bigmac::rt
