//===- Model.h - An ONNX model as plain data --------------------*- C++ -*-===//
//
// What the importer needs of a ModelProto, without protobuf. Strings are the file's own: nothing
// here has been checked but that it could be parsed.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_MODEL_H
#define BIGMAC_LIB_IMPORT_ONNX_MODEL_H

#include "MappedFile.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bigmac::onnx {

/// TensorProto.DataType, its numbers.
enum class DataType : int32_t {
  Undefined = 0,
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  UInt32 = 12,
  UInt64 = 13,
  BFloat16 = 16,
};

/// Bytes of one element; 0 for types that the importer does not take.
unsigned byteWidth(DataType type);

/// The type as ONNX calls it, or "type 17" for one that the importer does not take.
std::string nameOf(DataType type);

/// A TensorProto. Its values are little-endian and row-major, a bool is one byte.
struct Tensor {
  enum class Storage { Inline, InModel, External };

  std::string name;
  std::vector<int64_t> dims;
  DataType type = DataType::Undefined;
  Storage storage = Storage::Inline;
  std::string bytes;                           ///< Inline
  uint64_t offset = 0, size = 0;               ///< InModel: a range of the model's own file
  std::map<std::string, std::string> external; ///< External: location, offset, length
  std::map<std::string, std::string> metadata;
};

struct NodeAttribute {
  enum class Kind { Float, Int, String, Tensor, Floats, Ints, Strings, Reference, Other };

  std::string name;
  Kind kind = Kind::Other;
  float f = 0;
  int64_t i = 0;
  std::string s; ///< String; for Reference the name of the function's attribute
  std::shared_ptr<Tensor> tensor;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
};

struct Node {
  std::string name, opType, domain, overload;
  std::vector<std::string> inputs, outputs;
  std::vector<NodeAttribute> attributes;
  std::string scope; ///< the module it comes from, like "model.layers.0.mlp"; may be empty
  int64_t opset = 0; ///< of its domain; 0 where the model imports none
};

struct Dimension {
  std::optional<int64_t> value;
  std::string name; ///< may be empty
};

struct ValueInfo {
  std::string name;
  bool isTensor = false;
  DataType type = DataType::Undefined;
  bool hasShape = false;
  std::vector<Dimension> dims;
  std::map<std::string, std::string> metadata;
};

struct Function {
  std::string name, domain, overload;
  std::vector<std::string> inputs, outputs, attributes;
  std::vector<NodeAttribute> defaults;
  std::vector<Node> nodes;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<ValueInfo> inputs, outputs, values;
  std::map<std::string, std::string> metadata;
  bool hasSparseInitializers = false;
};

struct Model {
  std::unique_ptr<MappedFile> file;
  int64_t irVersion = 0;
  std::map<std::string, int64_t> opsets; ///< by domain, ONNX's own under ""
  std::map<std::string, std::string> metadata;
  Graph graph;
  std::vector<Function> functions;
};

/// The newest IR version that the vendored schema describes.
int64_t newestIRVersion();

/// Reads `path`. Null with a reason in `error`, which names the file, where it is no ONNX model.
/// Throws nothing.
std::unique_ptr<Model> readModel(const std::string &path, std::string &error);

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_MODEL_H
