//===- RandomTest.cpp - Random graphs against the interpreter --------------===//
//
// Fusion, bufferization and planning meet shapes and sharing here that nobody thought of: each seed
// builds a graph, compiles it, and compares with the reference interpreter.
//
//===----------------------------------------------------------------------===//

#include "Reference.h"

#include "bigmac/Interpreter/Interpreter.h"
#include "bigmac/Target/CPU.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>
#include <numeric>
#include <sstream>

using namespace bigmac::test;

namespace {

using Shape = std::vector<int64_t>;

/// Text of a random task, with an accumulator once as a buffer and once as argument and result.
class Generator {
public:
  explicit Generator(unsigned seed) : random(seed) {}

  void run(int ops) {
    for (int i = 0; i < 3; ++i)
      values.push_back(argument(randomShape()));
    while (ops-- > 0)
      step();
    for (int i = 0; i < 2; ++i)
      accumulate();
  }

  std::string task() const { return text(true); }
  std::string reference() const { return text(false); }
  const std::vector<Shape> &arguments() const { return argumentShapes; }
  const std::vector<size_t> &accumulators() const { return accumulatorArguments; }

private:
  struct Value {
    std::string name;
    Shape shape;
  };

  int64_t below(int64_t n) { return std::uniform_int_distribution<int64_t>(0, n - 1)(random); }
  const Value &any() { return values[below(static_cast<int64_t>(values.size()))]; }

  Shape randomShape() {
    const int64_t sizes[] = {1, 2, 3, 4, 6, 8, 17};
    Shape shape(2 + below(3));
    for (int64_t &size : shape)
      size = sizes[below(7)];
    return shape;
  }

  Value argument(const Shape &shape) {
    std::string name = "%arg" + std::to_string(argumentShapes.size());
    argumentShapes.push_back(shape);
    return {name, shape};
  }

  /// Appends `%n = <op>` with a result of `shape`.
  void emit(const std::string &op, const Shape &shape) {
    Value value = {"%v" + std::to_string(next++), shape};
    body << "  " << value.name << " = " << op << "\n";
    values.push_back(value);
  }

  std::string unary(const std::string &op, const Value &v) {
    return op + " " + v.name + " : " + typeName(v.shape);
  }

  void step() {
    switch (below(16)) {
    case 0: {
      const char *ops[] = {"arith.negf", "math.tanh",  "math.absf",
                           "nn.silu",    "nn.sigmoid", "nn.gelu"};
      Value v = any();
      return emit(unary(ops[below(6)], v), v.shape);
    }
    case 1:
    case 2:
      return binary();
    case 3:
      return broadcast();
    case 4:
      return reduce();
    case 5:
      return transposeValue();
    case 6:
      return reshape();
    case 7:
      return slice();
    case 8:
      return concat();
    case 9:
      return pad();
    case 10: {
      Value v = any();
      return emit(unary(below(2) ? "nn.softmax" : "nn.log_softmax", v), v.shape);
    }
    case 11:
      return norm();
    case 12:
    case 13:
      return product();
    case 14:
      return attend();
    default:
      return split();
    }
  }

  void binary() {
    const char *ops[] = {"arith.addf", "arith.mulf", "arith.subf", "arith.maximumf"};
    Value a = any(), b = any();
    if (a.shape != b.shape)
      b = below(2) ? a : argument(a.shape);
    emit(std::string(ops[below(4)]) + " " + a.name + ", " + b.name + " : " + typeName(a.shape),
         a.shape);
  }

  void broadcast() {
    Value a = any();
    Shape from = a.shape;
    for (int64_t &size : from)
      if (below(2))
        size = 1;
    for (int64_t drop = below(static_cast<int64_t>(from.size())); drop > 0; --drop)
      from.erase(from.begin());
    Value b = argument(from);
    emit("nn.broadcast " + b.name + " : " + typeName(from) + " -> " + typeName(a.shape), a.shape);
    Value wide = values.back();
    emit("arith.mulf " + a.name + ", " + wide.name + " : " + typeName(a.shape), a.shape);
  }

  void reduce() {
    Value v = any();
    if (v.shape.size() < 2)
      return;
    Shape kept;
    std::string dims;
    for (size_t i = 0; i < v.shape.size(); ++i) {
      if (below(2) || (i + 1 == v.shape.size() && dims.empty()))
        dims += (dims.empty() ? "" : ", ") + std::to_string(i);
      else
        kept.push_back(v.shape[i]);
    }
    if (kept.empty())
      return;
    emit(std::string(below(3) ? "nn.reduce_sum " : "nn.reduce_max ") + v.name + " [" + dims +
             "] : " + typeName(v.shape),
         kept);
  }

