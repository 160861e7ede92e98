#include "Executor.h"

#include "Lanes.h"
#include "bigmac-rt/Error.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace bigmac::rt {

Executor::Executor(const PlanView &plan, uint32_t worldRank, Device &device, Comm &comm,
                   const bm_task_fn *tasks, const Data &data, Trace &trace,
                   std::multimap<size_t, Comm::Region> sums, bool poison)
    : plan(plan), replica(worldRank / plan.header().ranks),
      rank(plan.ranks()[worldRank % plan.header().ranks]), instrs(plan.instrs(rank)),
      device(device), comm(comm), tasks(tasks), data(data), trace(trace), sums(std::move(sums)),
      poison(poison) {
  aux.resize(instrs.size());
  // Argument lists are shared in the image; the pointers are shared too.
  std::map<std::pair<uint64_t, uint64_t>, size_t> lists;
  size_t recordCount = 0;
  for (size_t i = 0; i < instrs.size(); ++i) {
    const bm_instr &instr = instrs[i];
    if (instr.op == BM_OP_RECORD)
      aux[i] = recordCount++;
    if (instr.op != BM_OP_RUN)
      continue;
    auto [it, isNew] =
        lists.try_emplace({instr.u.args.offset, instr.u.args.count}, pointers.size());
    aux[i] = it->second;
    if (isNew)
      for (uint64_t offset : plan.table<uint64_t>(instr.u.args))
        pointers.push_back(device.address(offset));
  }
  records = static_cast<float *>(device.hostMemory(recordCount * sizeof(float)));
  prepareTransfers();
  prepareCopies();
  prepareInputs();
  prepareLabels();
  if (poison)
    findUnkept();
  device.prepareMarks(instrs.size() + 1);
}

void Executor::prepareTransfers() {
  Lanes lanes(plan);
  struct Open {
    Comm::Request request;
    uint32_t name;
  };
  std::vector<Open> slots(rank.slots, Open{0, kCopy});
  std::map<std::string, uint32_t> names;
  waitName.resize(instrs.size());
  uint32_t base = replica * plan.header().ranks, self = &rank - plan.ranks().data();
  for (size_t i = 0; i < instrs.size(); ++i) {
    const bm_instr &instr = instrs[i];
    if (instr.op == BM_OP_SEND || instr.op == BM_OP_RECV) {
      bool sends = instr.op == BM_OP_SEND;
      uint32_t peer = base + instr.peer;
      void *at = device.address(instr.offset);
      uint32_t lane =
          sends ? lanes.of(self, instr.peer, instr.tag) : lanes.of(instr.peer, self, instr.tag);
      Comm::Request request = sends ? comm.prepareSend(at, instr.bytes, peer, lane)
                                    : comm.prepareRecv(at, instr.bytes, peer, lane);
      std::string name = (sends ? "send to rank " : "receive from rank ") + std::to_string(peer) +
                         " for " + actionName(instr);
      auto known = names.try_emplace(name, waitNames.size());
      if (known.second)
        waitNames.push_back(name);
      slots[instr.slot] = {request, known.first->second};
      aux[i] = request;
    } else if (instr.op == BM_OP_WAIT) {
      Open &open = slots[instr.slot];
      aux[i] = open.request;
      waitName[i] = open.name;
      open.name = kCopy; // unless a transfer takes the slot
    }
  }
}

void Executor::prepareCopies() {
  bool any = false;
  for (const bm_instr &instr : instrs)
    if (instr.op == BM_OP_OFFLOAD) {
      any = true;
      hostPeak = std::max(hostPeak, instr.u.host + instr.bytes);
    }
  if (!any)
    return;
  host = static_cast<std::byte *>(device.hostMemory(rank.host_bytes));
  device.prepareCopies(rank.slots);
}

void Executor::prepareInputs() {
  uint64_t bytes = 0;
  for (size_t i = 0; i < instrs.size(); ++i)
    if (instrs[i].op == BM_OP_LOAD_INPUT) {
      aux[i] = bytes;
      bytes += (plan.bytes(plan.inputs()[instrs[i].index]) + BM_REGION_ALIGN - 1) /
               BM_REGION_ALIGN * BM_REGION_ALIGN;
    }
  if (device.isHost())
    return;
  for (std::byte *&memory : staging)
    memory = static_cast<std::byte *>(device.hostMemory(bytes));
}

void Executor::prepareLabels() {
  std::map<std::string, uint32_t> known;
  label.resize(instrs.size());
  for (size_t i = 0; i < instrs.size(); ++i) {
    std::string name = actionName(instrs[i]);
    auto [it, isNew] = known.try_emplace(name, labels.size());
    label[i] = it->second;
    if (isNew)
      labels.push_back(name);
  }
}

void Executor::findUnkept() {
  uint32_t self = &rank - plan.ranks().data();
  std::vector<Bytes> kept;
  for (const bm_class &entry : plan.classes())
    for (const bm_member &member : plan.members(entry)) {
      if (member.rank != self)
        continue;
      kept.push_back({member.param_offset, entry.bytes});
      if (entry.kind != BM_CLASS_TRAINED)
        continue;
      // Gradients stay too: padding between them is never written and must be zero.
      kept.push_back({member.grad_offset, plan.elements(entry) * elementBytes(entry.grad_dtype)});
      uint64_t shard = plan.shardElements(entry);
      for (uint64_t offset : {member.m_offset, member.v_offset})
        kept.push_back({offset, shard * elementBytes(entry.moment_dtype)});
      if (member.master_offset != BM_NONE64)
        kept.push_back({member.master_offset, shard * sizeof(float)});
    }
  std::sort(kept.begin(), kept.end(),
            [](const Bytes &a, const Bytes &b) { return a.offset < b.offset; });
  uint64_t at = 0;
  for (const Bytes &range : kept) {
    if (range.offset > at)
      poisoned.push_back({at, range.offset - at});
    at = std::max(at, range.offset + range.size);
  }
  if (at < rank.arena_bytes)
    poisoned.push_back({at, rank.arena_bytes - at});
}

