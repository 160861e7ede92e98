//===- WireFormat.cpp - Weights stay where they are in the file ------------===//

#include "WireFormat.h"

#include <cstdint>
#include <optional>

using namespace bigmac::onnx;

namespace {

// Numbers of fields in onnx-ml.proto.
constexpr uint32_t kModelGraph = 7, kModelFunctions = 25;
constexpr uint32_t kGraphNode = 1, kGraphInitializer = 5;
constexpr uint32_t kFunctionNode = 7;
constexpr uint32_t kNodeAttribute = 5;
constexpr uint32_t kAttributeTensor = 5;
constexpr uint32_t kTensorFloats = 4, kTensorRaw = 9, kTensorDoubles = 10, kTensorExternal = 13;
constexpr uint32_t kEntryKey = 1, kEntryValue = 2;

/// Smaller values are parsed like everything else.
constexpr uint64_t kSmallestPayload = 1024;

enum class Message { Model, Graph, Function, Node, Attribute, Tensor };

const char *nameOf(Message message) {
  switch (message) {
  case Message::Model:
    return "ModelProto";
  case Message::Graph:
    return "GraphProto";
  case Message::Function:
    return "FunctionProto";
  case Message::Node:
    return "NodeProto";
  case Message::Attribute:
    return "AttributeProto";
  case Message::Tensor:
    return "TensorProto";
  }
  return "message";
}

std::optional<Message> childOf(Message parent, uint32_t field) {
  switch (parent) {
  case Message::Model:
    if (field == kModelGraph)
      return Message::Graph;
    if (field == kModelFunctions)
      return Message::Function;
    break;
  case Message::Graph:
    if (field == kGraphNode)
      return Message::Node;
    if (field == kGraphInitializer)
      return Message::Tensor;
    break;
  case Message::Function:
    if (field == kFunctionNode)
      return Message::Node;
    break;
  case Message::Node:
    if (field == kNodeAttribute)
      return Message::Attribute;
    break;
  case Message::Attribute:
    if (field == kAttributeTensor)
      return Message::Tensor;
    break;
  case Message::Tensor:
    break;
  }
  return std::nullopt;
}

void appendVarint(std::string &out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void appendBytes(std::string &out, uint32_t field, const std::string &bytes) {
  appendVarint(out, uint64_t(field) << 3 | 2);
  appendVarint(out, bytes.size());
  out += bytes;
}

/// One field: its tag starts at `start`, its content is [content, end).
struct Field {
  uint32_t number = 0, wireType = 0;
  size_t start = 0, content = 0, end = 0;
};

class Walker {
public:
  Walker(const char *data, std::string &error) : data(data), error(error) {}

  bool walk(Message message, size_t begin, size_t end, std::string &out) {
    if (message == Message::Tensor)
      return walkTensor(begin, end, out);
    Field field;
    for (size_t position = begin; position < end; position = field.end) {
      if (!next(message, position, end, field))
        return false;
      std::optional<Message> child = childOf(message, field.number);
      if (!child || field.wireType != 2) {
        out.append(data + field.start, field.end - field.start);
        continue;
      }
      std::string inner;
      if (!walk(*child, field.content, field.end, inner))
        return false;
      appendBytes(out, field.number, inner);
    }
    return true;
  }

private:
  bool walkTensor(size_t begin, size_t end, std::string &out) {
    // Values may come in several fields, which protobuf joins: those stay in the message.
    std::optional<Field> payload;
    bool single = true;
    Field field;
    for (size_t position = begin; position < end; position = field.end) {
      if (!next(Message::Tensor, position, end, field))
        return false;
      if (field.number != kTensorRaw && field.number != kTensorFloats &&
          field.number != kTensorDoubles)
        continue;
      single = single && !payload && field.wireType == 2;
      payload = field;
    }
    if (!payload || !single || payload->end - payload->content < kSmallestPayload) {
      out.append(data + begin, end - begin);
      return true;
    }
    out.append(data + begin, payload->start - begin);
    out.append(data + payload->end, end - payload->end);
    std::string entry;
    appendBytes(entry, kEntryKey, kPayloadKey);
    appendBytes(entry, kEntryValue,
                std::to_string(payload->content) + ":" +
                    std::to_string(payload->end - payload->content));
    appendBytes(out, kTensorExternal, entry);
    return true;
  }

  bool next(Message message, size_t position, size_t end, Field &field) {
    field.start = position;
    uint64_t tag;
    if (!varint(message, position, end, tag))
      return false;
    field.number = static_cast<uint32_t>(tag >> 3);
    field.wireType = tag & 7;
    if (tag >> 32 || field.number == 0)
      return fail(message, field.start, "has a field without a number");
    field.content = position;
    uint64_t length = 0;
    switch (field.wireType) {
    case 0:
      if (!varint(message, position, end, length))
        return false;
      field.end = position;
      return true;
    case 1:
      length = 8;
      break;
    case 5:
      length = 4;
      break;
    case 2:
      if (!varint(message, position, end, length))
        return false;
      field.content = position;
      break;
    default:
      return fail(message, field.start, "has a field of an unknown kind");
    }
    if (length > end - position)
      return fail(message, field.start,
                  "has a field of " + std::to_string(length) + " bytes where " +
                      std::to_string(end - position) + " are left");
    field.end = position + length;
    return true;
  }

  bool varint(Message message, size_t &position, size_t end, uint64_t &value) {
    size_t start = position;
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (position == end)
        return fail(message, start, "ends within a number");
      uint8_t byte = static_cast<uint8_t>(data[position++]);
      value |= uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80)
        return true;
    }
    return fail(message, start, "has a number of more than 64 bits");
  }

  bool fail(Message message, size_t position, const std::string &reason) {
    error = std::string("its ") + nameOf(message) + " " + reason + ", at byte " +
            std::to_string(position);
    return false;
  }

  const char *data;
  std::string &error;
};

} // namespace

bool bigmac::onnx::stripPayloads(const char *data, size_t size, std::string &stripped,
                                 std::string &error) {
  stripped.clear();
  return Walker(data, error).walk(Message::Model, 0, size, stripped);
}
