//===- Einsum.cpp - Sums of products by index ------------------------------===//

#include "OpImporters.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

namespace {

/// A tensor and the label of each of its dimensions. Dimensions of an ellipsis are labelled by
/// digits: characters below the letters, aligned at the last one.
struct Labelled {
  Value value;
  std::string labels;

  bool has(char label) const { return labels.find(label) != std::string::npos; }
  int64_t size(char label) const { return shapeOf(value)[labels.find(label)]; }
};

constexpr size_t kMaxEllipsis = 16;
constexpr char kFirstEllipsis = 1;

} // namespace

/// The labels of one term of an equation for a tensor of `rank`.
static FailureOr<std::string> parseTerm(NodeContext &n, StringRef term, int64_t rank) {
  std::string before, after;
  bool ellipsis = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term[i] == ' ')
      continue;
    if (term.substr(i).starts_with("...") && !ellipsis) {
      ellipsis = true;
      i += 2;
    } else if (llvm::isAlpha(term[i])) {
      (ellipsis ? after : before).push_back(term[i]);
    } else {
      return n.error() << "has '" << term << "' in its equation";
    }
  }
  int64_t covered = rank - static_cast<int64_t>(before.size() + after.size());
  if (covered < 0 || (covered > 0 && !ellipsis) || covered > static_cast<int64_t>(kMaxEllipsis))
    return n.error() << "has '" << term << "' in its equation for a tensor of rank " << rank;
  for (int64_t i = 0; i < covered; ++i)
    before.push_back(static_cast<char>(kFirstEllipsis + kMaxEllipsis - covered + i));
  return before + after;
}

/// `tensor` with its dimensions in the order of `labels`, new ones of size 1 where it has none.
static Value arrange(NodeContext &n, const Labelled &tensor, StringRef labels) {
  SmallVector<int64_t> permutation;
  Shape shape;
  for (char label : labels) {
    size_t at = tensor.labels.find(label);
    if (at != std::string::npos)
      permutation.push_back(at);
    shape.push_back(at == std::string::npos ? 1 : shapeOf(tensor.value)[at]);
  }
  return n.reshape(n.transpose(tensor.value, permutation), shape);
}

/// Sums over the labels that nothing else needs.
static Labelled sumOut(NodeContext &n, const Labelled &tensor, StringRef needed) {
  Labelled result;
  SmallVector<int64_t> dims;
  for (auto [i, label] : llvm::enumerate(tensor.labels)) {
    if (needed.contains(label))
      result.labels.push_back(label);
    else
      dims.push_back(i);
  }
  result.value = n.reduceSum(tensor.value, dims);
  return result;
}

/// The product of two tensors, summed over labels that both have and that are not needed.
static FailureOr<Labelled> multiply(NodeContext &n, Labelled a, Labelled b, StringRef needed) {
  a = sumOut(n, a, (needed + StringRef(b.labels)).str());
  b = sumOut(n, b, (needed + StringRef(a.labels)).str());
  std::string batch, contracted, onlyA, onlyB;
  for (char label : a.labels) {
    bool shared = b.has(label);
    (!shared ? onlyA : needed.contains(label) ? batch : contracted).push_back(label);
  }
  for (char label : b.labels)
    if (!a.has(label))
      onlyB.push_back(label);
  Labelled result;
  result.labels = batch + onlyA + onlyB;
  if (contracted.empty()) {
    SmallVector<Value> both = {arrange(n, a, result.labels), arrange(n, b, result.labels)};
    if (failed(n.unify(both)))
      return failure();
    result.value = n.mul(both[0], both[1]);
    return result;
  }
  if (!isFloat(a.value))
    return n.error() << "multiplies matrices of " << a.value.getType()
                     << ", only floating-point ones are supported";
  // Labels of one size in one tensor and 1 in the other are broadcast.
  Shape batchShape, resultShape;
  int64_t rows = 1, columns = 1, depth = 1;
  for (char label : batch)
    batchShape.push_back(std::max(a.size(label), b.size(label)));
  resultShape = batchShape;
  for (char label : onlyA) {
    rows *= a.size(label);
    resultShape.push_back(a.size(label));
  }
  for (char label : onlyB) {
    columns *= b.size(label);
    resultShape.push_back(b.size(label));
  }
  Shape depthShape;
  for (char label : contracted) {
    depthShape.push_back(std::max(a.size(label), b.size(label)));
    depth *= depthShape.back();
  }
  auto matrix = [&](const Labelled &tensor, StringRef own, int64_t count, bool depthFirst) {
    std::string order =
        depthFirst ? batch + contracted + own.str() : batch + own.str() + contracted;
    Shape full = batchShape;
    auto appendOwn = [&] {
      for (char label : own)
        full.push_back(tensor.size(label));
    };
    if (!depthFirst)
      appendOwn();
    llvm::append_range(full, depthShape);
    if (depthFirst)
      appendOwn();
    Shape flat = batchShape;
    flat.append({depthFirst ? depth : count, depthFirst ? count : depth});
    return n.reshape(n.broadcast(arrange(n, tensor, order), full), flat);
  };
  FailureOr<nn::MatmulOp> product =
      n.create<nn::MatmulOp>({matrix(a, onlyA, rows, false), matrix(b, onlyB, columns, true)});
  if (failed(product))
    return failure();
  result.value = n.reshape(product->getResult(), resultShape);
  return result;
}

