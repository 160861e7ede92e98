//===- Interpreter.cpp - Running functions and evaluating ops --------------===//

#include "bigmac/Interpreter/Interpreter.h"

#include "Rules.h"

#include "dialects/NN/IR/NN.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseMap.h"

using namespace mlir;

namespace bigmac::interpreter {

const RuleRegistry &getRules() {
  static const RuleRegistry registry = [] {
    RuleRegistry rules;
    addArithRules(rules);
    addMathRules(rules);
    addTensorRules(rules);
    addNNShapeRules(rules);
    addNNComputeRules(rules);
    addNNNormRules(rules);
    addNNLossRules(rules);
    addNNAttentionRules(rules);
    return rules;
  }();
  return registry;
}

InFlightDiagnostic emitFunctionError(func::FuncOp function) {
  return function.emitError() << "function '" << function.getName() << "' ";
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

bool canHold(Type type, const InterpreterOptions &options) {
  auto tensorType = dyn_cast<RankedTensorType>(type);
  if (!isSupportedElementType(getElementTypeOrSelf(type)) ||
      (isa<ShapedType>(type) && !(tensorType && tensorType.hasStaticShape())))
    return false;
  int64_t count = 1;
  return llvm::all_of(shapeOf(type), [&](int64_t size) {
    return !llvm::MulOverflow(count, size, count) && count <= options.maxElements;
  });
}

/// Checks that values of `type` can be held: `what` names the value in the error at `op`.
static LogicalResult checkType(Operation *op, Type type, const InterpreterOptions &options,
                               const Twine &what) {
  if (canHold(type, options))
    return success();
  return op->emitOpError() << what << " has type " << type
                           << ", expected a scalar or a tensor of static shape, of floats or "
                              "integers of up to 64 bits, with at most "
                           << options.maxElements << " elements";
}

static LogicalResult checkTypes(Operation *op, const InterpreterOptions &options) {
  for (OpResult result : op->getResults())
    if (failed(checkType(op, result.getType(), options, "result")))
      return failure();
  return success();
}

/// Runs the op's rule. Result types have been checked.
static FailureOr<SmallVector<Tensor>> runRule(Operation *op, ArrayRef<Tensor> operands,
                                              const InterpreterOptions &options) {
  Rule rule = getRules().find(op->getName().getStringRef());
  if (!rule)
    return op->emitOpError("has no interpreter rule");
  RuleContext context{op, operands};
  if (failed(rule(context)))
    return failure();
  assert(context.results.size() == op->getNumResults() && "a rule gives one tensor a result");
  for (auto [tensor, result] : llvm::zip_equal(context.results, op->getResults())) {
    assert(tensor.shape() == shapeOf(result.getType()) &&
           tensor.elementType() == getElementTypeOrSelf(result.getType()) &&
           "a rule gives tensors of the results' types");
    if (!options.float64 || !tensor.isFloat())
      tensor.roundToType();
  }
  return std::move(context.results);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

namespace {

/// Calls nest on this program's own stack.
constexpr size_t kMaxCallDepth = 1000;

class Interpreter {
public:
  explicit Interpreter(const InterpreterOptions &options) : options(options) {}

  FailureOr<SmallVector<Tensor>> run(func::FuncOp function, ArrayRef<Tensor> args);

private:
  FailureOr<SmallVector<Tensor>> runOp(Operation *op, ArrayRef<Tensor> operands);
  FailureOr<SmallVector<Tensor>> call(func::CallOp op, ArrayRef<Tensor> operands);
  FailureOr<Tensor> parameter(nn::GetParameterOp op);
  LogicalResult checkArguments(func::FuncOp function, ArrayRef<Tensor> args);

  const InterpreterOptions &options;
  llvm::StringMap<Tensor> readParameters;
  SmallVector<Operation *> callStack;
  SymbolTableCollection symbolTables;
};

} // namespace

LogicalResult Interpreter::checkArguments(func::FuncOp function, ArrayRef<Tensor> args) {
  if (args.size() != function.getNumArguments())
    return emitFunctionError(function)
           << "takes " << function.getNumArguments() << " arguments, given " << args.size();
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    if (failed(checkType(function, type, options, "argument " + Twine(i))))
      return failure();
    if (args[i].shape() != shapeOf(type) || args[i].elementType() != getElementTypeOrSelf(type)) {
      std::string given;
      llvm::raw_string_ostream os(given);
      llvm::interleave(args[i].shape(), os, "x");
      os << (args[i].rank() ? "x" : "") << args[i].elementType();
      return emitFunctionError(function)
             << "argument " << i << " has type " << type << ", given " << given;
    }
  }
  return success();
}

FailureOr<SmallVector<Tensor>> Interpreter::run(func::FuncOp function, ArrayRef<Tensor> args) {
  if (failed(checkArguments(function, args)))
    return failure();
  if (!function.getBody().hasOneBlock())
    return emitFunctionError(function) << "expects a body of one block to interpret";
  if (llvm::is_contained(callStack, function))
    return emitFunctionError(function) << "calls itself; without branches that never ends";
  if (callStack.size() >= kMaxCallDepth)
    return emitFunctionError(function)
           << "is called through " << kMaxCallDepth << " others, more than are supported";
  callStack.push_back(function);

  Block &body = function.getBody().front();
  DenseMap<Value, Tensor> values;
  // A value is dropped after its last use, so that memory holds what is live and no more.
  DenseMap<Value, unsigned> usesLeft;
  auto define = [&](Value value, const Tensor &tensor) {
    if (unsigned uses = std::distance(value.use_begin(), value.use_end())) {
      values[value] = tensor;
      usesLeft[value] = uses;
    }
  };
  for (auto [argument, tensor] : llvm::zip_equal(body.getArguments(), args))
    define(argument, tensor);
  for (Operation &op : body) {
    SmallVector<Tensor> operands;
    for (Value operand : op.getOperands())
      operands.push_back(values.lookup(operand));
    if (isa<func::ReturnOp>(op)) {
      callStack.pop_back();
      return operands;
    }
    for (Value operand : op.getOperands())
      if (--usesLeft[operand] == 0)
        values.erase(operand);
    FailureOr<SmallVector<Tensor>> results = runOp(&op, operands);
    if (failed(results))
      return failure();
    for (auto [result, tensor] : llvm::zip_equal(op.getResults(), *results))
      define(result, tensor);
  }
  return emitFunctionError(function) << "does not end in a return";
}

FailureOr<SmallVector<Tensor>> Interpreter::runOp(Operation *op, ArrayRef<Tensor> operands) {
  if (failed(checkTypes(op, options)))
    return failure();
  if (auto callOp = dyn_cast<func::CallOp>(op))
    return call(callOp, operands);
  if (auto getParameter = dyn_cast<nn::GetParameterOp>(op)) {
    FailureOr<Tensor> value = parameter(getParameter);
    if (failed(value))
      return failure();
    return SmallVector<Tensor>{*value};
  }
  return runRule(op, operands, options);
}

FailureOr<SmallVector<Tensor>> Interpreter::call(func::CallOp op, ArrayRef<Tensor> operands) {
  auto callee = symbolTables.lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  if (!callee)
    return op.emitOpError("calls '") << op.getCallee() << "', which is no function";
  return run(callee, operands);
}

FailureOr<Tensor> Interpreter::parameter(nn::GetParameterOp op) {
  StringRef name = op.getParameter();
  auto given = options.parameters.find(name);
  if (given != options.parameters.end()) {
    RankedTensorType type = op.getType();
    if (given->second.shape() != type.getShape() ||
        given->second.elementType() != type.getElementType())
      return op.emitOpError("has type ") << type << ", the value given for it has another";
    return given->second;
  }
  auto known = readParameters.find(name);
  if (known != readParameters.end())
    return known->second;
  auto parameterOp =
      symbolTables.lookupNearestSymbolFrom<nn::ParameterOp>(op, op.getParameterAttr());
  if (!parameterOp)
    return op.emitOpError("names '") << name << "', which is no nn.parameter";
  FailureOr<Tensor> value = readParameter(parameterOp, options);
  if (succeeded(value))
    readParameters[name] = *value;
  return value;
}

FailureOr<SmallVector<Tensor>> interpret(func::FuncOp function, ArrayRef<Tensor> args,
                                         const InterpreterOptions &options) {
  return Interpreter(options).run(function, args);
}

//===----------------------------------------------------------------------===//
// Constant folding
//===----------------------------------------------------------------------===//

bool hasRule(Operation *op) { return getRules().find(op->getName().getStringRef()) != nullptr; }

FailureOr<SmallVector<Attribute>> evaluateOp(Operation *op, ArrayRef<Attribute> operands,
                                             const InterpreterOptions &options) {
  assert(operands.size() == op->getNumOperands() && "one constant an operand");
  if (failed(checkTypes(op, options)))
    return failure();
  SmallVector<Tensor> tensors;
  for (auto [i, attribute] : llvm::enumerate(operands)) {
    Type type = op->getOperand(i).getType();
    if (failed(checkType(op, type, options, "operand " + Twine(i))))
      return failure();
    FailureOr<Tensor> tensor = Tensor::fromAttribute(attribute);
    if (failed(tensor) || tensor->shape() != shapeOf(type) ||
        tensor->elementType() != getElementTypeOrSelf(type))
      return op->emitOpError("operand ") << i << " is no constant of type " << type;
    tensors.push_back(*tensor);
  }
  FailureOr<SmallVector<Tensor>> results = runRule(op, tensors, options);
  if (failed(results))
    return failure();
  SmallVector<Attribute> attributes;
  for (auto [tensor, result] : llvm::zip_equal(*results, op->getResults()))
    attributes.push_back(tensor.toAttribute(result.getType()));
  return attributes;
}

} // namespace bigmac::interpreter
