//===- Importer.cpp - From an ONNX graph to a module -----------------------===//

#include "Functions.h"
#include "GraphChecks.h"
#include "Initializers.h"
#include "MaskedScatter.h"
#include "OpTable.h"

#include "bigmac/Import/ONNX.h"
#include "bigmac/Support/ModelLoc.h"
#include "dialects/NN/Transforms/FoldConstants.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

namespace {

class Importer {
public:
  Importer(MLIRContext &context, StringRef path, Model &model, const ONNXImportOptions &options)
      : path(path), model(model), graph(model.graph), options(options),
        module(ModuleOp::create(makeModelLoc(&context, path, ""))), builder(&context),
        initializers(*module, path, model, options) {}

  OwningOpRef<ModuleOp> run() {
    if (failed(checkVersions(module->getLoc(), model)) || failed(prepare()) ||
        failed(createFunction()))
      return {};
    for (const Node &node : graph.nodes)
      if (failed(importNode(node)))
        return {};
    if (failed(finish()))
      return {};
    return std::move(module);
  }

  ArrayRef<InitializerInfo> table() const { return initializers.table(); }

private:
  LogicalResult prepare();
  LogicalResult createFunction();
  LogicalResult importNode(const Node &node);
  LogicalResult foldNewOps(Operation *last, NodeContext &context);
  FailureOr<ImportedValue> lookup(StringRef name);
  LogicalResult finish();

  StringRef path;
  Model &model;
  Graph &graph;
  const ONNXImportOptions &options;
  OwningOpRef<ModuleOp> module;
  OpBuilder builder;
  Initializers initializers;
  func::FuncOp function;
  llvm::StringMap<ImportedValue> values;
};

} // namespace

LogicalResult Importer::prepare() {
  std::string error;
  if (!inlineFunctions(model, error))
    return emitError(module->getLoc()) << "cannot inline the model's functions: " << error;
  rewriteMaskedScatter(graph);
  dropDeadNodes(graph);
  if (failed(checkOps(module->getLoc(), graph)))
    return failure();
  llvm::StringSet<> used;
  for (const Node &node : graph.nodes)
    for (const std::string &input : node.inputs)
      used.insert(input);
  for (const ValueInfo &output : graph.outputs)
    used.insert(output.name);
  return initializers.classify(used);
}

LogicalResult Importer::createFunction() {
  MLIRContext *context = builder.getContext();
  SmallVector<const ValueInfo *> inputs;
  // Before IR version 4 an initializer was a graph input too, its default value.
  for (const ValueInfo &input : graph.inputs)
    if (!initializers.contains(input.name))
      inputs.push_back(&input);
  SmallVector<RankedTensorType> types;
  if (failed(resolveInputs(module->getLoc(), inputs, options, types)))
    return failure();
  if (graph.outputs.empty())
    return emitError(module->getLoc()) << "the graph has no outputs";

  builder.setInsertionPointToEnd(module->getBody());
  SmallVector<Type> argumentTypes(types.begin(), types.end());
  function = func::FuncOp::create(builder, module->getLoc(), "main",
                                  builder.getFunctionType(argumentTypes, {}));
  Block *body = function.addEntryBlock();
  for (auto [i, input] : llvm::enumerate(inputs)) {
    ImportedValue value;
    value.tensor = body->getArgument(i);
    value.tensor.setLoc(makeModelLoc(context, input->name, ""));
    value.isUnsigned = isUnsigned(input->type);
    if (input->name.empty() || !values.try_emplace(input->name, value).second)
      return emitError(module->getLoc())
             << "two inputs of the graph are named '" << input->name << "', or one has no name";
    function.setArgAttr(i, nn::kNameAttr, builder.getStringAttr(input->name));
  }
  builder.setInsertionPointToEnd(body);
  return success();
}

