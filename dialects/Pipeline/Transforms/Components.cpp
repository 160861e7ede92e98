//===- Components.cpp - Which component an op belongs to -------------------===//

#include "Components.h"

#include "bigmac/Support/ModelLoc.h"
#include "dialects/NN/IR/NN.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/GlobPattern.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

using Components = DenseMap<Operation *, Component>;

llvm::SetVector<Operation *> pipeline::trunkOf(func::FuncOp model) {
  DenseSet<Value> onParameter, onInput;
  onInput.insert(model.getArguments().begin(), model.getArguments().end());
  llvm::SetVector<Operation *> trunk;
  for (Operation &op : model.getBody().front()) {
    auto depends = [&](const DenseSet<Value> &set) {
      return llvm::any_of(op.getOperands(), [&](Value v) { return set.contains(v); });
    };
    bool parameter = isa<nn::GetParameterOp>(op) || depends(onParameter);
    bool input = depends(onInput);
    if (parameter)
      onParameter.insert(op.result_begin(), op.result_end());
    if (input)
      onInput.insert(op.result_begin(), op.result_end());
    if (parameter && input && !op.hasTrait<OpTrait::IsTerminator>())
      trunk.insert(&op);
  }
  return trunk;
}

/// Position in the order of data: encoder, LLM, generator.
static int orderOf(Component component) {
  switch (component) {
  case Component::encoder:
    return 0;
  case Component::llm:
    return 1;
  case Component::generator:
    return 2;
  }
  llvm_unreachable("unknown component");
}

static StringRef nameOf(Operation *op) {
  StringRef name = nodeNameOf(op->getLoc());
  return name.empty() ? op->getName().getStringRef() : name;
}

namespace {
struct RolePattern {
  Component role;
  std::string text;
  llvm::GlobPattern glob;
  bool used = false;
};
} // namespace

static LogicalResult parsePatterns(func::FuncOp model, ArrayRef<std::string> texts,
                                   SmallVectorImpl<RolePattern> &patterns) {
  for (const std::string &text : texts) {
    auto [role, pattern] = StringRef(text).split('=');
    std::optional<Component> component = symbolizeComponent(role);
    if (!component || pattern.empty())
      return model.emitError("expected --component ROLE=PATTERN with role encoder, llm or "
                             "generator, found '")
             << text << "'";
    llvm::Expected<llvm::GlobPattern> glob = llvm::GlobPattern::create(pattern);
    if (!glob)
      return model.emitError("cannot read the pattern of --component '")
             << text << "': " << llvm::toString(glob.takeError());
    patterns.push_back({*component, text, std::move(*glob)});
  }
  return success();
}

/// Ops that read a parameter through views and other parameter-only ops, by parameter name.
static void parametersRead(Operation *op, const llvm::SetVector<Operation *> &trunk,
                           SmallVectorImpl<StringRef> &names) {
  SmallVector<Operation *> worklist;
  DenseSet<Operation *> seen;
  auto push = [&](Operation *user) {
    for (Value operand : user->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        if (!trunk.contains(producer) && seen.insert(producer).second)
          worklist.push_back(producer);
  };
  push(op);
  while (!worklist.empty()) {
    Operation *producer = worklist.pop_back_val();
    if (auto get = dyn_cast<nn::GetParameterOp>(producer))
      for (const nn::ParameterPart &part :
           SymbolTable::lookupNearestSymbolFrom<nn::ParameterOp>(get, get.getParameterAttr())
               .getParts())
        names.push_back(part.name);
    push(producer);
  }
}

static LogicalResult seedByPatterns(func::FuncOp model, const llvm::SetVector<Operation *> &trunk,
                                    ArrayRef<std::string> texts, Components &seeds) {
  SmallVector<RolePattern> patterns;
  if (failed(parsePatterns(model, texts, patterns)))
    return failure();
  for (Operation *op : trunk) {
    SmallVector<StringRef> names;
    parametersRead(op, trunk, names);
    StringRef scope = scopeOf(op->getLoc());
    for (RolePattern &pattern : patterns) {
      bool matches = llvm::any_of(names, [&](StringRef n) { return pattern.glob.match(n); }) ||
                     (!scope.empty() && pattern.glob.match(scope));
      if (!matches)
        continue;
      pattern.used = true;
      auto [it, inserted] = seeds.try_emplace(op, pattern.role);
      if (!inserted && it->second != pattern.role)
        return op->emitError("node '")
               << nameOf(op) << "' is " << stringifyComponent(it->second) << " and "
               << stringifyComponent(pattern.role) << " by two --component patterns";
    }
  }
  for (const RolePattern &pattern : patterns)
    if (!pattern.used)
      return model.emitError("--component '")
             << pattern.text << "' matches no parameter and no module scope; "
             << "--print-parameters lists the names";
  return success();
}

/// The trunk ops that `roots` depend on.
static DenseSet<Operation *> sliceOf(ArrayRef<Operation *> roots,
                                     const llvm::SetVector<Operation *> &trunk) {
  DenseSet<Operation *> slice;
  SmallVector<Operation *> worklist(roots.begin(), roots.end());
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val();
    if (!trunk.contains(op) || !slice.insert(op).second)
      continue;
    for (Value operand : op->getOperands())
      if (Operation *producer = operand.getDefiningOp())
        worklist.push_back(producer);
  }
  return slice;
}

