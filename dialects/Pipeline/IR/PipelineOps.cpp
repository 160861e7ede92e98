//===- PipelineOps.cpp - Verifiers and formats of pipeline ops -------------===//

#include "PipelineOrder.h"
#include "bigmac/Planning/Verifier.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Pipeline/IR/Pipeline.h"
#include "dialects/Pipeline/IR/Program.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

#define GET_OP_CLASSES
#include "dialects/Pipeline/IR/PipelineOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Tasks and outputs
//===----------------------------------------------------------------------===//

LogicalResult TaskOp::verify() {
  Component component = getComponent();
  Phase phase = getPhase();
  if (component == Component::llm && phase == Phase::forward_backward)
    return emitOpError("of the LLM has no forward_backward phase");
  if (component == Component::encoder &&
      (phase == Phase::forward_backward || phase == Phase::weight_gradient))
    return emitOpError("of an encoder has only forward and backward phases");
  return success();
}

LogicalResult TaskOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto callee = symbols.lookupNearestSymbolFrom<FunctionOpInterface>(*this, getCalleeAttr());
  if (!callee)
    return emitOpError("calls '") << getCallee() << "', which is no function";
  SmallVector<Type> arguments(getInputs().getTypes());
  auto append = [&](ArrayAttr names, bool gradient) -> LogicalResult {
    for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
      auto parameter = symbols.lookupNearestSymbolFrom<nn::ParameterOp>(*this, name);
      if (!parameter)
        return emitOpError("names '") << name.getValue() << "', which is no nn.parameter";
      if (gradient && !parameter.getTrained())
        return emitOpError("makes a gradient of the frozen parameter '") << name.getValue() << "'";
      auto type = cast<RankedTensorType>(parameter.getType());
      if (!gradient) {
        arguments.push_back(type);
        continue;
      }
      // Gradients may be accumulated in a wider type than the parameter's.
      Type element = type.getElementType();
      auto wide = MemRefType::get(type.getShape(), nn::computeType(element));
      ArrayRef<Type> expected = callee.getArgumentTypes();
      bool isWide = arguments.size() < expected.size() && expected[arguments.size()] == wide;
      arguments.push_back(isWide ? wide : MemRefType::get(type.getShape(), element));
    }
    return success();
  };
  if (failed(append(getParameters(), false)) || failed(append(getGradients(), true)))
    return failure();
  if (callee.getArgumentTypes() != ArrayRef<Type>(arguments) ||
      !llvm::equal(callee.getResultTypes(), getOutputs().getTypes())) {
    auto diagnostic = emitOpError("does not fit its callee's type");
    diagnostic.attachNote(callee.getLoc()) << "callee '" << getCallee() << "' is here";
    return diagnostic;
  }
  return success();
}

static LogicalResult verifyScalar(Operation *op, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getNumElements() != 1 || !type.getElementType().isF32())
    return op->emitOpError("expects one f32, found ") << type;
  return success();
}

LogicalResult OutputOp::verify() {
  if (getLoss() && getWeight())
    return emitOpError("cannot be both the loss and its weight");
  return verifyScalar(*this, getValue());
}

LogicalResult OffloadOp::verify() {
  if (!getValue().getDefiningOp<TaskOp>())
    return emitOpError("expects a value that a task makes; a graph input is loaded again instead");
  for (Operation *user : getValue().getUsers())
    if (user != *this && isa<OffloadOp>(user) && user->isBeforeInBlock(*this))
      return emitOpError("offloads a value a second time");
  return success();
}

LogicalResult ObjectiveOp::verify() { return verifyScalar(*this, getValue()); }

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

/// What both kinds of program must be: known contents, one loss, distinct tasks.
template <typename OpTy> static LogicalResult verifyProgram(OpTy op) {
  if (op.getRanks() < 1 || op.getChunks() < 1 || op.getSamples() < 1)
    return op.emitOpError("expects at least one rank, chunk and sample");
  if (op.getPlacement())
    if (planning::Status status = planning::checkPlacement(
            op.getPlacement()->toPlanning(), std::min<uint64_t>(op.getRanks(), UINT32_MAX));
        !status)
      return op.emitOpError("has a placement that does not fit: ") << status.message();
  std::optional<StringRef> loss, weight;
  for (Operation &inner : *op.getBody()) {
    if (!isa<InputOp, TaskOp, OutputOp, ObjectiveOp, OffloadOp, OrderOp>(inner))
      return inner.emitOpError("is not allowed in a pipeline program");
    auto output = dyn_cast<OutputOp>(inner);
    if (!output || (!output.getLoss() && !output.getWeight()))
      continue;
    std::optional<StringRef> &known = output.getLoss() ? loss : weight;
    if (known && *known != output.getName())
      return output.emitOpError("is a second loss or weight beside '") << *known << "'";
    known = output.getName();
  }
  if (!loss)
    return op.emitOpError("has no output that is the loss");
  if (failed(Program::read(op)))
    return failure();
  return success();
}

LogicalResult UnscheduledOp::verifyRegions() { return verifyProgram(*this); }

LogicalResult ScheduledOp::verifyRegions() {
  if (failed(verifyProgram(*this)))
    return failure();
  if (getMicrobatches() < 1 || getMicrobatches() > INT32_MAX)
    return emitOpError("expects at least one microbatch");
  FailureOr<Program> program = Program::read(*this);
  auto orders = getBody()->getOps<OrderOp>();
  if (static_cast<uint64_t>(std::distance(orders.begin(), orders.end())) != getRanks())
    return emitOpError("has ") << std::distance(orders.begin(), orders.end())
                               << " orders, expected one for each of its " << getRanks()
                               << " ranks";
  SmallVector<bool> seen(getRanks());
  for (auto order : orders) {
    int64_t rank = order.getRank();
    if (rank < 0 || rank >= static_cast<int64_t>(getRanks()) || seen[rank])
      return order.emitOpError("is of rank ")
             << rank << ", expected each below " << getRanks() << " once";
    seen[rank] = true;
  }
  planning::Status status =
      planning::verifySchedule(scheduleOf(*this, *program), program->workload(getMicrobatches()),
                               ProgramDependencies(*program));
  if (!status)
    return emitOpError("has no valid schedule: ") << status.message();
  return success();
}
