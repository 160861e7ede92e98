//===- PipelineToRT.cpp - Place every buffer, write instructions -----------===//

#include "HostStays.h"
#include "ParameterClasses.h"
#include "RankProgram.h"
#include "bigmac/Conversion/Passes.h"
#include "bigmac/Planning/RingPlacement.h"
#include "bigmac/Support/ByteSize.h"
#include "dialects/Pipeline/Transforms/TaskCosts.h"
#include "dialects/RT/IR/RT.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace bigmac {
#define GEN_PASS_DEF_CONVERTPIPELINETORT
#include "bigmac/Conversion/Passes.h.inc"
} // namespace bigmac

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

namespace {

class Converter {
public:
  struct Options {
    int64_t replicas;
    uint64_t memoryLimit, hostLimit;
    StringRef device, profile;
  };
  Converter(ModuleOp module, ScheduledOp scheduled, const Options &options)
      : module(module), scheduled(scheduled), options(options), replicas(options.replicas) {}
  LogicalResult run();

private:
  void writeDeclarations(OpBuilder &builder);
  LogicalResult writeRank(OpBuilder &builder, uint32_t rank, const RankProgram &own);
  void writeInstructions(OpBuilder &builder, uint32_t rank, const RankProgram &own,
                         ArrayRef<uint64_t> offsets, ArrayRef<uint64_t> hostOffsets);
  /// Lets the values that the program says are offloaded wait in the host's memory.
  LogicalResult offload(MutableArrayRef<RankProgram> ranks);
  FailureOr<planning::Placement> placeHost(uint32_t rank, const RankProgram &own);

  ModuleOp module;
  ScheduledOp scheduled;
  Options options;
  int64_t replicas;
  /// Of the host's memory; 0: no limit.
  uint64_t hostLimit = 0;
  std::optional<Program> program;
  planning::Schedule schedule;
  ParameterLayout layout;
  /// By value: the outputs that it is a term of.
  DenseMap<Value, SmallVector<StringAttr, 1>> records;
};

} // namespace

void Converter::writeDeclarations(OpBuilder &builder) {
  Location loc = scheduled.getLoc();
  for (auto input : scheduled.getBody()->getOps<InputOp>())
    rt::InputOp::create(builder, input.getLoc(), input.getName(), input.getType());
  struct Scalar {
    bool loss = false, weight = false;
    SmallVector<int64_t> terms;
  };
  llvm::MapVector<StringAttr, Scalar> scalars;
  for (auto output : scheduled.getBody()->getOps<OutputOp>()) {
    Scalar &scalar = scalars[output.getNameAttr()];
    scalar.loss |= output.getLoss();
    scalar.weight |= output.getWeight();
    scalar.terms.push_back(program->channelOf(output.getValue()));
    SmallVector<StringAttr, 1> &names = records[output.getValue()];
    names.push_back(output.getNameAttr());
  }
  for (auto &[name, scalar] : scalars)
    rt::ScalarOp::create(builder, loc, name.getValue(), scalar.loss, scalar.weight, scalar.terms);
  for (auto [id, cls] : llvm::enumerate(layout.classes)) {
    // Named where they are not f32.
    bool isNarrow = cls.trained && !cls.element.isF32();
    auto typeOf = [&](Type type) { return isNarrow ? TypeAttr::get(type) : TypeAttr(); };
    rt::ClassOp::create(
        builder, loc, id, cls.trained, cls.bytes, typeOf(cls.element), typeOf(cls.gradient),
        typeOf(cls.moment), cls.members, cls.params, cls.grads, cls.first, cls.second,
        cls.master ? builder.getDenseI64ArrayAttr(cls.masters) : DenseI64ArrayAttr());
  }
  for (nn::ParameterOp parameter : layout.parameters) {
    ParameterLayout::Place place = layout.places.lookup(parameter.getSymName());
    rt::ParameterOp::create(builder, parameter.getLoc(), parameter.getSymName(), place.classIndex,
                            place.position);
  }
  SymbolTable symbols(module);
  for (TaskOp task : program->tasks()) {
    SmallVector<int64_t> bytes;
    auto function = symbols.lookup<func::FuncOp>(task.getCallee());
    for (Type type : function.getArgumentTypes())
      bytes.push_back(byteSize(type));
    for (Type type : function.getResultTypes())
      bytes.push_back(byteSize(type));
    bytes.push_back(task.getWorkspace());
    SmallVector<Attribute> reads;
    for (Value input : task.getInputs()) {
      if (auto graph = input.getDefiningOp<InputOp>())
        reads.push_back(graph.getNameAttr());
      else
        reads.push_back(builder.getI64IntegerAttr(program->channelOf(input)));
    }
    SmallVector<int64_t> makes;
    for (Value output : task.getOutputs())
      makes.push_back(program->channelOf(output));
    rt::TaskOp::create(builder, task.getLoc(), task.getCallee(), task.getComponent(),
                       task.getPhase(), task.getStage(), builder.getArrayAttr(reads),
                       task.getParameters(), task.getGradients(), makes, bytes);
  }
}

