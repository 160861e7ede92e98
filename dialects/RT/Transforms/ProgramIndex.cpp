//===- ProgramIndex.cpp - What an rt program declares ----------------------===//

#include "ProgramIndex.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::rt;

LogicalResult ProgramIndex::readTask(TaskOp task) const {
  for (Attribute read : task.getReads()) {
    if (auto name = dyn_cast<StringAttr>(read)) {
      if (!inputs.contains(name.getValue()))
        return task.emitOpError("reads input '")
               << name.getValue() << "', which the program does not declare";
    } else if (!makers.contains(cast<IntegerAttr>(read).getInt())) {
      return task.emitOpError("reads value ")
             << cast<IntegerAttr>(read).getInt() << ", which no task makes";
    }
  }
  for (ArrayAttr names : {task.getParameters(), task.getGradients()})
    for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
      auto it = parameters.find(name.getValue());
      if (it == parameters.end())
        return task.emitOpError("uses parameter '")
               << name.getValue() << "', which the program does not declare";
      ClassOp of = it->second.of;
      if (names == task.getGradients() && !of.getTrained())
        return task.emitOpError("adds to the gradient of '")
               << name.getValue() << "', whose class is not trained";
    }
  return success();
}

FailureOr<ProgramIndex> ProgramIndex::read(ProgramOp program) {
  ProgramIndex index;
  index.program = program;
  llvm::DenseMap<int64_t, ClassOp> classOf;
  for (auto op : program.getBody()->getOps<ClassOp>()) {
    index.classes.push_back(op);
    if (!classOf.try_emplace(op.getId(), op).second)
      return op.emitOpError("repeats class ") << op.getId();
  }
  for (Operation &op : *program.getBody()) {
    LogicalResult result =
        llvm::TypeSwitch<Operation *, LogicalResult>(&op)
            .Case([&](InputOp input) {
              index.inputs[input.getName()] = input;
              return success();
            })
            .Case([&](ScalarOp scalar) {
              index.scalars[scalar.getName()] = scalar;
              return success();
            })
            .Case([&](ParameterOp parameter) -> LogicalResult {
              auto it = classOf.find(parameter.getClassId());
              if (it == classOf.end())
                return parameter.emitOpError("is in class ")
                       << parameter.getClassId() << ", which the program does not declare";
              index.parameters[parameter.getParameter()] = {
                  it->second, static_cast<uint64_t>(parameter.getPosition())};
              return success();
            })
            .Case([&](TaskOp task) -> LogicalResult {
              index.tasks[task.getCallee()] = task;
              for (int64_t number : task.getMakes())
                if (!index.makers.try_emplace(number, task).second)
                  return task.emitOpError("makes value ")
                         << number << ", which '" << index.makers.lookup(number).getCallee()
                         << "' makes too";
              return success();
            })
            .Default(success());
    if (failed(result))
      return failure();
  }
  for (auto task : program.getBody()->getOps<TaskOp>())
    if (failed(index.readTask(task)))
      return failure();
  for (auto scalar : program.getBody()->getOps<ScalarOp>())
    for (int64_t term : scalar.getTerms())
      if (!index.makers.contains(term))
        return scalar.emitOpError("has value ") << term << " as a term, which no task makes";
  return index;
}

std::string ProgramIndex::action(TaskOp task, int64_t microbatch) const {
  ProgramOp of = program;
  planning::Action action = of.actionOf(task, microbatch);
  std::string text(planning::kindName(action));
  text += "(";
  if (action.component == planning::Component::Llm)
    text += "chunk " + std::to_string(action.chunk) + ", ";
  return text + "microbatch " + std::to_string(microbatch) + ")";
}

std::string ProgramIndex::value(int64_t number, int64_t microbatch) const {
  std::string text = "value " + std::to_string(number);
  if (TaskOp maker = makers.lookup(number))
    text += " of " + action(maker, microbatch);
  return text;
}