  void transposeValue() {
    Value v = any();
    std::vector<int64_t> permutation(v.shape.size());
    std::iota(permutation.begin(), permutation.end(), 0);
    std::shuffle(permutation.begin(), permutation.end(), random);
    Shape shape;
    std::string text;
    for (int64_t dim : permutation) {
      shape.push_back(v.shape[dim]);
      text += (text.empty() ? "" : ", ") + std::to_string(dim);
    }
    emit("nn.transpose " + v.name + " [" + text + "] : " + typeName(v.shape), shape);
  }

  void reshape() {
    Value v = any();
    if (v.shape.size() < 2)
      return;
    size_t at = below(static_cast<int64_t>(v.shape.size()) - 1);
    Shape merged = v.shape;
    merged[at] *= merged[at + 1];
    merged.erase(merged.begin() + at + 1);
    std::string groups;
    for (size_t i = 0, dim = 0; i < merged.size(); ++i) {
      groups += (i ? ", [" : "[") + std::to_string(dim++);
      if (i == at)
        groups += ", " + std::to_string(dim++);
      groups += "]";
    }
    emit("tensor.collapse_shape " + v.name + " [" + groups + "] : " + typeName(v.shape) + " into " +
             typeName(merged),
         merged);
    if (below(2))
      return;
    Value flat = values.back();
    std::string sizes;
    for (int64_t size : v.shape)
      sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    emit("tensor.expand_shape " + flat.name + " [" + groups + "] output_shape [" + sizes +
             "] : " + typeName(merged) + " into " + typeName(v.shape),
         v.shape);
  }

  static std::string list(const Shape &shape) {
    std::string text;
    for (int64_t size : shape)
      text += (text.empty() ? "" : ", ") + std::to_string(size);
    return "[" + text + "]";
  }

  void emitSlice(const Value &v, const Shape &offsets, const Shape &sizes) {
    emit("tensor.extract_slice " + v.name + list(offsets) + " " + list(sizes) + " " +
             list(Shape(sizes.size(), 1)) + " : " + typeName(v.shape) + " to " + typeName(sizes),
         sizes);
  }

  void slice() {
    Value v = any();
    Shape offsets(v.shape.size(), 0), sizes = v.shape;
    for (size_t i = 0; i < sizes.size(); ++i)
      if (below(2)) {
        offsets[i] = below(sizes[i]);
        sizes[i] = 1 + below(sizes[i] - offsets[i]);
      }
    emitSlice(v, offsets, sizes);
  }

  void concat() {
    Value a = any(), b = any();
    size_t dim = below(static_cast<int64_t>(a.shape.size()));
    Shape other = a.shape;
    other[dim] = 1 + below(4);
    if (b.shape != other)
      b = argument(other);
    emitConcat(a, b, dim);
  }

  void emitConcat(const Value &a, const Value &b, size_t dim) {
    Shape shape = a.shape;
    shape[dim] += b.shape[dim];
    emit("tensor.concat dim(" + std::to_string(dim) + ") " + a.name + ", " + b.name + " : (" +
             typeName(a.shape) + ", " + typeName(b.shape) + ") -> " + typeName(shape),
         shape);
  }

  void pad() {
    Value v = any();
    size_t dim = below(static_cast<int64_t>(v.shape.size()));
    Shape shape = v.shape, offsets(v.shape.size(), 0);
    shape[dim] += 1 + below(3);
    offsets[dim] = below(shape[dim] - v.shape[dim] + 1);
    std::string zero = "%z" + std::to_string(next++);
    body << "  " << zero << " = arith.constant dense<0.0> : " << typeName(shape) << "\n";
    emit("tensor.insert_slice " + v.name + " into " + zero + list(offsets) + " " + list(v.shape) +
             " " + list(Shape(shape.size(), 1)) + " : " + typeName(v.shape) + " into " +
             typeName(shape),
         shape);
  }

