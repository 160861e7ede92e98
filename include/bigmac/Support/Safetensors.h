//===- Safetensors.h - Reader of safetensors files --------------*- C++ -*-===//
//
// The format is 8 bytes little-endian header length, a JSON object
// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, "__metadata__": {...}},
// then the data. https://huggingface.co/docs/safetensors
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_SUPPORT_SAFETENSORS_H
#define BIGMAC_SUPPORT_SAFETENSORS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bigmac {

/// A safetensors file mapped into memory.
///
/// `open` checks everything that later reads rely on: the header's length, its JSON, each dtype,
/// that each tensor's bytes are as many as its shape needs and lie in the file, and that tensors
/// neither overlap nor leave gaps (as the format demands). Errors name the file and the tensor.
class SafetensorsFile {
public:
  struct Entry {
    /// As in the file: F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8 or BOOL.
    std::string dtype;
    std::vector<int64_t> shape;
    /// Little-endian, row-major, inside the mapped file.
    llvm::ArrayRef<char> bytes;
  };

  static llvm::Expected<SafetensorsFile> open(llvm::StringRef path);
  /// `buffer` holds a whole file; its identifier is used in errors.
  static llvm::Expected<SafetensorsFile> parse(std::unique_ptr<llvm::MemoryBuffer> buffer);

  /// Null where the file has no tensor of that name.
  const Entry *find(llvm::StringRef name) const;
  const std::map<std::string, Entry, std::less<>> &entries() const { return tensors; }
  llvm::StringRef path() const { return buffer->getBufferIdentifier(); }

private:
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  std::map<std::string, Entry, std::less<>> tensors;
};

/// Bytes of one element of a safetensors dtype; 0 for a name that is none.
unsigned safetensorsElementBytes(llvm::StringRef dtype);

} // namespace bigmac

#endif // BIGMAC_SUPPORT_SAFETENSORS_H
