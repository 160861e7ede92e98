//===- Safetensors.h - Files of named tensors -----------------------------===//
//
// The format of https://github.com/huggingface/safetensors: 8 bytes of little-endian N, N bytes of
// JSON, then the tensors' bytes without gaps. Reading takes any file whatever: what is not exactly
// so is a RuntimeError that says where.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_SAFETENSORS_H
#define BIGMAC_RT_SAFETENSORS_H

#include "bigmac-rt/plan.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bigmac::rt {

/// A file mapped for reading.
class MappedFile {
public:
  explicit MappedFile(const std::string &path);
  ~MappedFile();
  MappedFile(MappedFile &&other) noexcept;
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  std::span<const unsigned char> bytes() const { return {data, size}; }

private:
  const unsigned char *data = nullptr;
  size_t size = 0;
};

/// "F32", "I64", ... of a bm_dtype.
std::string_view safetensorsType(uint32_t dtype);

struct TensorInfo {
  std::string dtype; // as in the file
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0; // bytes from the start of the data
};

/// "float32[2, 3]" of a type as in the file or of a bm_dtype.
std::string describe(std::string_view dtype, std::span<const int64_t> shape);

/// Parses and checks the header of `file` (all its bytes); `path` is for messages. On return `data`
/// is where the tensors' bytes start.
std::map<std::string, TensorInfo, std::less<>>
parseSafetensors(std::span<const unsigned char> file, const std::string &path, uint64_t &data);

class SafetensorsFile {
public:
  explicit SafetensorsFile(const std::string &path);

  const std::string &path() const { return where; }
  /// hash64 of the length and the JSON header.
  uint64_t headerHash() const;
  uint64_t size() const { return file.bytes().size(); }
  const std::map<std::string, TensorInfo, std::less<>> &tensors() const { return table; }
  const TensorInfo *find(std::string_view name) const;
  const unsigned char *data(const TensorInfo &tensor) const {
    return file.bytes().data() + dataStart + tensor.begin;
  }

private:
  std::string where;
  MappedFile file;
  uint64_t dataStart = 0;
  std::map<std::string, TensorInfo, std::less<>> table;
};

/// Where each tensor of a file to be written goes; every rank computes the same.
class SafetensorsLayout {
public:
  struct Tensor {
    std::string name;
    uint32_t dtype; // bm_dtype
    std::vector<int64_t> shape;
  };
  /// Wider types first, so that every tensor is aligned; else in the order given.
  explicit SafetensorsLayout(const std::vector<Tensor> &tensors);

  /// Length, JSON and padding: what precedes the tensors.
  const std::string &header() const { return text; }
  uint64_t fileSize() const { return total; }
  /// Byte position in the file of tensor `index` (of the constructor's argument).
  uint64_t position(size_t index) const { return positions[index]; }

private:
  std::string text;
  std::vector<uint64_t> positions;
  uint64_t total = 0;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_SAFETENSORS_H
