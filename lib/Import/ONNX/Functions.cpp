//===- Functions.cpp - Model-local functions -------------------------------===//

#include "Functions.h"

#include <set>
#include <tuple>

using namespace bigmac::onnx;

namespace {

constexpr size_t kMaxNodes = 2'000'000;
constexpr unsigned kMaxDepth = 64;

using Key = std::tuple<std::string, std::string, std::string>; // domain, name, overload

class Inliner {
public:
  Inliner(const std::vector<Function> &functions, std::string &error) : error(error) {
    for (const Function &function : functions)
      byKey.emplace(Key(function.domain, function.name, function.overload), &function);
  }

  bool expand(std::vector<Node> &nodes, std::vector<Node> &out, unsigned depth) {
    for (Node &node : nodes) {
      auto it = byKey.find(Key(node.domain, node.opType, node.overload));
      if (it == byKey.end()) {
        if (out.size() == kMaxNodes) {
          error = "its functions expand to more than " + std::to_string(kMaxNodes) + " nodes";
          return false;
        }
        out.push_back(std::move(node));
        continue;
      }
      if (depth == kMaxDepth) {
        error = "its function '" + node.opType + "' calls itself, or calls are nested more than " +
                std::to_string(kMaxDepth) + " deep";
        return false;
      }
      std::vector<Node> body;
      if (!instantiate(*it->second, node, body) || !expand(body, out, depth + 1))
        return false;
    }
    return true;
  }

private:
  /// The function's nodes with the call's operands, results and attributes put in.
  bool instantiate(const Function &function, const Node &call, std::vector<Node> &body) {
    if (call.inputs.size() > function.inputs.size() ||
        call.outputs.size() > function.outputs.size()) {
      error = "node '" + call.name + "' has more inputs or outputs than function '" +
              function.name + "'";
      return false;
    }
    std::map<std::string, std::string> names;
    for (size_t i = 0; i < function.inputs.size(); ++i)
      names[function.inputs[i]] = i < call.inputs.size() ? call.inputs[i] : "";
    // An output that is an input too needs a value of its own.
    std::vector<Node> copies;
    std::string prefix = function.name + "." + std::to_string(counter++) + ".";
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      const std::string &inner = function.outputs[i];
      if (call.outputs[i].empty())
        continue;
      if (!names.count(inner)) {
        names[inner] = call.outputs[i];
        continue;
      }
      Node copy;
      copy.name = call.name;
      copy.opType = "Identity";
      copy.opset = 13;
      copy.scope = call.scope;
      copy.inputs = {names[inner]};
      copy.outputs = {call.outputs[i]};
      copies.push_back(std::move(copy));
    }
    auto rename = [&](std::string &name) {
      if (name.empty())
        return;
      auto [it, added] = names.emplace(name, "");
      if (added)
        it->second = prefix + name;
      name = it->second;
    };
    for (const Node &inner : function.nodes) {
      Node node = inner;
      for (std::string &name : node.inputs)
        rename(name);
      for (std::string &name : node.outputs)
        rename(name);
      node.name = call.name.empty() ? inner.name : call.name + "/" + inner.name;
      if (node.scope.empty())
        node.scope = call.scope;
      if (!bindAttributes(function, call, node))
        return false;
      body.push_back(std::move(node));
    }
    for (Node &copy : copies)
      body.push_back(std::move(copy));
    return true;
  }

  bool bindAttributes(const Function &function, const Node &call, Node &node) {
    std::vector<NodeAttribute> bound;
    for (NodeAttribute &attribute : node.attributes) {
      if (attribute.kind != NodeAttribute::Kind::Reference) {
        bound.push_back(std::move(attribute));
        continue;
      }
      const NodeAttribute *value = nullptr;
      for (const auto *list : {&call.attributes, &function.defaults})
        for (const NodeAttribute &candidate : *list)
          if (!value && candidate.name == attribute.s)
            value = &candidate;
      if (!value)
        continue; // an optional attribute that the call does not give
      NodeAttribute copy = *value;
      copy.name = attribute.name;
      bound.push_back(std::move(copy));
    }
    node.attributes = std::move(bound);
    return true;
  }

  std::map<Key, const Function *> byKey;
  size_t counter = 0;
  std::string &error;
};

} // namespace

void bigmac::onnx::dropDeadNodes(Graph &graph) {
  std::set<std::string> wanted;
  for (const ValueInfo &output : graph.outputs)
    wanted.insert(output.name);
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    bool live = false;
    for (const std::string &output : node->outputs)
      live = live || (!output.empty() && wanted.count(output));
    if (!live)
      continue;
    wanted.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  graph.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
}

bool bigmac::onnx::inlineFunctions(Model &model, std::string &error) {
  dropDeadNodes(model.graph);
  if (!model.functions.empty()) {
    std::vector<Node> nodes;
    if (!Inliner(model.functions, error).expand(model.graph.nodes, nodes, 0))
      return false;
    model.graph.nodes = std::move(nodes);
    dropDeadNodes(model.graph);
  }
  return true;
}
