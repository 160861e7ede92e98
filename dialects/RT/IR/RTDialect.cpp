//===- RTDialect.cpp - Registration and verifiers --------------------------===//

#include "dialects/RT/IR/RT.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::rt;

#include "dialects/RT/IR/RTDialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/RT/IR/RTOps.cpp.inc"

void RTDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/RT/IR/RTOps.cpp.inc"
      >();
}

planning::Action ProgramOp::actionOf(TaskOp task, int64_t microbatch) {
  planning::Component component = pipeline::toPlanning(task.getComponent());
  planning::Phase phase = pipeline::toPlanning(task.getPhase());
  uint32_t ranks = getPlacement() ? getPlacement()->toPlanning().of(component).count
                                  : static_cast<uint32_t>(getRanks());
  // A component without ranks has no tasks in a program of the compiler; this one is only named.
  ranks = std::max(ranks, 1u);
  if (component == planning::Component::Llm)
    return planning::Action::llm(phase, task.getStage() / ranks, microbatch);
  return planning::Action::ofMicrobatch(component, phase, microbatch, {0, ranks});
}

static uint64_t bytesOf(std::optional<Type> type) {
  return type ? type->getIntOrFloatBitWidth() / 8 : sizeof(float);
}
uint64_t ClassOp::elementBytes() { return bytesOf(getElement()); }
uint64_t ClassOp::gradientElementBytes() { return bytesOf(getGradient()); }
uint64_t ClassOp::momentElementBytes() { return bytesOf(getMoment()); }

LogicalResult ClassOp::verify() {
  for (std::optional<Type> type : {getElement(), getGradient(), getMoment()})
    if (type && !type->isF32() && !type->isBF16())
      return emitOpError("expects types f32 or bf16, found ") << *type;
  size_t members = getMembers().size();
  size_t trained = getTrained() ? members : 0;
  if (members == 0 || getParams().size() != members || getGrads().size() != trained ||
      getFirst().size() != trained || getSecond().size() != trained)
    return emitOpError("expects one offset a member: params, and for a trained class grads, first "
                       "and second");
  if (getMasters() && getMasters()->size() != trained)
    return emitOpError("expects one offset a member of a trained class as masters");
  return success();
}

LogicalResult TaskOp::verify() {
  size_t buffers =
      getReads().size() + getParameters().size() + getGradients().size() + getMakes().size() + 1;
  if (getBytes().size() != buffers)
    return emitOpError("has the bytes of ")
           << getBytes().size() << " buffers, expected " << buffers
           << ": what it reads, parameters, gradients, what it makes, and its workspace";
  return success();
}

/// Instructions name what the program declares, and there is one rank op for each rank.
LogicalResult ProgramOp::verifyRegions() {
  llvm::StringSet<> inputs, scalars, tasks;
  auto declare = [](llvm::StringSet<> &names, Operation &op, StringRef name) -> LogicalResult {
    if (names.insert(name).second)
      return success();
    return op.emitOpError("declares '") << name << "' a second time";
  };
  llvm::DenseSet<int64_t> ranks;
  for (Operation &op : *getBody()) {
    LogicalResult result =
        llvm::TypeSwitch<Operation *, LogicalResult>(&op)
            .Case([&](InputOp input) { return declare(inputs, op, input.getName()); })
            .Case([&](ScalarOp scalar) { return declare(scalars, op, scalar.getName()); })
            .Case([&](TaskOp task) { return declare(tasks, op, task.getCallee()); })
            .Case([&](RankOp rank) -> LogicalResult {
              int64_t number = rank.getRank();
              if (number < 0 || number >= static_cast<int64_t>(getRanks()) ||
                  !ranks.insert(number).second)
                return rank.emitOpError("is of rank ")
                       << number << ", expected each of the " << getRanks() << " ranks once";
              return success();
            })
            .Default(success());
    if (failed(result))
      return failure();
  }
  auto known = [](const llvm::StringSet<> &names, Operation &op, StringRef name) -> LogicalResult {
    if (names.contains(name))
      return success();
    return op.emitOpError("names '") << name << "', which the program does not declare";
  };
  for (auto rank : getBody()->getOps<RankOp>())
    for (Operation &op : *rank.getBody()) {
      LogicalResult result =
          llvm::TypeSwitch<Operation *, LogicalResult>(&op)
              .Case([&](LoadOp load) { return known(inputs, op, load.getName()); })
              .Case([&](RecordOp record) { return known(scalars, op, record.getName()); })
              .Case([&](RunOp run) { return known(tasks, op, run.getCallee()); })
              .Case([&](WaitOp wait) { return known(tasks, op, wait.getCallee()); })
              .Default(success());
      if (failed(result))
        return failure();
    }
  return success();
}
