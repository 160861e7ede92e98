//===- Safetensors.cpp - Reader of safetensors files -----------------------===//

#include "bigmac/Support/Safetensors.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace bigmac {

/// The reference implementation's limit of a header, in bytes.
static constexpr uint64_t kMaxHeader = 100'000'000;

unsigned safetensorsElementBytes(StringRef dtype) {
  return StringSwitch<unsigned>(dtype)
      .Cases({"F64", "I64", "U64"}, 8)
      .Cases({"F32", "I32", "U32"}, 4)
      .Cases({"F16", "BF16", "I16", "U16"}, 2)
      .Cases({"I8", "U8", "BOOL"}, 1)
      .Default(0);
}

/// Whether brackets nest no deeper than a header's do; the JSON parser recurses without a limit.
static bool isShallow(StringRef json) {
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (inString) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        inString = false;
    } else if (c == '"') {
      inString = true;
    } else if (c == '{' || c == '[') {
      if (++depth > 4)
        return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

namespace {

struct HeaderParser {
  StringRef path;
  ArrayRef<char> data;

  Error fail(const Twine &message) const {
    return createStringError(inconvertibleErrorCode(), "'" + path + "': " + message);
  }
  Error fail(StringRef tensor, const Twine &message) const {
    return fail("tensor '" + tensor + "' " + message);
  }

  /// A list of `field`'s non-negative integers.
  Expected<std::vector<int64_t>> parseIntegers(StringRef name, const json::Object &object,
                                               StringRef field) const {
    const json::Array *array = object.getArray(field);
    if (!array)
      return fail(name, "has no list '" + field + "'");
    std::vector<int64_t> values;
    for (const json::Value &entry : *array) {
      std::optional<int64_t> value = entry.getAsInteger();
      if (!value || *value < 0)
        return fail(name, "has an entry in '" + field + "' that is no integer from 0 on");
      values.push_back(*value);
    }
    return values;
  }

  Expected<SafetensorsFile::Entry> parseTensor(StringRef name, const json::Value &value) const {
    const json::Object *object = value.getAsObject();
    if (!object)
      return fail(name, "is described by no JSON object");
    std::optional<StringRef> dtype = object->getString("dtype");
    unsigned width = dtype ? safetensorsElementBytes(*dtype) : 0;
    if (!width)
      return fail(name, dtype ? "has dtype '" + *dtype + "', which is not supported"
                              : Twine("has no dtype").str());
    auto shape = parseIntegers(name, *object, "shape");
    if (!shape)
      return shape.takeError();
    auto offsets = parseIntegers(name, *object, "data_offsets");
    if (!offsets)
      return offsets.takeError();
    if (offsets->size() != 2 || (*offsets)[0] > (*offsets)[1])
      return fail(name, "expects 'data_offsets' of a begin and an end not before it");
    uint64_t begin = (*offsets)[0], end = (*offsets)[1];
    if (end > data.size())
      return fail(name, "ends at byte " + Twine(end) + " of the data, which has " +
                            Twine(data.size()) + "; the file may be truncated");
    // Sizes of zero first, so that the product of the others cannot overflow in between.
    uint64_t bytes = is_contained(*shape, 0) ? 0 : width;
    for (int64_t size : *shape) {
      bool overflow = false;
      bytes = SaturatingMultiply<uint64_t>(bytes, size, &overflow);
      if (overflow || bytes > data.size())
        return fail(name, "has a shape larger than the file");
    }
    if (bytes != end - begin)
      return fail(name, "needs " + Twine(bytes) + " bytes by its shape and dtype, has " +
                            Twine(end - begin));
    return SafetensorsFile::Entry{dtype->str(), std::move(*shape), data.slice(begin, end - begin)};
  }
};

} // namespace

Expected<SafetensorsFile> SafetensorsFile::open(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(buffer.getError(),
                             "cannot read '" + path + "': " + buffer.getError().message());
  return parse(std::move(*buffer));
}

Expected<SafetensorsFile> SafetensorsFile::parse(std::unique_ptr<MemoryBuffer> buffer) {
  StringRef all = buffer->getBuffer();
  HeaderParser parser{buffer->getBufferIdentifier(), {}};
  if (all.size() < 8)
    return parser.fail("is no safetensors file: it has " + Twine(all.size()) +
                       " bytes, expected 8 or more");
  uint64_t length = support::endian::read64le(all.data());
  if (length > kMaxHeader || length > all.size() - 8)
    return parser.fail("is no safetensors file, or truncated: its header's length is " +
                       Twine(length) + ", its size " + Twine(all.size()));
  StringRef header = all.substr(8, length), data = all.substr(8 + length);
  parser.data = ArrayRef<char>(data.data(), data.size());
  if (!isShallow(header))
    return parser.fail("has a header nested deeper than the format's");
  Expected<json::Value> root = json::parse(header);
  if (!root)
    return parser.fail("has a header that is no JSON: " + toString(root.takeError()));
  const json::Object *object = root->getAsObject();
  if (!object)
    return parser.fail("has a header that is no JSON object");

  SafetensorsFile file;
  std::vector<std::pair<ArrayRef<char>, StringRef>> ranges;
  for (const auto &[key, value] : *object) {
    if (key == "__metadata__")
      continue;
    Expected<Entry> entry = parser.parseTensor(key, value);
    if (!entry)
      return entry.takeError();
    ranges.emplace_back(entry->bytes, key);
    file.tensors.emplace(key.str(), std::move(*entry));
  }
  llvm::sort(ranges, [](const auto &a, const auto &b) {
    return std::pair(a.first.begin(), a.first.end()) < std::pair(b.first.begin(), b.first.end());
  });
  const char *expected = parser.data.begin();
  for (const auto &[bytes, name] : ranges) {
    if (bytes.begin() != expected)
      return parser.fail(name, "starts at byte " + Twine(bytes.begin() - parser.data.begin()) +
                                   " of the data, the tensor before it ends at " +
                                   Twine(expected - parser.data.begin()));
    expected = bytes.end();
  }
  if (expected != parser.data.end())
    return parser.fail("has " + Twine(parser.data.end() - expected) +
                       " bytes after its last tensor");
  file.buffer = std::move(buffer);
  return file;
}

const SafetensorsFile::Entry *SafetensorsFile::find(StringRef name) const {
  auto found = tensors.find(std::string_view(name));
  return found == tensors.end() ? nullptr : &found->second;
}

} // namespace bigmac
