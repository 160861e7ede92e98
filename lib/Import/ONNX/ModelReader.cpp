//===- ModelReader.cpp - From protobuf to plain data -----------------------===//
//
// The one file that sees protobuf, which may throw: nothing thrown leaves it.
//
//===----------------------------------------------------------------------===//

#include "Model.h"
#include "Scopes.h"
#include "WireFormat.h"

#include "onnx-ml.pb.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <bit>
#include <cstring>
#include <exception>
#include <limits>

using namespace bigmac::onnx;

static_assert(std::endian::native == std::endian::little,
              "ONNX files are little-endian, and their values are used as they are");

unsigned bigmac::onnx::byteWidth(DataType type) {
  switch (type) {
  case DataType::Bool:
  case DataType::UInt8:
  case DataType::Int8:
    return 1;
  case DataType::UInt16:
  case DataType::Int16:
  case DataType::Float16:
  case DataType::BFloat16:
    return 2;
  case DataType::Float:
  case DataType::Int32:
  case DataType::UInt32:
    return 4;
  case DataType::Double:
  case DataType::Int64:
  case DataType::UInt64:
    return 8;
  default:
    return 0;
  }
}

std::string bigmac::onnx::nameOf(DataType type) {
  switch (type) {
  case DataType::Float:
    return "float32";
  case DataType::UInt8:
    return "uint8";
  case DataType::Int8:
    return "int8";
  case DataType::UInt16:
    return "uint16";
  case DataType::Int16:
    return "int16";
  case DataType::Int32:
    return "int32";
  case DataType::Int64:
    return "int64";
  case DataType::String:
    return "string";
  case DataType::Bool:
    return "bool";
  case DataType::Float16:
    return "float16";
  case DataType::Double:
    return "float64";
  case DataType::UInt32:
    return "uint32";
  case DataType::UInt64:
    return "uint64";
  case DataType::BFloat16:
    return "bfloat16";
  default:
    return "type " + std::to_string(static_cast<int32_t>(type));
  }
}

int64_t bigmac::onnx::newestIRVersion() { return ::onnx::IR_VERSION; }

namespace {

template <typename Entries> std::map<std::string, std::string> toMap(const Entries &entries) {
  std::map<std::string, std::string> map;
  for (const auto &entry : entries)
    map[entry.key()] = entry.value();
  return map;
}

template <typename To, typename Values> std::string packAs(const Values &values) {
  std::string bytes(values.size() * sizeof(To), '\0');
  char *out = bytes.data();
  for (auto value : values) {
    To element = static_cast<To>(value);
    std::memcpy(out, &element, sizeof(To));
    out += sizeof(To);
  }
  return bytes;
}

/// The values of a tensor's typed fields as the bytes that `raw_data` would hold.
std::string packValues(const ::onnx::TensorProto &proto, DataType type) {
  switch (type) {
  case DataType::Float:
    return packAs<float>(proto.float_data());
  case DataType::Double:
    return packAs<double>(proto.double_data());
  case DataType::Int64:
    return packAs<int64_t>(proto.int64_data());
  case DataType::UInt64:
    return packAs<uint64_t>(proto.uint64_data());
  case DataType::UInt32:
    return packAs<uint32_t>(proto.uint64_data());
  case DataType::Int32:
    return packAs<int32_t>(proto.int32_data());
  case DataType::Int16:
  case DataType::UInt16:
  case DataType::Float16: // the bits of a half, in an int32
  case DataType::BFloat16:
    return packAs<uint16_t>(proto.int32_data());
  case DataType::Int8:
  case DataType::UInt8:
    return packAs<uint8_t>(proto.int32_data());
  case DataType::Bool:
    return packAs<bool>(proto.int32_data());
  default:
    return "";
  }
}

class Converter {
public:
  Converter(size_t fileSize, std::string &error) : fileSize(fileSize), error(error) {}

