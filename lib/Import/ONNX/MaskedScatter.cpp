//===- MaskedScatter.cpp - Merging by a mask of the data -------------------===//

#include "MaskedScatter.h"

#include "OpImporters.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

namespace {

class Rewriter {
public:
  explicit Rewriter(Graph &graph) : graph(graph) {
    for (Node &node : graph.nodes)
      for (const std::string &output : node.outputs)
        producers[output] = &node;
  }

  void run() {
    for (Node &node : graph.nodes)
      if (node.domain.empty() && node.opType == "ScatterND" && node.inputs.size() == 3)
        rewrite(node);
  }

private:
  const Node *producer(StringRef value, StringRef op) const {
    const Node *node = producers.lookup(value);
    return node && node->domain.empty() && node->opType == op && !node->inputs.empty() ? node
                                                                                       : nullptr;
  }

  /// The NonZero whose transposed result `value` is.
  const Node *findNonZero(StringRef value) const {
    const Node *transpose = producer(value, "Transpose");
    return transpose ? producer(transpose->inputs[0], "NonZero") : nullptr;
  }

  /// Whether `value` is computed from the shape of what `nonZero` gives, by ops that only pick.
  bool isCountOf(StringRef value, const Node *nonZero) const {
    static const llvm::StringSet<> picks = {"Cast",  "Gather",  "Identity", "Reshape",
                                            "Slice", "Squeeze", "Unsqueeze"};
    // As many steps as an exporter would take.
    for (int steps = 0; steps < 8; ++steps) {
      const Node *node = producers.lookup(value);
      if (!node || node->inputs.empty() || !node->domain.empty())
        return false;
      if (node->opType == "Shape")
        return producers.lookup(node->inputs[0]) == nonZero ||
               findNonZero(node->inputs[0]) == nonZero;
      if (!picks.contains(node->opType))
        return false;
      value = node->inputs[0];
    }
    return false;
  }

  void rewrite(Node &scatter) {
    for (const NodeAttribute &attribute : scatter.attributes)
      if (attribute.name == "reduction" && attribute.s != "none")
        return;
    const Node *nonZero = findNonZero(scatter.inputs[1]);
    const Node *slice = producer(scatter.inputs[2], "Slice");
    if (!nonZero || !slice || slice->inputs.size() < 3 || !isCountOf(slice->inputs[2], nonZero))
      return;
    scatter.opType = kMaskedScatter;
    scatter.inputs[1] = nonZero->inputs[0];
    scatter.inputs[2] = slice->inputs[0];
  }

  Graph &graph;
  llvm::StringMap<Node *> producers;
};

} // namespace

void bigmac::onnx::rewriteMaskedScatter(Graph &graph) { Rewriter(graph).run(); }

/// result[i] = mask[i] ? source[number of true elements before i] : data[i]. A source that is too
/// short is found when it is looked up.
LogicalResult bigmac::onnx::importMaskedScatter(NodeContext &n) {
  Value data = n.in(0), mask = n.in(1), source = n.in(2);
  if (!isBool(mask) || typeOf(data).getElementType() != typeOf(source).getElementType())
    return n.error() << "expects a mask of booleans and a source of its data's type, found "
                     << mask.getType() << " and " << source.getType();
  if (shapeOf(mask) != shapeOf(data))
    return n.error() << "has a mask " << mask.getType() << " of another shape than its data "
                     << data.getType();
  int64_t elements = typeOf(data).getNumElements();
  // Rows that are replaced as a whole are looked up as a whole.
  int64_t width = 1;
  if (auto broadcast = mask.getDefiningOp<nn::BroadcastOp>()) {
    ArrayRef<int64_t> shape = shapeOf(data), small = shapeOf(broadcast.getInput());
    if (!small.empty() && small.back() == 1 &&
        typeOf(source).getNumElements() % shape.back() == 0) {
      width = shape.back();
      Shape rows(shape.drop_back());
      rows.push_back(1);
      mask = n.broadcast(broadcast.getInput(), rows);
    }
  }
  int64_t rows = elements / width, sourceRows = typeOf(source).getNumElements() / width;
  if (rows == 0 || sourceRows == 0)
    return n.error() << "has no elements in its data " << data.getType() << " or its source "
                     << source.getType();
  mask = n.reshape(mask, {rows});
  Value count = runningSum(n, n.cast(mask, n.b.getI64Type(), true, false), /*exclusive=*/true,
                           /*reverse=*/false);
  Value ids = n.select(mask, count, n.splat(count, 0));
  Value found = n.lookup(n.reshape(source, {sourceRows, width}), ids);
  Value whole = n.broadcast(n.reshape(mask, {rows, 1}), {rows, width});
  Value merged = n.select(whole, found, n.reshape(data, {rows, width}));
  return n.setResult(n.reshape(merged, shapeOf(data)));
}
