//===- RankMemory.cpp - What an rt program holds when ----------------------===//

#include "RankMemory.h"

#include "bigmac-rt/plan.h"
#include "bigmac/Support/ByteSize.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"

#include <tuple>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::rt;

static bm_memory memoryOf(pipeline::Component component) {
  switch (component) {
  case pipeline::Component::llm:
    return BM_MEM_LLM;
  case pipeline::Component::encoder:
    return BM_MEM_ENCODER;
  case pipeline::Component::generator:
    return BM_MEM_GENERATOR;
  }
  llvm_unreachable("unknown component");
}

namespace {

/// Something in the arena, from the start of action `from` to the end of action `last`.
struct Held {
  uint64_t bytes = 0;
  bm_memory memory = BM_MEM_WORKSPACE;
  uint32_t from = 0;
  uint32_t last = 0;
};

class RankWalk {
public:
  RankWalk(const llvm::StringMap<TaskOp> &tasks, const llvm::StringMap<InputOp> &inputs)
      : tasks(tasks), inputs(inputs) {}

  void walk(RankOp rank) {
    for (Operation &op : *rank.getBody())
      llvm::TypeSwitch<Operation *>(&op)
          .Case([&](LoadOp load) {
            put(load.getOffset(), byteSize(inputs.lookup(load.getName()).getType()), BM_MEM_INPUTS);
          })
          .Case([&](RecvOp recv) {
            put(recv.getOffset(), recv.getBytes(), BM_MEM_TRANSFERS);
            slots[recv.getSlot()] = current.lookup(recv.getOffset());
          })
          .Case([&](SendOp send) { slots[send.getSlot()] = current.lookup(send.getOffset()); })
          .Case([&](OffloadOp offload) {
            size_t index = current.lookup(offload.getOffset());
            slots[offload.getSlot()] = index;
            away[{offload.getValue(), offload.getMicrobatch()}] = held[index].memory;
          })
          .Case([&](FetchOp fetch) {
            put(fetch.getOffset(), fetch.getBytes(),
                away.lookup({fetch.getValue(), fetch.getMicrobatch()}));
            slots[fetch.getSlot()] = current.lookup(fetch.getOffset());
          })
          .Case([&](WaitOp wait) {
            // Done before the next action.
            if (action > 0)
              use(slots.lookup(wait.getSlot()), action - 1);
          })
          .Case([&](RunOp run) { this->run(run); });
  }

  uint32_t runs() const { return action; }

  std::vector<report::MemoryStep> steps() const {
    std::vector<report::MemoryStep> steps;
    for (const Held &value : held)
      if (value.bytes > 0) {
        int64_t bytes = static_cast<int64_t>(value.bytes);
        steps.push_back({value.from, false, value.memory, bytes});
        steps.push_back({value.last, true, value.memory, -bytes});
      }
    llvm::sort(steps, [](const report::MemoryStep &a, const report::MemoryStep &b) {
      return std::tuple(a.action, a.atEnd, a.memoryClass, a.bytes) <
             std::tuple(b.action, b.atEnd, b.memoryClass, b.bytes);
    });
    return steps;
  }

private:
  void put(uint64_t offset, uint64_t bytes, bm_memory memory) {
    current[offset] = held.size();
    held.push_back({bytes, memory, action, action});
  }
  void use(size_t index, uint32_t at) { held[index].last = std::max(held[index].last, at); }

  void run(RunOp run) {
    TaskOp task = tasks.lookup(run.getCallee());
    ArrayRef<int64_t> offsets = run.getOffsets(), bytes = task.getBytes();
    size_t reads = task.getReads().size();
    for (size_t i = 0; i < reads; ++i)
      use(current.lookup(offsets[i]), action);
    // Parameters and gradients are there all the time.
    size_t made = reads + task.getParameters().size() + task.getGradients().size();
    for (size_t i = made; i < offsets.size(); ++i)
      put(offsets[i], bytes[i],
          i + 1 == offsets.size() ? BM_MEM_WORKSPACE : memoryOf(task.getComponent()));
    ++action;
  }

  const llvm::StringMap<TaskOp> &tasks;
  const llvm::StringMap<InputOp> &inputs;
  std::vector<Held> held;
  /// What is at an offset now, and what a slot transfers.
  DenseMap<uint64_t, size_t> current;
  DenseMap<int64_t, size_t> slots;
  /// What a value and microbatch in the host's memory is counted as.
  DenseMap<std::pair<uint64_t, uint64_t>, bm_memory> away;
  /// Runs so far.
  uint32_t action = 0;
};

} // namespace

FailureOr<report::Memory> bigmac::memoryOverTime(ProgramOp program,
                                                 const planning::Schedule &schedule) {
  llvm::StringMap<TaskOp> tasks;
  for (auto task : program.getBody()->getOps<TaskOp>())
    tasks[task.getCallee()] = task;
  llvm::StringMap<InputOp> inputs;
  for (auto input : program.getBody()->getOps<InputOp>())
    inputs[input.getName()] = input;

  report::Memory memory;
  // The order of bm_memory.
  memory.classes = {"parameters",      "gradients",           "optimizer",
                    "LLM activations", "encoder activations", "generator activations",
                    "transfers",       "workspace",           "inputs"};
  for (auto rank : program.getBody()->getOps<RankOp>()) {
    RankWalk walk(tasks, inputs);
    walk.walk(rank);
    size_t number = memory.steps.size();
    if (number >= schedule.orders.size() || walk.runs() != schedule.orders[number].size())
      return rank.emitOpError("runs ") << walk.runs() << " tasks, which are not its schedule's";
    std::vector<uint64_t> base(BM_MEM_COUNT, 0);
    for (bm_memory always : {BM_MEM_PARAMETERS, BM_MEM_GRADIENTS, BM_MEM_OPTIMIZER})
      base[always] = static_cast<uint64_t>(rank.getMemory()[always]);
    memory.base.push_back(std::move(base));
    memory.steps.push_back(walk.steps());
  }
  if (memory.steps.size() != schedule.orders.size())
    return program.emitOpError("has ")
           << memory.steps.size() << " ranks, its schedule " << schedule.orders.size();
  return memory;
}