FailureOr<ImportedValue> Importer::lookup(StringRef name) {
  auto it = values.find(name);
  if (it != values.end())
    return it->second;
  if (!initializers.contains(name))
    return failure();
  FailureOr<ImportedValue> value = initializers.materialize(builder, name);
  if (succeeded(value))
    values[name] = *value;
  return value;
}

LogicalResult Importer::importNode(const Node &node) {
  Location loc = makeModelLoc(builder.getContext(), node.name, node.scope);
  auto error = [&] {
    return emitError(loc) << "node '" << node.name << "' (" << node.opType << ", opset "
                          << node.opset << ") ";
  };
  SmallVector<ImportedValue> inputs;
  unsigned present = 0;
  for (const std::string &name : node.inputs) {
    if (name.empty()) {
      inputs.emplace_back();
      continue;
    }
    if (!values.count(name) && !initializers.contains(name))
      return error() << "reads '" << name
                     << "', which is no input or initializer and which no node before it computes";
    FailureOr<ImportedValue> value = lookup(name);
    if (failed(value))
      return failure();
    bool takesSequence = node.opType == "SequenceAt" || node.opType == "Identity";
    if (value->isSequence && !takesSequence)
      return error() << "reads '" << name << "', which is a sequence, not a tensor";
    inputs.push_back(*value);
    present = inputs.size();
  }
  const OpTable::Entry *entry = OpTable::get().find(node.opType, node.opset);
  assert(entry && "unsupported ops were refused");
  bool complete = present >= entry->minInputs;
  for (unsigned i = 0; complete && i < entry->minInputs; ++i)
    complete = inputs[i].tensor || inputs[i].isSequence;
  if (!complete || present > entry->maxInputs) {
    auto diagnostic = error() << "expects ";
    if (entry->minInputs == entry->maxInputs)
      diagnostic << entry->minInputs;
    else if (entry->maxInputs == kAnyNumber)
      diagnostic << entry->minInputs << " or more";
    else
      diagnostic << entry->minInputs << " to " << entry->maxInputs;
    return diagnostic << " inputs, found " << present;
  }
  inputs.resize(present);
  if (node.outputs.empty())
    return error() << "has no outputs";

  Block *block = builder.getInsertionBlock();
  Operation *last = block->empty() ? nullptr : &block->back();
  NodeContext context(builder, loc, node, std::move(inputs));
  // The bytes of a tensor may be anywhere, which the initializers know.
  const NodeAttribute *value = node.opType == "Constant" ? context.attribute("value") : nullptr;
  if (value && value->kind == NodeAttribute::Kind::Tensor) {
    FailureOr<Value> constant = initializers.makeConstant(builder, loc, *value->tensor);
    if (failed(constant))
      return failure();
    context.results[0].isUnsigned = isUnsigned(value->tensor->type);
    (void)context.setResult(*constant);
  } else if (failed(entry->import(context)) || context.hasBadAttribute()) {
    return failure();
  }
  if (failed(foldNewOps(last, context)))
    return failure();
  for (auto [name, result] : llvm::zip_equal(node.outputs, context.results)) {
    if (name.empty())
      continue;
    if (!result.tensor && !result.isSequence)
      return error() << "has output '" << name << "', which is not supported";
    if (initializers.contains(name) || !values.try_emplace(name, result).second)
      return error() << "computes '" << name << "', which another node, an input or an "
                     << "initializer is named";
  }
  return success();
}

