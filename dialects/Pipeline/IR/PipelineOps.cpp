//===- PipelineOps.cpp - Verifiers and formats of pipeline ops -------------===//

#include "bigmac/Planning/Verifier.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Pipeline/IR/Pipeline.h"
#include "dialects/Pipeline/IR/Program.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

namespace {
struct Kind {
  StringRef name;
  int32_t code;
};
} // namespace

/// Longest names first, so that a prefix is not taken for the whole.
static constexpr Kind kKinds[] = {{"EF", 4}, {"EB", 5}, {"GF", 8}, {"GB", 9},
                                  {"G", 11}, {"F", 0},  {"B", 1},  {"W", 2}};

static ParseResult parseActions(OpAsmParser &parser, DenseI32ArrayAttr &actions) {
  SmallVector<int32_t> packed;
  auto parseAction = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    std::string text;
    if (parser.parseString(&text))
      return failure();
    StringRef rest = text;
    const Kind *kind =
        llvm::find_if(kKinds, [&](const Kind &k) { return rest.starts_with(k.name); });
    if (kind == std::end(kKinds))
      return parser.emitError(loc, "expected an action such as \"F0.3\" or \"EF5\", found \"")
             << text << "\"";
    rest = rest.drop_front(kind->name.size());
    int32_t chunk = 0, microbatch = 0;
    bool llm = kind->code < 4;
    if ((llm && (rest.consumeInteger(10, chunk) || !rest.consume_front("."))) ||
        rest.consumeInteger(10, microbatch) || !rest.empty() || chunk < 0 || microbatch < 0)
      return parser.emitError(loc, "expected an action such as \"F0.3\" or \"EF5\", found \"")
             << text << "\"";
    packed.append({kind->code, chunk, microbatch});
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square, parseAction))
    return failure();
  actions = parser.getBuilder().getDenseI32ArrayAttr(packed);
  return success();
}

static void printActions(OpAsmPrinter &printer, Operation *, DenseI32ArrayAttr actions) {
  printer << "[";
  ArrayRef<int32_t> packed = actions.asArrayRef();
  for (size_t i = 0; i + 2 < packed.size(); i += 3) {
    const Kind *kind = llvm::find_if(kKinds, [&](const Kind &k) { return k.code == packed[i]; });
    printer << (i ? ", \"" : "\"") << kind->name;
    if (packed[i] < 4)
      printer << packed[i + 1] << ".";
    printer << packed[i + 2] << "\"";
  }
  printer << "]";
}

#define GET_OP_CLASSES
#include "dialects/Pipeline/IR/PipelineOps.cpp.inc"

LogicalResult OrderOp::verify() {
  ArrayRef<int32_t> packed = getActions();
  if (packed.size() % 3)
    return emitOpError("expects triples of integers as its actions");
  for (size_t i = 0; i < packed.size(); i += 3)
    if (llvm::none_of(kKinds, [&](const Kind &k) { return k.code == packed[i]; }) ||
        packed[i + 1] < 0 || packed[i + 1] > UINT16_MAX || packed[i + 2] < 0)
      return emitOpError("has an action that does not exist at position ") << i / 3;
  return success();
}

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
      if (gradient)
        arguments.push_back(MemRefType::get(type.getShape(), type.getElementType()));
      else
        arguments.push_back(type);
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

LogicalResult ObjectiveOp::verify() { return verifyScalar(*this, getValue()); }

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

/// What both kinds of program must be: known contents, one loss, distinct tasks.
template <typename OpTy> static LogicalResult verifyProgram(OpTy op) {
  if (op.getRanks() < 1 || op.getChunks() < 1 || op.getSamples() < 1)
    return op.emitOpError("expects at least one rank, chunk and sample");
  std::optional<StringRef> loss, weight;
  for (Operation &inner : *op.getBody()) {
    if (!isa<InputOp, TaskOp, OutputOp, ObjectiveOp, OrderOp>(inner))
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
  if (failed(Program::read(*op.getBody(), op.getRanks(), op.getChunks())))
    return failure();
  return success();
}

LogicalResult UnscheduledOp::verifyRegions() { return verifyProgram(*this); }

LogicalResult ScheduledOp::verifyRegions() {
  if (failed(verifyProgram(*this)))
    return failure();
  if (getMicrobatches() < 1 || getMicrobatches() > INT32_MAX)
    return emitOpError("expects at least one microbatch");
  FailureOr<Program> program = Program::read(*getBody(), getRanks(), getChunks());
  SmallVector<bool> seen(getRanks());
  for (auto order : getBody()->getOps<OrderOp>()) {
    int64_t rank = order.getRank();
    if (rank < 0 || rank >= static_cast<int64_t>(getRanks()) || seen[rank])
      return order.emitOpError("is of rank ")
             << rank << ", expected each below " << getRanks() << " once";
    seen[rank] = true;
  }
  if (!llvm::all_of(seen, [](bool s) { return s; }))
    return emitOpError("lacks the order of a rank");
  planning::Status status =
      planning::verifySchedule(scheduleOf(*this, *program), program->workload(getMicrobatches()),
                               ProgramDependencies(*program));
  if (!status)
    return emitOpError("has no valid schedule: ") << status.message();
  return success();
}
