#include "GradientOrder.h"

#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <utility>

namespace bigmac::rt {

namespace {

struct Bytes {
  uint64_t begin, size;

  bool meets(Bytes other) const {
    return begin < other.begin + other.size && other.begin < begin + size;
  }
};

/// Calls `touch` with everything that the instruction reads or writes in the arena. What stays open
/// until a WAIT is touched by that as well, so `open` has it by slot.
template <typename Touch>
void forBytes(const PlanView &plan, const bm_instr &instr, std::vector<Bytes> &open, Touch touch) {
  Bytes own{instr.offset, instr.bytes};
  switch (instr.op) {
  case BM_OP_LOAD_INPUT:
    touch(Bytes{instr.offset, plan.bytes(plan.inputs()[instr.index])});
    break;
  case BM_OP_RUN: {
    auto bytes = plan.table<uint64_t>(plan.tasks()[instr.index].arg_bytes);
    auto offsets = plan.table<uint64_t>(instr.u.args);
    for (size_t i = 0; i < offsets.size(); ++i)
      touch(Bytes{offsets[i], bytes[i]});
    break;
  }
  case BM_OP_SEND:
  case BM_OP_RECV:
  case BM_OP_OFFLOAD:
  case BM_OP_FETCH:
    touch(own);
    open[instr.slot] = own;
    break;
  case BM_OP_WAIT:
    touch(open[instr.slot]);
    break;
  case BM_OP_ZERO:
    touch(own);
    break;
  case BM_OP_RECORD:
    touch(Bytes{instr.offset, sizeof(float)});
    break;
  case BM_OP_COPY:
    touch(own);
    touch(Bytes{instr.u.source, instr.bytes});
    break;
  }
}

} // namespace

std::vector<size_t> gradientsComplete(const PlanView &plan, uint32_t pipelineRank) {
  const bm_rank &rank = plan.ranks()[pipelineRank];
  struct Gradients {
    uint32_t index;
    Bytes bytes;
  };
  std::vector<Gradients> held;
  for (uint32_t c = 0; c < plan.classes().size(); ++c) {
    const bm_class &entry = plan.classes()[c];
    if (entry.kind != BM_CLASS_TRAINED)
      continue;
    for (const bm_member &member : plan.members(entry))
      if (member.rank == pipelineRank)
        held.push_back(
            {c, {member.grad_offset, plan.elements(entry) * elementBytes(entry.grad_dtype)}});
  }
  std::vector<size_t> complete(plan.classes().size(), 0);
  std::vector<Bytes> open(rank.slots, Bytes{0, 0});
  auto instrs = plan.instrs(rank);
  for (size_t i = 0; i < instrs.size(); ++i)
    forBytes(plan, instrs[i], open, [&](Bytes bytes) {
      for (const Gradients &gradients : held)
        if (gradients.bytes.meets(bytes))
          complete[gradients.index] = i + 1;
    });
  return complete;
}

std::vector<uint32_t> gradientOrder(const PlanView &plan) {
  std::vector<double> parts(plan.classes().size(), 0); // of a list
  for (uint32_t r = 0; r < plan.ranks().size(); ++r) {
    auto complete = gradientsComplete(plan, r);
    double all = std::max<double>(1, plan.ranks()[r].instrs.count);
    for (size_t c = 0; c < complete.size(); ++c)
      parts[c] = std::max(parts[c], static_cast<double>(complete[c]) / all);
  }
  std::vector<uint32_t> order;
  for (uint32_t c = 0; c < plan.classes().size(); ++c)
    if (plan.classes()[c].kind == BM_CLASS_TRAINED)
      order.push_back(c);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(parts[a], a) < std::pair(parts[b], b);
  });
  return order;
}

} // namespace bigmac::rt