void Converter::writeInstructions(OpBuilder &builder, uint32_t rank, const RankProgram &own,
                                  ArrayRef<uint64_t> offsets, ArrayRef<uint64_t> hostOffsets) {
  Location loc = scheduled.getLoc();
  ArrayRef<planning::Action> order = schedule.orders[rank];
  for (const ParameterClass &cls : layout.classes) {
    auto member = llvm::find(cls.members, static_cast<int64_t>(rank));
    if (cls.trained && member != cls.members.end())
      rt::ZeroOp::create(builder, loc, cls.grads[member - cls.members.begin()], cls.gradientBytes);
  }
  // Slots are reused as soon as they are waited for.
  SmallVector<int64_t> freeSlots;
  int64_t slots = 0;
  auto takeSlot = [&] { return freeSlots.empty() ? slots++ : freeSlots.pop_back_val(); };
  std::vector<int64_t> receiveSlot(own.receives.size()), sendSlot(own.sends.size()),
      copySlot(own.stays.size());
  /// The copies that `lists` has for a position, each by what `write` makes of it.
  auto copies = [&](const std::vector<SmallVector<unsigned>> &lists, size_t position, auto write) {
    if (position < lists.size())
      for (unsigned i : lists[position])
        write(i, own.buffers[own.stays[i].from]);
  };
  auto waitCopies = [&](const std::vector<SmallVector<unsigned>> &lists, size_t position,
                        TaskOp task, int64_t microbatch) {
    copies(lists, position, [&](unsigned i, const RankBuffer &) {
      rt::WaitOp::create(builder, loc, copySlot[i], task.getCallee(), microbatch);
      freeSlots.push_back(copySlot[i]);
    });
  };
  auto finishSends = [&](size_t position) {
    for (unsigned i : own.finish[position]) {
      const Message &m = own.sends[i];
      rt::WaitOp::create(builder, loc, sendSlot[i], m.value.getDefiningOp<TaskOp>().getCallee(),
                         m.microbatch);
      freeSlots.push_back(sendSlot[i]);
    }
  };
  for (auto [position, action] : llvm::enumerate(order)) {
    TaskOp task = program->taskOf(rank, action);
    finishSends(position);
    waitCopies(own.left, position, task, action.microbatch);
    copies(own.fetch, position, [&](unsigned i, const RankBuffer &buffer) {
      copySlot[i] = takeSlot();
      rt::FetchOp::create(builder, loc, program->channelOf(buffer.value), buffer.microbatch,
                          hostOffsets[i], offsets[own.stays[i].to], buffer.life.size, copySlot[i]);
    });
    for (unsigned i : own.post[position]) {
      const Message &m = own.receives[i];
      receiveSlot[i] = takeSlot();
      rt::RecvOp::create(builder, loc, m.peer, program->channelOf(m.value), m.microbatch,
                         offsets[m.buffer], byteSize(m.value.getType()), receiveSlot[i]);
    }
    for (unsigned i : own.loads[position])
      rt::LoadOp::create(builder, loc, task.getInputs()[i].getDefiningOp<InputOp>().getName(),
                         action.microbatch, offsets[own.operands[position][i]]);
    for (unsigned i : own.await[position]) {
      rt::WaitOp::create(builder, loc, receiveSlot[i], task.getCallee(), action.microbatch);
      freeSlots.push_back(receiveSlot[i]);
    }
    waitCopies(own.fetched, position, task, action.microbatch);
    SmallVector<int64_t> arguments;
    auto append = [&](unsigned buffer) {
      arguments.push_back(buffer == RankProgram::kNoBuffer ? 0 : offsets[buffer]);
    };
    ArrayRef<unsigned> operands(own.operands[position]);
    size_t inputs = task.getInputs().size();
    llvm::for_each(operands.take_front(inputs), append);
    for (auto name : task.getParameters().getAsRange<FlatSymbolRefAttr>())
      arguments.push_back(layout.valueOffset(name.getValue(), rank));
    for (auto name : task.getGradients().getAsRange<FlatSymbolRefAttr>())
      arguments.push_back(layout.gradientOffset(name.getValue(), rank));
    llvm::for_each(operands.drop_front(inputs), append);
    rt::RunOp::create(builder, task.getLoc(), task.getCallee(), action.microbatch, arguments);
    for (auto [i, output] : llvm::enumerate(task.getOutputs()))
      for (StringAttr name : records.lookup(output))
        rt::RecordOp::create(builder, loc, name.getValue(), action.microbatch,
                             offsets[operands[inputs + i]]);
    for (unsigned i : own.start[position]) {
      const Message &m = own.sends[i];
      sendSlot[i] = takeSlot();
      rt::SendOp::create(builder, loc, m.peer, program->channelOf(m.value), m.microbatch,
                         offsets[m.buffer], byteSize(m.value.getType()), sendSlot[i]);
    }
    copies(own.leave, position, [&](unsigned i, const RankBuffer &buffer) {
      copySlot[i] = takeSlot();
      rt::OffloadOp::create(builder, loc, program->channelOf(buffer.value), buffer.microbatch,
                            offsets[own.stays[i].from], hostOffsets[i], buffer.life.size,
                            copySlot[i]);
    });
  }
  finishSends(order.size());
}