  bool tensor(const ::onnx::TensorProto &proto, Tensor &tensor) {
    tensor.name = proto.name();
    tensor.dims.assign(proto.dims().begin(), proto.dims().end());
    tensor.type = static_cast<DataType>(proto.data_type());
    tensor.metadata = toMap(proto.metadata_props());
    tensor.external = toMap(proto.external_data());
    std::string payload;
    if (auto it = tensor.external.find(kPayloadKey); it != tensor.external.end()) {
      payload = it->second;
      tensor.external.erase(it);
    }
    if (proto.has_segment())
      return fail("tensor '" + tensor.name + "' is stored in segments, which is not supported");
    if (proto.data_location() == ::onnx::TensorProto::EXTERNAL) {
      tensor.storage = Tensor::Storage::External;
    } else if (!payload.empty()) {
      tensor.storage = Tensor::Storage::InModel;
      char *rest = nullptr;
      tensor.offset = std::strtoull(payload.c_str(), &rest, 10);
      tensor.size = *rest == ':' ? std::strtoull(rest + 1, nullptr, 10) : 0;
      if (tensor.offset > fileSize || tensor.size > fileSize - tensor.offset)
        return fail("tensor '" + tensor.name + "' lies outside of the file");
    } else {
      tensor.bytes = proto.has_raw_data() ? proto.raw_data() : packValues(proto, tensor.type);
    }
    return true;
  }

  bool attribute(const ::onnx::AttributeProto &proto, NodeAttribute &attribute) {
    using Proto = ::onnx::AttributeProto;
    attribute.name = proto.name();
    if (!proto.ref_attr_name().empty()) {
      attribute.kind = NodeAttribute::Kind::Reference;
      attribute.s = proto.ref_attr_name();
      return true;
    }
    switch (proto.type()) {
    case Proto::FLOAT:
      attribute.kind = NodeAttribute::Kind::Float;
      attribute.f = proto.f();
      return true;
    case Proto::INT:
      attribute.kind = NodeAttribute::Kind::Int;
      attribute.i = proto.i();
      return true;
    case Proto::STRING:
      attribute.kind = NodeAttribute::Kind::String;
      attribute.s = proto.s();
      return true;
    case Proto::TENSOR:
      attribute.kind = NodeAttribute::Kind::Tensor;
      attribute.tensor = std::make_shared<Tensor>();
      return tensor(proto.t(), *attribute.tensor);
    case Proto::FLOATS:
      attribute.kind = NodeAttribute::Kind::Floats;
      attribute.floats.assign(proto.floats().begin(), proto.floats().end());
      return true;
    case Proto::INTS:
      attribute.kind = NodeAttribute::Kind::Ints;
      attribute.ints.assign(proto.ints().begin(), proto.ints().end());
      return true;
    case Proto::STRINGS:
      attribute.kind = NodeAttribute::Kind::Strings;
      attribute.strings.assign(proto.strings().begin(), proto.strings().end());
      return true;
    default:
      return true;
    }
  }

  bool node(const ::onnx::NodeProto &proto, Node &node) {
    node.name = proto.name();
    node.opType = proto.op_type();
    node.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
    node.overload = proto.overload();
    node.inputs.assign(proto.input().begin(), proto.input().end());
    node.outputs.assign(proto.output().begin(), proto.output().end());
    node.scope = scopeOfNode(toMap(proto.metadata_props()), node.name);
    for (const auto &attributeProto : proto.attribute())
      if (!attribute(attributeProto, node.attributes.emplace_back()))
        return false;
    return true;
  }

  static void valueInfo(const ::onnx::ValueInfoProto &proto, ValueInfo &info) {
    info.name = proto.name();
    info.metadata = toMap(proto.metadata_props());
    info.isTensor = proto.type().has_tensor_type();
    if (!info.isTensor)
      return;
    const auto &type = proto.type().tensor_type();
    info.type = static_cast<DataType>(type.elem_type());
    info.hasShape = type.has_shape();
    for (const auto &dimProto : type.shape().dim()) {
      Dimension &dim = info.dims.emplace_back();
      if (dimProto.has_dim_value())
        dim.value = dimProto.dim_value();
      dim.name = dimProto.dim_param();
    }
  }