void Executor::load(void *target, const bm_instr &instr, uint64_t step,
                    const SampleOrder &order) const {
  const bm_plan &h = plan.header();
  uint64_t first = (uint64_t(replica) * h.microbatches + instr.microbatch) * h.samples;
  data.load(target, instr.index, order, step, first, h.samples);
}

void Executor::stage(uint32_t slot, uint64_t step, const SampleOrder &order) {
  if (!staging[slot] || staged[slot] == step)
    return;
  staged[slot].reset();
  for (size_t i = 0; i < instrs.size(); ++i)
    if (instrs[i].op == BM_OP_LOAD_INPUT) {
      load(staging[slot] + aux[i], instrs[i], step, order);
      comm.progress();
    }
  staged[slot] = step;
}

bool Executor::marked(size_t i) const {
  // Every instruction for a trace, else only where waiting begins or ends.
  bool waits = instrs[i].op == BM_OP_WAIT;
  return trace.on() || i + 1 == instrs.size() || waits != (instrs[i + 1].op == BM_OP_WAIT);
}

void Executor::beginSums(size_t done) {
  for (auto [from, end] = sums.equal_range(done); from != end; ++from)
    comm.beginSum(device, from->second);
}

void Executor::issue(uint32_t slot, uint64_t step, const SampleOrder &order) {
  // The next step's inputs are gathered piece by piece between the calls: a host that may not be
  // far ahead of the device would begin with them too late.
  const uint32_t other = 1 - slot;
  bool gathers = staging[other] && staged[other] != step + 1;
  if (gathers)
    staged[other].reset();
  device.mark(0);
  for (const Bytes &range : poisoned)
    device.fill(range.offset, 0xFF, range.size);
  for (size_t i = 0; i < instrs.size(); ++i) {
    const bm_instr &instr = instrs[i];
    beginSums(i);
    if (i == 0 || label[i] != label[i - 1])
      device.label(labels[label[i]].c_str());
    switch (instr.op) {
    case BM_OP_LOAD_INPUT:
      if (staging[slot])
        device.upload(instr.offset, staging[slot] + aux[i], plan.bytes(plan.inputs()[instr.index]));
      else
        load(device.address(instr.offset), instr, step, order);
      try {
        if (gathers)
          load(staging[other] + aux[i], instr, step + 1, order);
      } catch (const RuntimeError &) {
        gathers = false; // bad data are that step's error, if it comes
      }
      break;
    case BM_OP_RUN:
      device.run(tasks[instr.index], pointers.data() + aux[i]);
      comm.progress();
      break;
    case BM_OP_SEND:
    case BM_OP_RECV:
      comm.start(static_cast<Comm::Request>(aux[i]));
      break;
    case BM_OP_OFFLOAD:
      device.offload(instr.slot, host + instr.u.host, instr.offset, instr.bytes);
      break;
    case BM_OP_FETCH:
      device.fetch(instr.slot, instr.offset, host + instr.u.host, instr.bytes);
      break;
    case BM_OP_WAIT:
      if (waitName[i] == kCopy) {
        device.await(instr.slot);
        break;
      }
      comm.setOperation(waitNames[waitName[i]].c_str());
      comm.wait(static_cast<Comm::Request>(aux[i]));
      break;
    case BM_OP_ZERO:
      device.fill(instr.offset, 0, instr.bytes);
      break;
    case BM_OP_RECORD:
      device.download(&records[aux[i]], instr.offset, sizeof(float));
      break;
    case BM_OP_COPY:
      device.copy(instr.offset, instr.u.source, instr.bytes);
      break;
    }
    if (marked(i))
      device.mark(i + 1);
  }
  beginSums(instrs.size());
  device.label(nullptr);
  if (gathers)
    staged[other] = step + 1;
}

void Executor::run(uint64_t step, const SampleOrder &order) {
  auto slot = static_cast<uint32_t>(step % 2);
  stage(slot, step, order);
  // Every copy of the step before has ended.
  if (poison && host)
    std::memset(host, 0xFF, rank.host_bytes);
  if (!device.replay(slot)) {
    device.beginList(slot);
    issue(slot, step, order);
    device.endList();
  }
  try {
    stage(1 - slot, step + 1, order);
  } catch (const RuntimeError &) {
    // Bad data are that step's error, if it comes.
  }
  device.synchronize();
  measure(step);
}

void Executor::measure(uint64_t step) {
  uint64_t computeNs = 0, waitNs = 0, begin = device.markTime(0);
  trace.setStep(step);
  for (size_t i = 0; i < instrs.size(); ++i) {
    if (!marked(i))
      continue;
    uint64_t end = std::max(begin, device.markTime(i + 1));
    (instrs[i].op == BM_OP_WAIT ? waitNs : computeNs) += end - begin;
    if (trace.on())
      trace.add(instrs[i], begin, end);
    begin = end;
  }
  compute = computeNs * 1e-9;
  waiting = waitNs * 1e-9;
}

void Executor::addRecords(std::span<double> values) const {
  const bm_plan &h = plan.header();
  for (size_t i = 0; i < instrs.size(); ++i)
    if (instrs[i].op == BM_OP_RECORD)
      values[(size_t(instrs[i].index) * h.replicas + replica) * h.microbatches +
             instrs[i].microbatch] += records[aux[i]];
}

} // namespace bigmac::rt