FailureOr<planning::Placement> Converter::placeHost(uint32_t rank, const RankProgram &own) {
  std::vector<planning::Buffer> lives;
  std::vector<uint32_t> rings;
  for (const HostStay &stay : own.stays) {
    lives.push_back(stay.life);
    rings.push_back(own.buffers[stay.from].ring);
  }
  auto placement = planning::placeInRings(lives, rings);
  if (!placement)
    return scheduled.emitError("cannot place what rank ")
           << rank << " offloads: " << placement.message();
  if (auto proof = planning::verifyPlacement(lives, placement->offsets); !proof)
    return scheduled.emitError("the plan of the host's memory for rank ")
           << rank << " is wrong: " << proof.message();
  placement->peak = llvm::alignTo(placement->peak, BM_REGION_ALIGN);
  if (hostLimit && placement->peak > hostLimit)
    return scheduled.emitError("rank ")
           << rank << " needs " << placement->peak << " bytes of the host's memory, "
           << placement->peak - hostLimit << " more than "
           << (options.hostLimit ? "--host-limit allows" : "its device may take");
  return std::move(*placement);
}

LogicalResult Converter::offload(MutableArrayRef<RankProgram> ranks) {
  SmallVector<Value> values = offloadedValues(scheduled);
  if (values.empty())
    return success();
  FailureOr<CostModel> model = CostModel::load(scheduled, options.device, options.profile);
  if (failed(model))
    return failure();
  hostLimit = options.hostLimit ? options.hostLimit : model->device.hostMemoryBytes.value_or(0);
  FailureOr<planning::Costs> costs = taskCosts(*program, module, *model);
  if (failed(costs))
    return failure();
  auto timing = planning::execute(schedule, ProgramDependencies(*program), *costs);
  if (!timing)
    return scheduled.emitError("cannot execute the schedule: ") << timing.message();
  for (auto [rank, own] : llvm::enumerate(ranks))
    addStays(own, planStays(own, values, timesOf(*timing, rank), model->device.host));
  return success();
}