  void norm() {
    Value v = any();
    Shape rows(v.shape.begin(), v.shape.end() - 1), columns = {v.shape.back()};
    Value scale = argument(columns), grad = argument(v.shape);
    std::string type = typeName(v.shape), id = std::to_string(next++);
    bool isLayer = below(2);
    body << "  %y" << id << (isLayer ? ", %m" + id : "") << ", %r" << id << " = nn."
         << (isLayer ? "layer_norm " : "rms_norm ") << v.name << " scale " << scale.name << " : "
         << typeName(columns) << " epsilon 0.1 : " << type << "\n";
    values.push_back({"%y" + id, v.shape});
    if (!rows.empty())
      values.push_back({"%r" + id, rows});
    emit(std::string("nn.") + (isLayer ? "layer_norm_backward " : "rms_norm_backward ") + v.name +
             (isLayer ? ", %m" + id : "") + ", %r" + id + ", " + grad.name + " scale " +
             scale.name + " : " + typeName(columns) + " : " + type +
             (isLayer ? ", " + typeName(rows) : "") + ", " + typeName(rows) + ", " + type,
         v.shape);
  }

  void product() {
    Value a = any();
    if (a.shape.size() < 2)
      return;
    bool transposeLhs = below(3) == 0, transposeRhs = below(2), shared = below(2);
    size_t rank = a.shape.size();
    int64_t m = a.shape[rank - 2], k = a.shape[rank - 1], n = 1 + below(6);
    if (transposeLhs)
      std::swap(m, k);
    Shape rhs = shared ? Shape() : Shape(a.shape.begin(), a.shape.end() - 2);
    rhs.push_back(transposeRhs ? n : k);
    rhs.push_back(transposeRhs ? k : n);
    Value b = argument(rhs);
    Shape out(a.shape.begin(), a.shape.end() - 2);
    out.push_back(m);
    out.push_back(n);
    emit("nn.matmul " + a.name + (transposeLhs ? " transposed" : "") + ", " + b.name +
             (transposeRhs ? " transposed" : "") + " : " + typeName(a.shape) + ", " + typeName(rhs),
         out);
  }

  /// Attention of a value with keys and values of its own, and its backward.
  void attend() {
    Value q = any();
    if (q.shape.size() != 4)
      return;
    int64_t heads = q.shape[1], kvHeads = heads % 2 == 0 && below(2) ? heads / 2 : heads;
    int64_t keys = 1 + below(9), depth = 1 + below(5);
    Shape k = {q.shape[0], kvHeads, keys, q.shape[3]}, v = {q.shape[0], kvHeads, keys, depth};
    Shape out = {q.shape[0], heads, q.shape[2], depth}, rows = {q.shape[0], heads, q.shape[2]};
    Value key = argument(k), value = argument(v), grad = argument(out);
    std::string causal = below(2) ? "causal " : "", id = std::to_string(next++);
    std::string types = typeName(q.shape) + ", " + typeName(k) + ", " + typeName(v);
    body << "  %y" << id << ", %r" << id << " = nn.attention " << causal << q.name << ", "
         << key.name << ", " << value.name << " scale 0.5 : " << types << "\n";
    values.push_back({"%y" + id, out});
    body << "  %dq" << id << ", %dk" << id << ", %dv" << id << " = nn.attention_backward " << causal
         << q.name << ", " << key.name << ", " << value.name << ", %y" << id << ", %r" << id << ", "
         << grad.name << " scale 0.5 : " << types << ", " << typeName(out) << ", " << typeName(rows)
         << ", " << typeName(out) << "\n";
    for (auto [name, shape] : {std::pair("%dq", q.shape), std::pair("%dk", k), std::pair("%dv", v)})
      if (below(2))
        values.push_back({name + id, shape});
  }

  /// What rotary embeddings do.
  void split() {
    Value v = any();
    int64_t size = v.shape.back();
    if (size < 2)
      return;
    int64_t cut = 1 + below(size - 1);
    Shape offsets(v.shape.size(), 0), low = v.shape, high = v.shape;
    low.back() = cut;
    high.back() = size - cut;
    emitSlice(v, offsets, low);
    Value a = values.back();
    offsets.back() = cut;
    emitSlice(v, offsets, high);
    emit(unary("arith.negf", values.back()), high);
    emitConcat(values.back(), a, v.shape.size() - 1);
    Value rotated = values.back();
    emit("arith.addf " + rotated.name + ", " + v.name + " : " + typeName(v.shape), v.shape);
  }

  void accumulate() {
    Value v = any();
    accumulatorArguments.push_back(argumentShapes.size());
    Value old = argument(v.shape);
    std::string id = std::to_string(next++);
    std::string type = typeName(v.shape);
    body << "  %new" << id << " = arith.addf " << old.name << ", " << v.name << " : " << type
         << "\n";
    updates.push_back({"%new" + id, v.shape});
    if (below(3) == 0)
      values.push_back(old);
  }

