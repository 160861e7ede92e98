#include "Executor.h"

#include <map>
#include <tuple>

namespace bigmac::rt {

Executor::Executor(const PlanView &plan, uint32_t worldRank, Device &device, Comm &comm,
                   const bm_task_fn *tasks, const Data &data, Trace &trace)
    : plan(plan), replica(worldRank / plan.header().ranks),
      rank(plan.ranks()[worldRank % plan.header().ranks]), device(device), comm(comm), tasks(tasks),
      data(data), trace(trace) {
  auto instrs = plan.instrs(rank);
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
  records.resize(recordCount);
  prepareTransfers();
}

void Executor::prepareTransfers() {
  auto instrs = plan.instrs(rank);
  using Key = std::tuple<uint16_t, int32_t, uint32_t, uint64_t, uint64_t>;
  std::map<Key, std::vector<Comm::Request>>
      idle; // prepared, and not open at this point of the list
  struct Open {
    Key key;
    Comm::Request request;
    uint32_t name;
  };
  std::vector<Open> slots(rank.slots);
  std::map<std::string, uint32_t> names;
  waitName.resize(instrs.size());
  uint32_t base = replica * plan.header().ranks;
  for (size_t i = 0; i < instrs.size(); ++i) {
    const bm_instr &instr = instrs[i];
    if (instr.op == BM_OP_SEND || instr.op == BM_OP_RECV) {
      bool sends = instr.op == BM_OP_SEND;
      uint32_t peer = base + instr.peer;
      Key key{instr.op, instr.peer, instr.tag, instr.offset, instr.bytes};
      auto &list = idle[key];
      Comm::Request request;
      if (!list.empty()) {
        request = list.back();
        list.pop_back();
      } else {
        void *at = device.address(instr.offset);
        request = sends ? comm.prepareSend(at, instr.bytes, peer, instr.tag)
                        : comm.prepareRecv(at, instr.bytes, peer, instr.tag);
      }
      std::string name = (sends ? "send to rank " : "receive from rank ") + std::to_string(peer) +
                         " for " + actionName(instr);
      auto known = names.try_emplace(name, waitNames.size());
      if (known.second)
        waitNames.push_back(name);
      slots[instr.slot] = {key, request, known.first->second};
      aux[i] = request;
    } else if (instr.op == BM_OP_WAIT) {
      const Open &open = slots[instr.slot];
      aux[i] = open.request;
      waitName[i] = open.name;
      idle[open.key].push_back(open.request);
    }
  }
}

void Executor::run(uint64_t step, const SampleOrder &order) {
  auto instrs = plan.instrs(rank);
  const bm_plan &h = plan.header();
  uint64_t computeNs = 0, waitNs = 0, begin = nowNs();
  trace.setStep(step);
  for (size_t i = 0; i < instrs.size(); ++i) {
    const bm_instr &instr = instrs[i];
    switch (instr.op) {
    case BM_OP_LOAD_INPUT:
      data.load(device, instr.offset, instr.index, order, step,
                (uint64_t(replica) * h.microbatches + instr.microbatch) * h.samples, h.samples);
      break;
    case BM_OP_RUN:
      device.run(tasks[instr.index], pointers.data() + aux[i]);
      comm.progress();
      break;
    case BM_OP_SEND:
      device.synchronize();
      [[fallthrough]];
    case BM_OP_RECV:
      comm.start(static_cast<Comm::Request>(aux[i]));
      break;
    case BM_OP_WAIT:
      comm.setOperation(waitNames[waitName[i]].c_str());
      comm.wait(static_cast<Comm::Request>(aux[i]));
      break;
    case BM_OP_ZERO:
      device.zero(instr.offset, instr.bytes);
      break;
    case BM_OP_RECORD:
      device.download(&records[aux[i]], instr.offset, sizeof(float));
      break;
    case BM_OP_COPY:
      device.copy(instr.offset, instr.u.source, instr.bytes);
      break;
    }
    uint64_t end = nowNs();
    (instr.op == BM_OP_WAIT ? waitNs : computeNs) += end - begin;
    if (trace.on())
      trace.add(instr, begin, end);
    begin = end;
  }
  device.synchronize();
  compute = computeNs * 1e-9;
  waiting = waitNs * 1e-9;
}

void Executor::addRecords(std::span<double> values) const {
  auto instrs = plan.instrs(rank);
  const bm_plan &h = plan.header();
  for (size_t i = 0; i < instrs.size(); ++i)
    if (instrs[i].op == BM_OP_RECORD)
      values[(size_t(instrs[i].index) * h.replicas + replica) * h.microbatches +
             instrs[i].microbatch] += records[aux[i]];
}

} // namespace bigmac::rt