LogicalResult Converter::writeRank(OpBuilder &builder, uint32_t rank, const RankProgram &own) {
  std::vector<planning::Buffer> buffers;
  std::vector<uint32_t> rings;
  for (const RankBuffer &buffer : own.buffers) {
    buffers.push_back(buffer.life);
    rings.push_back(buffer.ring);
  }
  auto placement = planning::placeInRings(buffers, rings);
  if (!placement)
    return scheduled.emitError("cannot place the buffers of rank ")
           << rank << ": " << placement.message();
  if (auto proof = planning::verifyPlacement(buffers, placement->offsets); !proof)
    return scheduled.emitError("the memory plan of rank ")
           << rank << " is wrong: " << proof.message();

  FailureOr<planning::Placement> host = placeHost(rank, own);
  if (failed(host))
    return failure();

  uint64_t base = layout.end[rank];
  uint64_t shards = 1;
  for (const ParameterClass &cls : layout.classes)
    if (cls.trained && llvm::is_contained(cls.members, static_cast<int64_t>(rank)))
      shards = std::max<uint64_t>(shards, cls.members.size() * replicas);
  uint64_t scratch = llvm::alignTo(placement->peak, BM_REGION_ALIGN);
  scratch = std::max<uint64_t>(scratch, (shards - 1) * BM_SCRATCH_MIN);
  uint64_t arena = base + scratch;

  SmallVector<int64_t> memory(BM_MEM_COUNT, 0);
  for (const ParameterClass &cls : layout.classes) {
    if (!llvm::is_contained(cls.members, static_cast<int64_t>(rank)))
      continue;
    memory[BM_MEM_PARAMETERS] += cls.bytes;
    if (!cls.trained)
      continue;
    memory[BM_MEM_GRADIENTS] += cls.gradientBytes;
    memory[BM_MEM_OPTIMIZER] += cls.optimizerBytes();
  }
  for (bm_memory kind : {BM_MEM_LLM, BM_MEM_ENCODER, BM_MEM_GENERATOR, BM_MEM_TRANSFERS,
                         BM_MEM_WORKSPACE, BM_MEM_INPUTS}) {
    std::vector<planning::Buffer> ofKind;
    for (const RankBuffer &buffer : own.buffers)
      if (buffer.memory == kind)
        ofKind.push_back(buffer.life);
    memory[kind] = planning::maxLiveBytes(ofKind);
  }
  if (options.memoryLimit && arena > options.memoryLimit) {
    auto diagnostic = scheduled.emitError("rank ")
                      << rank << " needs " << arena << " bytes, " << arena - options.memoryLimit
                      << " more than --memory-limit allows";
    diagnostic.attachNote() << "parameters " << memory[BM_MEM_PARAMETERS] << ", gradients "
                            << memory[BM_MEM_GRADIENTS] << ", optimizer "
                            << memory[BM_MEM_OPTIMIZER] << ", activations and transfers at most "
                            << placement->peak;
    return diagnostic;
  }

  SmallVector<uint64_t> offsets;
  for (uint64_t offset : placement->offsets)
    offsets.push_back(base + offset);
  auto op = rt::RankOp::create(builder, scheduled.getLoc(), rank, arena, host->peak, base, scratch,
                               memory, builder.getI64IntegerAttr(placement->lowerBound));
  OpBuilder::InsertionGuard guard(builder);
  builder.createBlock(&op.getBodyRegion());
  writeInstructions(builder, rank, own, offsets, host->offsets);
  return success();
}

LogicalResult Converter::run() {
  if (replicas < 1)
    return scheduled.emitError("expected at least one data-parallel replica, found ") << replicas;
  FailureOr<Program> read = Program::read(scheduled);
  if (failed(read))
    return failure();
  program = std::move(*read);
  schedule = scheduleOf(scheduled, *program);
  auto timing =
      planning::execute(schedule, ProgramDependencies(*program), taskCosts(*program, module));
  if (!timing)
    return scheduled.emitError("cannot execute the schedule: ") << timing.message();
  FailureOr<std::vector<RankProgram>> ranks = buildRankPrograms(*program, schedule, *timing);
  if (failed(ranks) || failed(offload(*ranks)))
    return failure();
  layout = layoutParameters(*program, module, replicas);

  OpBuilder builder(scheduled);
  auto result = rt::ProgramOp::create(builder, scheduled.getLoc(), scheduled.getSymName(),
                                      scheduled.getRanks(), scheduled.getChunks(), replicas,
                                      scheduled.getMicrobatches(), scheduled.getSamples(),
                                      scheduled.getPlacementAttr());
  builder.createBlock(&result.getBodyRegion());
  writeDeclarations(builder);
  for (auto [rank, own] : llvm::enumerate(*ranks))
    if (failed(writeRank(builder, rank, own)))
      return failure();
  scheduled.erase();
  return success();
}

namespace {
struct ConvertPipelineToRTPass
    : public bigmac::impl::ConvertPipelineToRTBase<ConvertPipelineToRTPass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<ScheduledOp> programs(getOperation().getOps<ScheduledOp>());
    if (programs.size() != 1) {
      getOperation().emitError("expected one pipeline.scheduled program, found ")
          << programs.size();
      return signalPassFailure();
    }
    Converter::Options options{replicas, static_cast<uint64_t>(memoryLimit),
                               static_cast<uint64_t>(hostLimit), device, profile};
    if (failed(Converter(getOperation(), programs.front(), options).run()))
      signalPassFailure();
  }
};
} // namespace
