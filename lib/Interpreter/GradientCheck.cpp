//===- GradientCheck.cpp - Derivative rules against differences ------------===//

#include "bigmac/Interpreter/GradientCheck.h"

#include "bigmac/AutoDiff/Differentiate.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/SymbolTable.h"

#include <cmath>

using namespace mlir;

namespace bigmac::interpreter {

//===----------------------------------------------------------------------===//
// Random values
//===----------------------------------------------------------------------===//

uint64_t RandomValues::next() {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

double RandomValues::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

Tensor RandomValues::draw(Type type, double low, double high, int64_t integers) {
  auto tensorType = dyn_cast<RankedTensorType>(type);
  Tensor result(tensorType ? tensorType.getShape() : ArrayRef<int64_t>(),
                getElementTypeOrSelf(type));
  if (result.isFloat())
    for (double &value : result.mutableFloats())
      value = low + (high - low) * uniform();
  else
    for (int64_t &value : result.mutableInts())
      value = static_cast<int64_t>(uniform() * static_cast<double>(integers));
  result.roundToType();
  return result;
}

//===----------------------------------------------------------------------===//
// The function and its gradient
//===----------------------------------------------------------------------===//

namespace {

bool isFloat(Type type) { return isa<FloatType>(getElementTypeOrSelf(type)); }

/// What is moved and whose derivative is checked: an argument, or a parameter.
struct Variable {
  std::string name;
  /// The parameter's symbol; empty for an argument.
  std::string parameter;
  unsigned argument = 0;
  /// Values of the gradient function that hold it: a parameter may be read more than once.
  SmallVector<Value> values;
  /// Which results of the gradient function add up to its derivative; none where the rules say
  /// that it has no influence.
  SmallVector<unsigned> gradients = {};
};

/// A copy of the module with a function that computes the derivatives: it takes the arguments and
/// a cotangent for each floating-point result.
struct GradientFunction {
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  SmallVector<Variable> variables;
};

SmallVector<Variable> findVariables(func::FuncOp function) {
  SmallVector<Variable> variables;
  for (BlockArgument argument : function.getArguments())
    if (isFloat(argument.getType()))
      variables.push_back({"argument " + std::to_string(argument.getArgNumber()),
                           "",
                           argument.getArgNumber(),
                           {argument}});
  for (auto op : function.getOps<nn::GetParameterOp>()) {
    auto parameter =
        SymbolTable::lookupNearestSymbolFrom<nn::ParameterOp>(op, op.getParameterAttr());
    if (!parameter || !parameter.getTrained())
      continue;
    auto *known = llvm::find_if(
        variables, [&](const Variable &v) { return v.parameter == op.getParameter(); });
    if (known != variables.end())
      known->values.push_back(op.getResult());
    else
      variables.push_back({("parameter '" + op.getParameter() + "'").str(),
                           op.getParameter().str(),
                           0,
                           {op.getResult()}});
  }
  return variables;
}

FailureOr<GradientFunction> buildGradient(func::FuncOp original) {
  GradientFunction gradient;
  gradient.module = cast<ModuleOp>(original->getParentOfType<ModuleOp>()->clone());
  gradient.function = gradient.module->lookupSymbol<func::FuncOp>(original.getName());
  func::FuncOp function = gradient.function;
  Block &body = function.getBody().front();
  auto returnOp = dyn_cast<func::ReturnOp>(body.getTerminator());
  if (!returnOp)
    return emitFunctionError(original) << "does not end in a return";
  gradient.variables = findVariables(function);

  SmallVector<Seed> seeds;
  for (Value result : returnOp.getOperands())
    if (isFloat(result.getType()))
      seeds.push_back({result, body.addArgument(result.getType(), result.getLoc())});
  if (seeds.empty() || gradient.variables.empty())
    return emitFunctionError(original)
           << "has no floating-point result, or no floating-point argument or "
              "trained parameter; there is no gradient to check";
  SmallVector<Value> wanted;
  for (const Variable &variable : gradient.variables)
    wanted.append(variable.values);
  OpBuilder builder(returnOp);
  FailureOr<SmallVector<Value>> grads = differentiate(builder, body, seeds, wanted);
  if (failed(grads))
    return failure();
  SmallVector<Value> results;
  auto *grad = grads->begin();
  for (Variable &variable : gradient.variables)
    for (Value value : variable.values) {
      Value found = *grad++;
      if (!found)
        continue;
      if (found.getType() != value.getType())
        return emitFunctionError(original)
               << "has a gradient of type " << found.getType() << " for " << variable.name
               << " of type " << value.getType();
      variable.gradients.push_back(results.size());
      results.push_back(found);
    }
  returnOp.getOperandsMutable().assign(results);
  function.setType(builder.getFunctionType(body.getArgumentTypes(), TypeRange(results)));
  function.removeResAttrsAttr();
  function.removeArgAttrsAttr();
  return gradient;
}

/// The function at given arguments and parameters, weighted by the cotangents.
class Objective {
public:
  Objective(func::FuncOp function, ArrayRef<Tensor> args, ArrayRef<Tensor> cotangents,
            const InterpreterOptions &options)
      : function(function), args(args), cotangents(cotangents), options(options) {}

  FailureOr<double> evaluate() const {
    FailureOr<SmallVector<Tensor>> results = interpret(function, args, options);
    if (failed(results))
      return failure();
    double sum = 0;
    const Tensor *cotangent = cotangents.begin();
    for (const Tensor &result : *results) {
      if (!result.isFloat())
        continue;
      for (int64_t i = 0; i < result.size(); ++i)
        sum += result.at(i) * cotangent->at(i);
      ++cotangent;
    }
    return sum;
  }

  Tensor &tensorOf(const Variable &variable) {
    return variable.parameter.empty() ? args[variable.argument]
                                      : options.parameters[variable.parameter];
  }

  /// The derivative by element `i` of a variable.
  FailureOr<double> difference(const Variable &variable, int64_t i, double step) {
    double origin = tensorOf(variable).at(i);
    double h = step * std::max(1.0, std::abs(origin)), sum = 0;
    for (auto [steps, weight] : {std::pair(1, 8.0), {-1, -8.0}, {2, -1.0}, {-2, 1.0}}) {
      tensorOf(variable).mutableFloats()[i] = origin + steps * h;
      FailureOr<double> value = evaluate();
      if (failed(value))
        return failure();
      sum += weight * *value;
    }
    tensorOf(variable).mutableFloats()[i] = origin;
    return sum / (12 * h);
  }

private:
  func::FuncOp function;
  SmallVector<Tensor> args;
  ArrayRef<Tensor> cotangents;
  InterpreterOptions options;
};

/// Reads the values of the trained parameters, so that they can be moved.
LogicalResult readVariables(func::FuncOp function, ArrayRef<Variable> variables,
                            InterpreterOptions &options) {
  for (const Variable &variable : variables) {
    if (variable.parameter.empty() || options.parameters.contains(variable.parameter))
      continue;
    auto parameter = SymbolTable::lookupNearestSymbolFrom<nn::ParameterOp>(
        function, StringAttr::get(function.getContext(), variable.parameter));
    FailureOr<Tensor> value = readParameter(parameter, options);
    if (failed(value))
      return failure();
    options.parameters[variable.parameter] = *value;
  }
  return success();
}

} // namespace

FailureOr<SmallVector<GradientCheckEntry>>
checkGradient(func::FuncOp function, ArrayRef<Tensor> args, const GradientCheckOptions &options) {
  if (!function.getBody().hasOneBlock())
    return emitFunctionError(function) << "expects a body of one block to differentiate";
  FailureOr<GradientFunction> gradient = buildGradient(function);
  if (failed(gradient))
    return failure();
  InterpreterOptions interpreterOptions = options.interpreter;
  interpreterOptions.float64 = true;
  if (failed(readVariables(function, gradient->variables, interpreterOptions)))
    return failure();

  RandomValues random(~options.seed);
  SmallVector<Tensor> cotangents;
  for (Type type : function.getResultTypes())
    if (isFloat(type))
      cotangents.push_back(random.draw(type, -1, 1, 0));
  SmallVector<Tensor> gradientArgs(args);
  gradientArgs.append(cotangents);
  FailureOr<SmallVector<Tensor>> derivatives =
      interpret(gradient->function, gradientArgs, interpreterOptions);
  if (failed(derivatives))
    return failure();

  Objective objective(function, args, cotangents, interpreterOptions);
  SmallVector<GradientCheckEntry> entries;
  for (const Variable &variable : gradient->variables) {
    GradientCheckEntry entry{variable.name};
    int64_t size = objective.tensorOf(variable).size();
    entry.checked = std::min(size, std::max<int64_t>(options.samples, 1));
    for (int64_t sample = 0; sample < entry.checked; ++sample) {
      // Evenly spread over the tensor, in whole elements.
      int64_t i = sample * size / entry.checked;
      FailureOr<double> difference = objective.difference(variable, i, options.step);
      if (failed(difference))
        return failure();
      double derivative = 0;
      for (unsigned result : variable.gradients)
        derivative += (*derivatives)[result].at(i);
      double error = std::abs(derivative - *difference) /
                     std::max({1.0, std::abs(derivative), std::abs(*difference)});
      if (!(error <= options.tolerance))
        return emitFunctionError(function)
               << "has a wrong gradient of " << variable.name << " at element " << i
               << ": the derivative rules give " << derivative << ", differences give "
               << *difference << " (relative error " << error << ")";
      entry.largestError = std::max(entry.largestError, error);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

} // namespace bigmac::interpreter
