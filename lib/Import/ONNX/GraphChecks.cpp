//===- GraphChecks.cpp - Checks of a graph's border and ops ----------------===//

#include "GraphChecks.h"

#include "OpTable.h"

#include "bigmac/Support/ModelLoc.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

LogicalResult bigmac::onnx::checkVersions(Location loc, const Model &model) {
  if (model.irVersion < 3 || model.irVersion > newestIRVersion())
    return emitError(loc) << "the model has IR version " << model.irVersion << ", known are 3 to "
                          << newestIRVersion();
  auto it = model.opsets.find("");
  if (it == model.opsets.end())
    return emitError(loc) << "the model does not say which opset it uses";
  if (it->second < kOldestOpset || it->second > kNewestOpset)
    return emitError(loc) << "the model uses opset " << it->second << ", known are " << kOldestOpset
                          << " to " << kNewestOpset << ": export it with another opset_version";
  if (model.graph.hasSparseInitializers)
    return emitError(loc) << "the model has sparse initializers, which are not supported";
  return success();
}

static bool isRandom(const Node &node) {
  static const llvm::StringSet<> names = {
      "Bernoulli",     "Multinomial",       "RandomNormal",
      "RandomUniform", "RandomUniformLike", "RandomNormalLike",
  };
  return node.domain.empty() && names.contains(node.opType);
}

