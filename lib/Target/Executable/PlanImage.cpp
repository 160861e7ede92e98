//===- PlanImage.cpp - rt program to the runtime's plan image --------------===//

#include "bigmac-rt/Hash.h"
#include "bigmac-rt/PlanWriter.h"
#include "bigmac/Support/ByteSize.h"
#include "bigmac/Target/Executable.h"
#include "dialects/NN/IR/NN.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;

static FailureOr<bm_dtype> dtypeOf(Location loc, Type type) {
  if (type.isF32())
    return BM_F32;
  if (type.isF64())
    return BM_F64;
  if (type.isF16())
    return BM_F16;
  if (type.isBF16())
    return BM_BF16;
  if (type.isInteger(1))
    return BM_BOOL;
  if (type.isInteger(8))
    return type.isUnsignedInteger() ? BM_U8 : BM_I8;
  if (type.isInteger(16))
    return BM_I16;
  if (type.isInteger(32))
    return BM_I32;
  if (type.isInteger(64))
    return BM_I64;
  return emitError(loc) << "element type " << type << " has no place in a training plan";
}

namespace {

class ImageWriter {
public:
  ImageWriter(ModuleOp module, rt::ProgramOp program)
      : module(module), program(program), writer(program.getRanks(), program.getReplicas(),
                                                 program.getMicrobatches(), program.getSamples()) {}
  FailureOr<std::vector<unsigned char>> run(const PlanOptions &options);

private:
  LogicalResult writeDeclarations();
  void writeInstruction(rt::RankWriter &rank, Operation &op);
  rt::ActionLabel labelOf(StringRef callee, int64_t microbatch);

  ModuleOp module;
  rt::ProgramOp program;
  rt::PlanWriter writer;
  llvm::StringMap<uint32_t> inputs, scalars, tasks;
  llvm::StringMap<rt::TaskOp> taskOps;
};

} // namespace

rt::ActionLabel ImageWriter::labelOf(StringRef callee, int64_t microbatch) {
  rt::TaskOp task = taskOps.lookup(callee);
  rt::ActionLabel label;
  label.component = static_cast<bm_component>(task.getComponent());
  label.phase = static_cast<bm_phase>(task.getPhase());
  label.microbatch = microbatch;
  planning::Action action = program.actionOf(task, microbatch);
  if (task.getComponent() == pipeline::Component::llm)
    label.chunk = action.chunk;
  else
    label.unit = static_cast<int32_t>(action.unit);
  return label;
}

LogicalResult ImageWriter::writeDeclarations() {
  SymbolTable symbols(module);
  for (Operation &op : *program.getBody()) {
    LogicalResult result =
        llvm::TypeSwitch<Operation *, LogicalResult>(&op)
            .Case([&](rt::InputOp input) -> LogicalResult {
              auto type = cast<RankedTensorType>(input.getType());
              FailureOr<bm_dtype> dtype = dtypeOf(input.getLoc(), type.getElementType());
              if (failed(dtype))
                return failure();
              inputs[input.getName()] =
                  writer.addInput(input.getName(), *dtype, type.getShape().vec());
              return success();
            })
            .Case([&](rt::ScalarOp scalar) {
              scalars[scalar.getName()] =
                  writer.addScalar(scalar.getName(), scalar.getLoss()     ? BM_SCALAR_LOSS
                                                     : scalar.getWeight() ? BM_SCALAR_WEIGHT
                                                                          : 0);
              return success();
            })
            .Case([&](rt::ClassOp cls) -> LogicalResult {
              rt::ClassTypes types;
              for (auto [type, dtype] : {std::pair(cls.getElement(), &types.value),
                                         std::pair(cls.getGradient(), &types.gradient),
                                         std::pair(cls.getMoment(), &types.moment)}) {
                FailureOr<bm_dtype> found =
                    dtypeOf(cls.getLoc(), type.value_or(Float32Type::get(module.getContext())));
                if (failed(found))
                  return failure();
                *dtype = *found;
              }
              std::vector<bm_member> members;
              for (size_t i = 0; i < cls.getMembers().size(); ++i)
                members.push_back(
                    cls.getTrained()
                        ? rt::PlanWriter::trainedMember(
                              cls.getMembers()[i], cls.getParams()[i], cls.getGrads()[i],
                              cls.getFirst()[i], cls.getSecond()[i],
                              cls.getMasters() ? (*cls.getMasters())[i] : BM_NONE64)
                        : rt::PlanWriter::frozenMember(cls.getMembers()[i], cls.getParams()[i]));
              writer.addClass(cls.getTrained() ? BM_CLASS_TRAINED : BM_CLASS_FROZEN, cls.getBytes(),
                              members, types);
              return success();
            })
            .Case([&](rt::ParameterOp parameter) -> LogicalResult {
              auto declared = symbols.lookup<nn::ParameterOp>(parameter.getParameter());
              if (!declared)
                return parameter.emitError("names no nn.parameter");
              auto type = cast<RankedTensorType>(declared.getType());
              FailureOr<bm_dtype> dtype = dtypeOf(declared.getLoc(), type.getElementType());
              if (failed(dtype))
                return failure();
              uint64_t position = parameter.getPosition();
              for (const nn::ParameterPart &part : declared.getParts()) {
                writer.addParameter(part.name, *dtype, part.type.getShape().vec(),
                                    parameter.getClassId(), position);
                position += byteSize(part.type);
              }
              return success();
            })
            .Case([&](rt::TaskOp task) {
              std::vector<uint64_t> bytes(task.getBytes().begin(), task.getBytes().end());
              bool llm = task.getComponent() == pipeline::Component::llm;
              taskOps[task.getCallee()] = task;
              tasks[task.getCallee()] = writer.addTask(
                  task.getCallee(), bytes, static_cast<bm_component>(task.getComponent()),
                  static_cast<bm_phase>(task.getPhase()),
                  llm ? static_cast<int32_t>(task.getStage()) : -1);
              return success();
            })
            .Case([&](rt::RankOp) { return success(); })
            .Default([](Operation *other) {
              return other->emitError("is not allowed in an rt program");
            });
    if (failed(result))
      return failure();
  }
  return success();
}