  bool graph(const ::onnx::GraphProto &proto, Graph &graph) {
    graph.name = proto.name();
    graph.metadata = toMap(proto.metadata_props());
    graph.hasSparseInitializers = proto.sparse_initializer_size() != 0;
    for (const auto &nodeProto : proto.node())
      if (!node(nodeProto, graph.nodes.emplace_back()))
        return false;
    for (const auto &tensorProto : proto.initializer())
      if (!tensor(tensorProto, graph.initializers.emplace_back()))
        return false;
    for (const auto &info : proto.input())
      valueInfo(info, graph.inputs.emplace_back());
    for (const auto &info : proto.output())
      valueInfo(info, graph.outputs.emplace_back());
    for (const auto &info : proto.value_info())
      if (info.metadata_props_size())
        valueInfo(info, graph.values.emplace_back());
    return true;
  }

  bool function(const ::onnx::FunctionProto &proto, Function &function) {
    function.name = proto.name();
    function.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
    function.overload = proto.overload();
    function.inputs.assign(proto.input().begin(), proto.input().end());
    function.outputs.assign(proto.output().begin(), proto.output().end());
    function.attributes.assign(proto.attribute().begin(), proto.attribute().end());
    for (const auto &attributeProto : proto.attribute_proto())
      if (!attribute(attributeProto, function.defaults.emplace_back()))
        return false;
    std::map<std::string, int64_t> opsets;
    readOpsets(proto, opsets);
    for (const auto &nodeProto : proto.node()) {
      Node &added = function.nodes.emplace_back();
      if (!node(nodeProto, added))
        return false;
      added.opset = opsets[added.domain];
    }
    return true;
  }

  template <typename Proto>
  static void readOpsets(const Proto &proto, std::map<std::string, int64_t> &opsets) {
    for (const auto &opset : proto.opset_import())
      opsets[opset.domain() == "ai.onnx" ? "" : opset.domain()] = opset.version();
  }

  bool model(const ::onnx::ModelProto &proto, Model &model) {
    model.irVersion = proto.ir_version();
    model.metadata = toMap(proto.metadata_props());
    readOpsets(proto, model.opsets);
    if (!proto.has_graph())
      return fail("it has no graph");
    if (!graph(proto.graph(), model.graph))
      return false;
    for (Node &node : model.graph.nodes)
      if (auto it = model.opsets.find(node.domain); it != model.opsets.end())
        node.opset = it->second;
    for (const auto &functionProto : proto.functions())
      if (!function(functionProto, model.functions.emplace_back()))
        return false;
    return true;
  }

private:
  bool fail(const std::string &reason) {
    error = reason;
    return false;
  }

  size_t fileSize;
  std::string &error;
};

std::unique_ptr<Model> read(const std::string &path, std::string &error) {
  auto model = std::make_unique<Model>();
  std::string reason;
  model->file = MappedFile::open(path, reason);
  if (!model->file) {
    error = "model '" + path + "' " + reason;
    return nullptr;
  }
  auto notAModel = [&](const std::string &why) {
    error = "'" + path + "' is no ONNX model, or it is truncated or corrupt: " + why;
    return nullptr;
  };
  if (model->file->size() == 0)
    return notAModel("it is empty");
  ::onnx::ModelProto proto;
  {
    std::string stripped;
    if (!stripPayloads(model->file->data(), model->file->size(), stripped, reason))
      return notAModel(reason);
    if (stripped.size() > size_t(std::numeric_limits<int>::max()))
      return notAModel("without its weights it is still larger than 2 GB");
    google::protobuf::io::ArrayInputStream array(stripped.data(),
                                                 static_cast<int>(stripped.size()));
    google::protobuf::io::CodedInputStream stream(&array);
    stream.SetRecursionLimit(100);
    if (!proto.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
      return notAModel("protobuf cannot parse it");
  }
  if (!Converter(model->file->size(), reason).model(proto, *model))
    return notAModel(reason);
  return model;
}

} // namespace

std::unique_ptr<Model> bigmac::onnx::readModel(const std::string &path, std::string &error) {
  try {
    return read(path, error);
  } catch (const std::exception &exception) {
    error = "'" + path + "' cannot be read: " + exception.what();
    return nullptr;
  }
}
