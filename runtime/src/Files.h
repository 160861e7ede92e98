//===- Files.h - Files written by all ranks together ----------------------===//

#ifndef BIGMAC_RT_FILES_H
#define BIGMAC_RT_FILES_H

#include "Safetensors.h"
#include "bigmac-rt/Device.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace bigmac::rt {

/// Creates `path` (it must not exist) with `bytes` bytes reserved on the disk and `head` at its
/// start.
void createFile(const std::string &path, std::string_view head, uint64_t bytes);

/// A file of createFile(), into which each rank writes its own ranges.
class RangeWriter {
public:
  explicit RangeWriter(const std::string &path);
  ~RangeWriter();
  RangeWriter(const RangeWriter &) = delete;
  RangeWriter &operator=(const RangeWriter &) = delete;

  void write(uint64_t position, const void *data, uint64_t bytes);
  /// From the arena of `device`.
  void write(uint64_t position, Device &device, uint64_t offset, uint64_t bytes);
  /// To the disk. Must be called; the destructor only closes.
  void sync();

private:
  std::string path;
  int fd;
};

/// Writes a whole small file and syncs it.
void writeFile(const std::string &path, std::string_view text);
/// At most `limit` bytes.
std::string readFile(const std::string &path, uint64_t limit);
void syncFolder(const std::string &path);
/// Throws unless a file can be created in `folder`.
void checkWritable(const std::string &folder);

} // namespace bigmac::rt

#endif // BIGMAC_RT_FILES_H