/// Folds the ops that a node became, and marks which of its results are unsigned.
LogicalResult Importer::foldNewOps(Operation *last, NodeContext &context) {
  Block *block = builder.getInsertionBlock();
  llvm::DenseMap<Value, Value> folded;
  auto it = last ? std::next(Block::iterator(last)) : block->begin();
  while (it != block->end()) {
    Operation *op = &*it++;
    OpBuilder before(op);
    SmallVector<Value> constants;
    if (failed(nn::foldToConstants(op, before, constants)))
      return failure();
    if (constants.empty())
      continue;
    for (auto [from, to] : llvm::zip_equal(op->getResults(), constants))
      folded[from] = to;
    op->replaceAllUsesWith(constants);
    op->erase();
  }
  static const llvm::StringSet<> kSigned = {"ArgMax", "ArgMin", "Cast",    "CastLike",
                                            "Shape",  "Size",   "Constant"};
  bool inherits = !kSigned.contains(context.node.opType);
  for (ImportedValue &result : context.results) {
    for (Value *value : llvm::concat<Value *>(
             SmallVector<Value *>{&result.tensor},
             llvm::map_to_vector(result.sequence, [](Value &part) { return &part; })))
      if (auto found = folded.find(*value); found != folded.end())
        *value = found->second;
    if (!inherits || !result.tensor)
      continue;
    Type element = typeOf(result.tensor).getElementType();
    for (unsigned i = 0; i < context.numInputs(); ++i)
      if (context.has(i) && context.isUnsignedInput(i) && context.in(i) &&
          typeOf(context.in(i)).getElementType() == element && !element.isInteger(1))
        result.isUnsigned = true;
  }
  return success();
}

LogicalResult Importer::finish() {
  Location loc = module->getLoc();
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  llvm::StringSet<> names;
  for (const ValueInfo &output : graph.outputs) {
    if (!names.insert(output.name).second)
      return emitError(loc) << "two outputs of the graph are named '" << output.name << "'";
    if (!values.count(output.name) && !initializers.contains(output.name))
      return emitError(loc) << "nothing computes the graph's output '" << output.name << "'";
    FailureOr<ImportedValue> value = lookup(output.name);
    if (failed(value))
      return failure();
    if (value->isSequence)
      return emitError(loc) << "the graph's output '" << output.name
                            << "' is a sequence, not a tensor";
    if (failed(checkOutput(loc, output, typeOf(value->tensor), options)))
      return failure();
    results.push_back(value->tensor);
  }
  FailureOr<std::optional<unsigned>> loss = chooseLoss(loc, graph.outputs, results, options);
  if (failed(loss))
    return failure();
  for (auto [i, output] : llvm::enumerate(graph.outputs)) {
    SmallVector<NamedAttribute> entries;
    entries.push_back(builder.getNamedAttr(nn::kNameAttr, builder.getStringAttr(output.name)));
    if (*loss == static_cast<unsigned>(i)) {
      entries.push_back(builder.getNamedAttr(nn::kLossAttr, builder.getUnitAttr()));
      results[i] = nn::createReshape(builder, results[i].getLoc(), results[i], {});
    }
    attributes.push_back(builder.getDictionaryAttr(entries));
  }
  func::ReturnOp::create(builder, loc, results);
  function.setFunctionType(builder.getFunctionType(function.getFunctionType().getInputs(),
                                                   ValueRange(results).getTypes()));
  function.setAllResultAttrs(attributes);
  // What only shapes were computed from has no more use.
  for (Operation *op = function.front().getTerminator()->getPrevNode(); op;) {
    Operation *before = op->getPrevNode();
    if (isOpTriviallyDead(op))
      op->erase();
    op = before;
  }
  llvm::StringSet<> read;
  function.walk([&](nn::GetParameterOp op) { read.insert(op.getParameter()); });
  for (auto parameter : llvm::make_early_inc_range(module->getOps<nn::ParameterOp>()))
    if (!read.contains(parameter.getSymName()))
      parameter.erase();
  return verify(*module);
}

OwningOpRef<ModuleOp> bigmac::importONNX(MLIRContext &context, StringRef path,
                                         const ONNXImportOptions &options,
                                         std::vector<InitializerInfo> *initializers) {
  context.loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect,
                      tensor::TensorDialect>();
  std::string error;
  std::unique_ptr<Model> model = readModel(path.str(), error);
  if (!model) {
    emitError(UnknownLoc::get(&context)) << error;
    return {};
  }
  Importer importer(context, path, *model, options);
  OwningOpRef<ModuleOp> module = importer.run();
  if (module && initializers)
    *initializers = importer.table();
  return module;
}