LogicalResult bigmac::onnx::checkOps(Location loc, const Graph &graph) {
  using Key = std::tuple<std::string, std::string, int64_t>; // domain, op, opset
  llvm::MapVector<Key, SmallVector<const Node *>, std::map<Key, unsigned>> unsupported;
  SmallVector<const Node *> random;
  for (const Node &node : graph.nodes) {
    if (isRandom(node))
      random.push_back(&node);
    else if (!node.domain.empty() || node.opset < kOldestOpset || node.opset > kNewestOpset ||
             !OpTable::get().find(node.opType, node.opset))
      unsupported[Key(node.domain, node.opType, node.opset)].push_back(&node);
  }
  if (!unsupported.empty()) {
    InFlightDiagnostic diagnostic = emitError(loc)
                                    << "the model has " << unsupported.size()
                                    << (unsupported.size() == 1 ? " op that is" : " ops that are")
                                    << " not supported";
    for (auto &[key, nodes] : unsupported) {
      auto &[domain, op, opset] = key;
      Location where = makeModelLoc(loc.getContext(), nodes.front()->name, nodes.front()->scope);
      Diagnostic &note = diagnostic.attachNote(where);
      note << "'" << op << "' of " << (domain.empty() ? "ai.onnx" : domain) << " opset " << opset
           << ", node '" << nodes.front()->name << "'";
      if (nodes.size() > 1)
        note << " and " << nodes.size() - 1 << " more";
    }
  }
  if (!random.empty()) {
    InFlightDiagnostic diagnostic =
        emitError(loc) << "the model draws random numbers: noise, timesteps and masks must be "
                          "inputs of the graph";
    for (const Node *node : random)
      diagnostic.attachNote(makeModelLoc(loc.getContext(), node->name, node->scope))
          << "'" << node->opType << "', node '" << node->name << "'";
  }
  return success(unsupported.empty() && random.empty());
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

static std::string dimensionName(const ValueInfo &info, size_t index) {
  const Dimension &dim = info.dims[index];
  return dim.name.empty() ? info.name + "." + std::to_string(index) : dim.name;
}

LogicalResult bigmac::onnx::resolveInputs(Location loc, ArrayRef<const ValueInfo *> inputs,
                                          const ONNXImportOptions &options,
                                          SmallVectorImpl<RankedTensorType> &types) {
  llvm::StringMap<int64_t> given;
  for (const auto &[name, size] : options.dims) {
    if (size < 1)
      return emitError(loc) << "--dim " << name << "=" << size << " is no size";
    auto [it, added] = given.try_emplace(name, size);
    if (!added && it->second != size)
      return emitError(loc) << "--dim " << name << " is given as " << it->second << " and as "
                            << size;
  }
  llvm::StringSet<> known;
  SmallVector<std::pair<std::string, std::string>> missing; // dimension, input
  SmallVector<std::string> names;
  for (const ValueInfo *input : inputs) {
    if (!input->isTensor)
      return emitError(loc) << "input '" << input->name << "' is no tensor";
    Type element = elementTypeOf(loc.getContext(), input->type);
    if (!element)
      return emitError(loc) << "input '" << input->name << "' has elements of "
                            << nameOf(input->type) << ", which is not supported";
    if (!input->hasShape)
      return emitError(loc) << "input '" << input->name
                            << "' has no shape: export the model with one";
    Shape shape;
    for (size_t i = 0; i < input->dims.size(); ++i) {
      if (input->dims[i].value && *input->dims[i].value >= 0) {
        shape.push_back(*input->dims[i].value);
        continue;
      }
      std::string name = dimensionName(*input, i);
      auto it = given.find(name);
      if (known.insert(name).second) {
        names.push_back(name);
        if (it == given.end())
          missing.emplace_back(name, input->name);
      }
      shape.push_back(it == given.end() ? 1 : it->second);
    }
    if (!isSaneShape(shape))
      return emitError(loc) << "input '" << input->name << "' has too many elements";
    types.push_back(RankedTensorType::get(shape, element));
  }
  for (const auto &[name, size] : options.dims) {
    if (known.contains(name))
      continue;
    auto diagnostic = emitError(loc) << "--dim " << name << " names no dimension of an input; ";
    if (names.empty())
      return diagnostic << "all are known";
    diagnostic << "there are ";
    llvm::interleaveComma(names, diagnostic);
    return diagnostic;
  }
  if (missing.empty())
    return success();
  auto diagnostic = emitError(loc) << "the size of ";
  llvm::interleaveComma(missing, diagnostic, [&](const auto &entry) {
    diagnostic << "dimension '" << entry.first << "' of input '" << entry.second << "'";
  });
  diagnostic << " is not known: give it with";
  for (const auto &entry : missing)
    diagnostic << " --dim " << entry.first << "=N";
  return diagnostic;
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

LogicalResult bigmac::onnx::checkOutput(Location loc, const ValueInfo &output,
                                        RankedTensorType type, const ONNXImportOptions &options) {
  if (!output.isTensor)
    return success();
  Type element = elementTypeOf(loc.getContext(), output.type);
  bool fits = !element || element == type.getElementType();
  if (output.hasShape) {
    fits = fits && output.dims.size() == type.getShape().size();
    for (size_t i = 0; fits && i < output.dims.size(); ++i) {
      std::optional<int64_t> size = output.dims[i].value;
      for (const auto &[name, given] : options.dims)
        if (!size && name == output.dims[i].name)
          size = given;
      fits = !size || *size < 0 || *size == type.getDimSize(i);
    }
  }
  if (fits)
    return success();
  auto diagnostic = emitError(loc) << "output '" << output.name << "' is declared as "
                                   << nameOf(output.type) << " [";
  llvm::interleaveComma(output.dims, diagnostic, [&](const Dimension &dim) {
    if (dim.value)
      diagnostic << *dim.value;
    else
      diagnostic << (dim.name.empty() ? "?" : StringRef(dim.name));
  });
  return diagnostic << "], but its nodes compute " << type;
}

static bool isScalarFloat(Value value) {
  return isFloat(value) && typeOf(value).getNumElements() == 1;
}

FailureOr<std::optional<unsigned>> bigmac::onnx::chooseLoss(Location loc,
                                                            ArrayRef<ValueInfo> outputs,
                                                            ArrayRef<Value> values,
                                                            const ONNXImportOptions &options) {
  StringRef wanted = options.lossName.empty() ? StringRef("loss") : StringRef(options.lossName);
  auto describe = [&](InFlightDiagnostic &diagnostic) {
    llvm::interleaveComma(llvm::seq<size_t>(0, outputs.size()), diagnostic, [&](size_t i) {
      diagnostic << "'" << outputs[i].name << "' " << values[i].getType();
    });
  };
  SmallVector<unsigned> candidates;
  for (auto [i, value] : llvm::enumerate(values)) {
    bool named = outputs[i].name == wanted;
    if (named && isScalarFloat(value))
      return std::optional<unsigned>(i);
    if (named && !options.lossName.empty())
      return emitError(loc) << "--loss " << wanted << " names an output of type " << value.getType()
                            << "; a loss is one floating-point number";
    if (isScalarFloat(value))
      candidates.push_back(i);
  }
  if (!options.lossName.empty()) {
    auto diagnostic = emitError(loc)
                      << "--loss " << wanted << " names no output of the graph; there are ";
    describe(diagnostic);
    return diagnostic;
  }
  if (candidates.size() == 1)
    return std::optional<unsigned>(candidates.front());
  if (!options.requireLoss)
    return std::optional<unsigned>();
  if (candidates.empty()) {
    auto diagnostic = emitError(loc)
                      << "no output of the graph is a scalar loss; export a model that returns "
                         "its loss (one floating-point number). The outputs are ";
    describe(diagnostic);
    return diagnostic;
  }
  auto diagnostic = emitError(loc)
                    << "several outputs can be the loss: choose one with --loss NAME. They are ";
  llvm::interleaveComma(candidates, diagnostic,
                        [&](unsigned i) { diagnostic << "'" << outputs[i].name << "'"; });
  return diagnostic;
}
