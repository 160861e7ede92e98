#include "Safetensors.h"

#include "bigmac-rt/Error.h"
#include "bigmac-rt/Hash.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bigmac::rt {

MappedFile::MappedFile(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw RuntimeError("cannot open " + systemError(path, errno));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    throw RuntimeError(path + ": not a regular file");
  }
  size = info.st_size;
  if (size != 0) {
    void *memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    int error = errno;
    close(fd);
    if (memory == MAP_FAILED)
      throw RuntimeError("cannot map " + systemError(path, error));
    data = static_cast<const unsigned char *>(memory);
  } else {
    close(fd);
  }
}

MappedFile::~MappedFile() {
  if (data)
    munmap(const_cast<unsigned char *>(data), size);
}

MappedFile::MappedFile(MappedFile &&other) noexcept : data(other.data), size(other.size) {
  other.data = nullptr;
  other.size = 0;
}

namespace {

struct TypeName {
  const char *name;
  uint32_t bytes;
  uint32_t dtype; // 0: none of ours
};
constexpr TypeName kTypes[] = {{"F32", 4, BM_F32},   {"F16", 2, BM_F16}, {"BF16", 2, BM_BF16},
                               {"F64", 8, BM_F64},   {"I64", 8, BM_I64}, {"I32", 4, BM_I32},
                               {"I16", 2, BM_I16},   {"I8", 1, BM_I8},   {"U8", 1, BM_U8},
                               {"BOOL", 1, BM_BOOL}, {"U16", 2, 0},      {"U32", 4, 0},
                               {"U64", 8, 0},        {"F8_E4M3", 1, 0},  {"F8_E5M2", 1, 0},
                               {"F8_E8M0", 1, 0},    {"C64", 8, 0}};

const TypeName *typeNamed(std::string_view name) {
  for (const TypeName &type : kTypes)
    if (name == type.name)
      return &type;
  return nullptr;
}

/// Builds the table while the JSON is read: no tree, so nesting cannot exhaust anything, and a key
/// that comes twice is seen.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
public:
  std::map<std::string, TensorInfo, std::less<>> tensors;
  std::string problem;

  bool null() override { return fail("null"); }
  bool boolean(bool) override { return fail("a boolean"); }
  bool number_float(number_float_t, const string_t &text) override {
    return fail("the number " + text);
  }
  bool binary(binary_t &) override { return fail("binary data"); }
  bool number_integer(number_integer_t value) override {
    return fail("the number " + std::to_string(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth != 3 || value > uint64_t(INT64_MAX))
      return fail("the number " + std::to_string(value));
    (inShape ? shape : offsets).push_back(value);
    return true;
  }
  bool string(string_t &value) override {
    if (depth == 2 && inMetadata)
      return true;
    if (depth != 2 || field != "dtype")
      return fail("a string");
    current.dtype = value;
    return true;
  }
  bool start_object(size_t) override {
    if (++depth > 2)
      return fail("a nested object");
    fields.clear();
    current = {};
    return true;
  }
  bool key(string_t &value) override {
    if (depth == 1) {
      name = value;
      inMetadata = name == "__metadata__";
      return names.insert(name).second || fail("twice the name '" + name + "'");
    }
    if (!inMetadata && value != "dtype" && value != "shape" && value != "data_offsets")
      return fail("the unknown field '" + value + "'");
    field = value;
    return fields.insert(value).second || fail("twice the field '" + value + "'");
  }
  bool end_object() override {
    if (depth-- == 1 || inMetadata)
      return true;
    if (fields.size() != 3 || offsets.size() != 2)
      return fail("an entry without dtype, shape and two data_offsets");
    current.shape = shape;
    current.begin = offsets[0];
    current.end = offsets[1];
    tensors.emplace(name, current);
    return true;
  }
  bool start_array(size_t) override {
    if (depth != 2 || inMetadata || field == "dtype")
      return fail("an array");
    ++depth;
    inShape = field == "shape";
    (inShape ? shape : offsets).clear();
    return true;
  }
  bool end_array() override {
    --depth;
    return true;
  }
  bool parse_error(size_t position, const std::string &,
                   const nlohmann::json::exception &) override {
    problem = "bad JSON at byte " + std::to_string(position + 8);
    return false;
  }

private:
  bool fail(const std::string &what) {
    problem = "unexpected " + what + (name.empty() ? "" : " at '" + name + "'");
    return false;
  }

  int depth = 0;
  bool inShape = false, inMetadata = false;
  std::string name, field;
  std::set<std::string> names, fields;
  TensorInfo current;
  std::vector<int64_t> shape, offsets;
};

} // namespace

