//===- AlgorithmCache.h - A file that remembers what was fastest ----------===//
//
// One line for each choice: a checksum of the rest, the algorithm in hexadecimal digits, and the
// key that it was chosen for, which names the GPU and the versions too. The file only saves time:
// what cannot be read or written, or is damaged, is as if it were not there.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_CUDA_ALGORITHMCACHE_H
#define BIGMAC_RT_CUDA_ALGORITHMCACHE_H

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace bigmac::rt {

class AlgorithmCache {
public:
  /// Reads `path`; an empty one means no file.
  explicit AlgorithmCache(std::string path);

  /// The `size` bytes of the algorithm for `key` (one line of text), if the file has them.
  std::optional<std::string> find(const std::string &key, size_t size) const;
  void add(const std::string &key, std::span<const std::byte> algorithm);
  /// Writes what was added to what the file holds by now, beside, and renames it. False if that
  /// could not be done.
  bool save();

private:
  using Entries = std::map<std::string, std::string>; // key -> bytes
  static Entries read(const std::string &path);

  std::string path;
  Entries known, added;
};

/// "$XDG_CACHE_HOME/bigmac/NAME", else "~/.cache/bigmac/NAME"; empty where there is neither.
std::string cachePath(const std::string &name);

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDA_ALGORITHMCACHE_H