void ImageWriter::writeInstruction(rt::RankWriter &rank, Operation &op) {
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](rt::LoadOp load) {
        rank.loadInput(inputs.lookup(load.getName()), load.getMicrobatch(), load.getOffset());
      })
      .Case([&](rt::RunOp run) {
        std::vector<uint64_t> offsets(run.getOffsets().begin(), run.getOffsets().end());
        rank.run(tasks.lookup(run.getCallee()), offsets,
                 labelOf(run.getCallee(), run.getMicrobatch()));
      })
      .Case([&](rt::SendOp send) {
        rt::ActionLabel label;
        label.microbatch = send.getMicrobatch();
        rank.send(send.getPeer(), send.getChannel(), send.getOffset(), send.getBytes(),
                  send.getSlot(), label);
      })
      .Case([&](rt::RecvOp recv) {
        rt::ActionLabel label;
        label.microbatch = recv.getMicrobatch();
        rank.recv(recv.getPeer(), recv.getChannel(), recv.getOffset(), recv.getBytes(),
                  recv.getSlot(), label);
      })
      .Case([&](rt::OffloadOp offload) {
        rt::ActionLabel label;
        label.microbatch = offload.getMicrobatch();
        rank.offload(offload.getOffset(), offload.getHost(), offload.getBytes(), offload.getSlot(),
                     label);
      })
      .Case([&](rt::FetchOp fetch) {
        rt::ActionLabel label;
        label.microbatch = fetch.getMicrobatch();
        rank.fetch(fetch.getHost(), fetch.getOffset(), fetch.getBytes(), fetch.getSlot(), label);
      })
      .Case([&](rt::WaitOp wait) {
        rank.wait(wait.getSlot(), labelOf(wait.getCallee(), wait.getMicrobatch()));
      })
      .Case([&](rt::ZeroOp zero) { rank.zero(zero.getOffset(), zero.getBytes()); })
      .Case([&](rt::RecordOp record) {
        rank.record(scalars.lookup(record.getName()), record.getMicrobatch(), record.getOffset());
      });
}

FailureOr<std::vector<unsigned char>> ImageWriter::run(const PlanOptions &options) {
  writer.setModel(options.model, rt::hash64(options.model.data(), options.model.size()));
  writer.setTarget(options.target);
  writer.setCompiler("bigmac " BIGMAC_VERSION, options.options);
  writer.setWeights(options.weightsName, options.weightsBytes, options.weightsHeaderHash);
  if (failed(writeDeclarations()))
    return failure();
  for (auto op : program.getBody()->getOps<rt::RankOp>()) {
    if (op.getMemory().size() != BM_MEM_COUNT)
      return op.emitError("has ") << op.getMemory().size() << " memory classes, expected "
                                  << BM_MEM_COUNT;
    rt::RankWriter &rank = writer.rank(op.getRank());
    rank.setArena(op.getArena());
    rank.setHost(op.getHostArena());
    rank.setScratch(op.getScratchOffset(), op.getScratchBytes());
    for (auto [kind, bytes] : llvm::enumerate(op.getMemory()))
      rank.setMemory(static_cast<bm_memory>(kind), bytes);
    for (Operation &instruction : *op.getBody())
      writeInstruction(rank, instruction);
  }
  std::string error;
  std::optional<std::vector<unsigned char>> image = writer.finish(error);
  if (!image)
    return program.emitError("the training plan is not valid: ") << error;
  return std::move(*image);
}

FailureOr<std::vector<unsigned char>> bigmac::writePlanImage(ModuleOp module,
                                                             const PlanOptions &options) {
  SmallVector<rt::ProgramOp> programs(module.getOps<rt::ProgramOp>());
  if (programs.size() != 1)
    return module.emitError("expected one rt.program, found ") << programs.size();
  return ImageWriter(module, programs.front()).run(options);
}
