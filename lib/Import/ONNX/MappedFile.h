//===- MappedFile.h - A file's bytes in memory ------------------*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_MAPPEDFILE_H
#define BIGMAC_LIB_IMPORT_ONNX_MAPPEDFILE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace bigmac::onnx {

/// A read-only mapping of a regular file. Pages are read when they are touched and can be dropped
/// again by the system: a file larger than memory can be mapped.
class MappedFile {
public:
  /// Maps the open file `descriptor`, which it closes. Null with a reason in `error` where this is
  /// no regular file or cannot be mapped.
  static std::unique_ptr<MappedFile> map(int descriptor, std::string &error);

  /// Opens and maps `path`.
  static std::unique_ptr<MappedFile> open(const std::string &path, std::string &error);

  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  const char *data() const { return bytes; }
  size_t size() const { return length; }

private:
  MappedFile(const char *bytes, size_t length) : bytes(bytes), length(length) {}

  const char *bytes;
  size_t length;
};

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_MAPPEDFILE_H