LogicalResult bigmac::onnx::importEinsum(NodeContext &n) {
  std::string equation = n.attrString("equation", "");
  auto [left, right] = StringRef(equation).split("->");
  bool explicitOutput = StringRef(equation).contains("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != n.numInputs())
    return n.error() << "has " << n.numInputs() << " inputs for its equation '" << equation << "'";
  SmallVector<Labelled> operands;
  llvm::MapVector<char, int64_t> sizes;
  std::map<char, unsigned> uses;
  std::string ellipsis;
  for (auto [i, term] : llvm::enumerate(terms)) {
    if (!n.has(i) || isBool(n.in(i)) ||
        typeOf(n.in(i)).getElementType() != typeOf(n.in(0)).getElementType())
      return n.error() << "expects tensors of numbers of one element type";
    FailureOr<std::string> labels = parseTerm(n, term, typeOf(n.in(i)).getRank());
    if (failed(labels))
      return failure();
    for (auto [dim, label] : llvm::enumerate(*labels)) {
      if (labels->find(label, dim + 1) != std::string::npos)
        return n.error() << "takes a diagonal ('" << term << "'), which is not supported";
      int64_t size = shapeOf(n.in(i))[dim];
      auto [it, added] = sizes.insert({label, size});
      if (!added && it->second != size && it->second != 1 && size != 1)
        return n.error() << "has sizes " << it->second << " and " << size
                         << " for one index of its equation '" << equation << "'";
      it->second = std::max(it->second, size);
      ++uses[label];
      if (label < kFirstEllipsis + static_cast<char>(kMaxEllipsis) &&
          ellipsis.find(label) == std::string::npos)
        ellipsis.push_back(label);
    }
    operands.push_back({n.in(i), *labels});
  }
  llvm::sort(ellipsis);
  std::string output;
  if (explicitOutput) {
    FailureOr<std::string> labels =
        parseTerm(n, right,
                  right.contains("...")
                      ? static_cast<int64_t>(ellipsis.size() + llvm::count_if(right, llvm::isAlpha))
                      : static_cast<int64_t>(llvm::count_if(right, llvm::isAlpha)));
    if (failed(labels))
      return failure();
    output = *labels;
  } else {
    // Indices that occur once, in alphabetical order.
    output = ellipsis;
    for (auto [label, count] : uses)
      if (count == 1 && llvm::isAlpha(label))
        output.push_back(label);
  }
  for (auto [i, label] : llvm::enumerate(output))
    if (!sizes.contains(label) || output.find(label, i + 1) != std::string::npos)
      return n.error() << "has an unknown or repeated index in the output of its equation '"
                       << equation << "'";
  Labelled result = operands.front();
  for (size_t i = 1; i < operands.size(); ++i) {
    std::string needed = output;
    for (size_t j = i + 1; j < operands.size(); ++j)
      needed += operands[j].labels;
    FailureOr<Labelled> product = multiply(n, result, operands[i], needed);
    if (failed(product))
      return failure();
    result = *product;
  }
  result = sumOut(n, result, output);
  return n.setResult(arrange(n, result, output));
}