  static std::string memref(const std::string &tensor) { return "memref" + tensor.substr(6); }

  std::string text(bool buffers) const {
    auto isAccumulator = [&](size_t i) {
      return std::find(accumulatorArguments.begin(), accumulatorArguments.end(), i) !=
             accumulatorArguments.end();
    };
    std::ostringstream os;
    os << "func.func @f(";
    for (size_t i = 0; i < argumentShapes.size(); ++i) {
      std::string type = typeName(argumentShapes[i]);
      os << (i ? ", " : "");
      if (buffers && isAccumulator(i))
        os << "%buffer" << i << ": " << memref(type);
      else
        os << "%arg" << i << ": " << type;
    }
    std::vector<Value> results(values.end() - std::min<size_t>(values.size(), 6), values.end());
    if (!buffers)
      results.insert(results.end(), updates.begin(), updates.end());
    std::string names, types;
    for (const Value &result : results) {
      names += (names.empty() ? "" : ", ") + result.name;
      types += (types.empty() ? "" : ", ") + typeName(result.shape);
    }
    os << ") -> (" << types << ") {\n";
    if (buffers)
      for (size_t i : accumulatorArguments) {
        std::string type = typeName(argumentShapes[i]);
        os << "  %arg" << i << " = bufferization.to_tensor %buffer" << i
           << " restrict writable : " << memref(type) << " to " << type << "\n";
      }
    os << body.str();
    if (buffers)
      for (size_t i = 0; i < updates.size(); ++i) {
        size_t argument = accumulatorArguments[i];
        std::string type = typeName(updates[i].shape);
        os << "  bufferization.materialize_in_destination " << updates[i].name
           << " in restrict writable %buffer" << argument << " : (" << type << ", " << memref(type)
           << ") -> ()\n";
      }
    os << "  return " << names << " : " << types << "\n}\n";
    return os.str();
  }

  std::mt19937 random;
  std::vector<Shape> argumentShapes;
  std::vector<size_t> accumulatorArguments;
  std::vector<Value> values, updates;
  std::ostringstream body;
  int next = 0;
};

std::vector<Tensor> interpret(const std::string &text, const std::vector<Tensor> &args) {
  mlir::DialectRegistry registry;
  registry.insert<bigmac::nn::NNDialect>();
  bigmac::registerCPUDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return {};
  auto function = *module->getOps<mlir::func::FuncOp>().begin();
  llvm::SmallVector<bigmac::interpreter::Tensor> inputs;
  for (auto [tensor, type] : llvm::zip_equal(args, function.getArgumentTypes())) {
    std::vector<float> values(tensor.data.begin(), tensor.data.end());
    auto attribute = mlir::DenseElementsAttr::get(llvm::cast<mlir::ShapedType>(type),
                                                  llvm::ArrayRef<float>(values));
    inputs.push_back(*bigmac::interpreter::Tensor::fromAttribute(attribute));
  }
  auto outputs = bigmac::interpreter::interpret(function, inputs);
  std::vector<Tensor> results;
  if (mlir::failed(outputs))
    return results;
  for (auto [output, type] : llvm::zip_equal(*outputs, function.getResultTypes())) {
    Tensor result(llvm::cast<mlir::ShapedType>(type).getShape().vec());
    for (int64_t i = 0; i < result.size(); ++i)
      result[i] = output.at(i);
    results.push_back(result);
  }
  return results;
}

class RandomGraph : public testing::TestWithParam<unsigned> {};

} // namespace

TEST_P(RandomGraph, EqualsTheInterpreter) {
  Generator generator(GetParam());
  generator.run(8 + static_cast<int>(GetParam() % 20));
  Tasks tasks(generator.task());
  ASSERT_TRUE(tasks.ok()) << tasks.error() << generator.task();
  std::vector<Tensor> args;
  for (const Shape &shape : generator.arguments())
    args.push_back(Tensor::random(shape, static_cast<unsigned>(args.size()) + 100));
  std::vector<Tensor> expected = interpret(generator.reference(), args);
  ASSERT_FALSE(expected.empty()) << generator.reference();
  std::vector<Tensor> actual = tasks.run("f", args);
  for (size_t i : generator.accumulators())
    actual.push_back(args[i]);
  ASSERT_EQ(actual.size(), expected.size());
  // Rounding errors grow along the graph; a wrong element is far off.
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_LT(relativeError(actual[i], expected[i], 1.0), 1e-3) << "result " << i << " of\n"
                                                                << generator.task();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraph, testing::Range(0u, 80u));