std::string_view safetensorsType(uint32_t dtype) {
  for (const TypeName &type : kTypes)
    if (type.dtype == dtype)
      return type.name;
  return "?";
}

std::string describe(std::string_view dtype, std::span<const int64_t> shape) {
  std::string text(dtype);
  text += '[';
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ']';
}

std::map<std::string, TensorInfo, std::less<>>
parseSafetensors(std::span<const unsigned char> file, const std::string &path, uint64_t &data) {
  auto fail = [&](const std::string &what) {
    throw RuntimeError(path + ": not a valid safetensors file: " + what);
  };
  constexpr uint64_t kMostHeader = 100'000'000; // as the reference implementation
  if (file.size() < 8)
    fail("it has " + std::to_string(file.size()) + " bytes, no header");
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
    length = length << 8 | file[i];
  if (length > kMostHeader || length > file.size() - 8)
    fail("its header claims " + std::to_string(length) + " bytes, the file has " +
         std::to_string(file.size()));
  const char *text = reinterpret_cast<const char *>(file.data()) + 8;
  if (length == 0 || text[0] != '{')
    fail("its header does not start with '{'");
  HeaderHandler handler;
  if (!nlohmann::json::sax_parse(text, text + length, &handler))
    fail(handler.problem);

  data = 8 + length;
  uint64_t room = file.size() - data;
  std::vector<std::pair<const std::string *, const TensorInfo *>> order;
  for (const auto &[name, tensor] : handler.tensors) {
    const TypeName *type = typeNamed(tensor.dtype);
    if (!type)
      fail("tensor '" + name + "' has the unknown type '" + tensor.dtype + "'");
    uint64_t bytes = type->bytes;
    for (int64_t dim : tensor.shape)
      if (__builtin_mul_overflow(bytes, uint64_t(dim), &bytes))
        fail("the size of tensor '" + name + "' overflows");
    if (tensor.begin > tensor.end || tensor.end > room || tensor.end - tensor.begin != bytes)
      fail("tensor '" + name + "' is " + describe(tensor.dtype, tensor.shape) + ", " +
           std::to_string(bytes) + " bytes, but lies at bytes " + std::to_string(tensor.begin) +
           " to " + std::to_string(tensor.end) + " of " + std::to_string(room));
    order.push_back({&name, &tensor});
  }
  std::sort(order.begin(), order.end(), [](const auto &a, const auto &b) {
    return std::tie(a.second->begin, a.second->end) < std::tie(b.second->begin, b.second->end);
  });
  uint64_t at = 0;
  for (const auto &[name, tensor] : order) {
    if (tensor->begin != at)
      fail("tensor '" + *name + "' starts at byte " + std::to_string(tensor->begin) + ", not " +
           std::to_string(at) + ": tensors overlap or leave a gap");
    at = tensor->end;
  }
  if (at != room)
    fail("its tensors end at byte " + std::to_string(at) + " of " + std::to_string(room) +
         " (truncated or extended?)");
  return std::move(handler.tensors);
}

SafetensorsFile::SafetensorsFile(const std::string &path) : where(path), file(path) {
  table = parseSafetensors(file.bytes(), path, dataStart);
}

uint64_t SafetensorsFile::headerHash() const { return hash64(file.bytes().data(), dataStart); }

const TensorInfo *SafetensorsFile::find(std::string_view name) const {
  auto it = table.find(name);
  return it == table.end() ? nullptr : &it->second;
}

SafetensorsLayout::SafetensorsLayout(const std::vector<Tensor> &tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    uint64_t wideA = elementBytes(tensors[a].dtype), wideB = elementBytes(tensors[b].dtype);
    return wideA != wideB ? wideA > wideB : a < b;
  });
  positions.resize(tensors.size());
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  json["__metadata__"] = {{"format", "pt"}};
  uint64_t at = 0;
  for (size_t i : order) {
    uint64_t bytes = elementBytes(tensors[i].dtype);
    for (int64_t dim : tensors[i].shape)
      bytes *= dim;
    json[tensors[i].name] = {{"dtype", safetensorsType(tensors[i].dtype)},
                             {"shape", tensors[i].shape},
                             {"data_offsets", {at, at + bytes}}};
    positions[i] = at;
    at += bytes;
  }
  std::string body = json.dump();
  body.resize((body.size() + 8 + 63) / 64 * 64 - 8, ' ');
  for (uint64_t n = body.size(), i = 0; i < 8; ++i)
    text += static_cast<char>(n >> (8 * i) & 0xff);
  text += body;
  for (uint64_t &position : positions)
    position += text.size();
  total = text.size() + at;
}

} // namespace bigmac::rt