static void seedByDataflow(func::FuncOp model, const llvm::SetVector<Operation *> &trunk,
                           Value loss, Components &seeds) {
  DenseSet<Operation *> lossSlice = sliceOf(loss.getDefiningOp(), trunk);
  SmallVector<Operation *> textLosses;
  DenseSet<Operation *> onTokens;
  for (Operation *op : trunk) {
    if (isa<nn::CrossEntropyOp>(op) && lossSlice.contains(op))
      textLosses.push_back(op);
    bool tokens = isa<nn::EmbeddingOp>(op) || llvm::any_of(op->getOperands(), [&](Value v) {
                    return v.getDefiningOp() && onTokens.contains(v.getDefiningOp());
                  });
    if (tokens)
      onTokens.insert(op);
  }
  DenseSet<Operation *> text = sliceOf(textLosses, trunk);
  bool llmFound = llvm::any_of(text, [&](Operation *op) { return onTokens.contains(op); });
  for (Operation *op : trunk) {
    if (!llmFound)
      seeds[op] = Component::llm;
    else if (text.contains(op))
      seeds[op] = onTokens.contains(op) ? Component::llm : Component::encoder;
    else if (lossSlice.contains(op))
      seeds[op] = Component::generator;
    // Metrics follow what they are computed from.
  }
}

FailureOr<Components> pipeline::assignComponents(func::FuncOp model,
                                                 const llvm::SetVector<Operation *> &trunk,
                                                 Value loss, ArrayRef<std::string> patterns) {
  Components seeds;
  if (!patterns.empty()) {
    if (failed(seedByPatterns(model, trunk, patterns, seeds)))
      return failure();
  } else {
    seedByDataflow(model, trunk, loss, seeds);
  }

  Components components = seeds;
  for (Operation *op : trunk) {
    Operation *latest = nullptr;
    for (Value operand : op->getOperands()) {
      Operation *producer = operand.getDefiningOp();
      if (producer && components.count(producer) &&
          (!latest || orderOf(components[producer]) > orderOf(components[latest])))
        latest = producer;
    }
    if (!latest)
      continue;
    auto own = components.find(op);
    if (own == components.end()) {
      components[op] = components[latest];
    } else if (orderOf(own->second) < orderOf(components[latest])) {
      if (!patterns.empty()) {
        auto diagnostic = op->emitError("node '")
                          << nameOf(op) << "' is " << stringifyComponent(own->second)
                          << " by a --component pattern, but it reads from the "
                          << stringifyComponent(components[latest]);
        diagnostic.attachNote(latest->getLoc()) << "from node '" << nameOf(latest) << "'";
        return diagnostic;
      }
      own->second = components[latest];
    }
  }
  // What no pattern reached and nothing assigned feeds: the earliest of its users, so that an
  // encoder's or generator's first ops go with it; else the LLM.
  for (Operation *op : llvm::reverse(trunk)) {
    if (components.count(op))
      continue;
    std::optional<Component> first;
    for (Operation *user : op->getUsers())
      if (auto it = components.find(user);
          it != components.end() && (!first || orderOf(it->second) < orderOf(*first)))
        first = it->second;
    components[op] = first.value_or(Component::llm);
  }
  return components;
}
