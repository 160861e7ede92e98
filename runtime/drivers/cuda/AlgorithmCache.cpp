#include "AlgorithmCache.h"

#include "bigmac-rt/Hash.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace bigmac::rt {

namespace fs = std::filesystem;

/// Lines that are longer are not ours.
static constexpr size_t kLongestLine = 4096;
static constexpr size_t kMostEntries = 100'000;

static std::string hex(const void *data, size_t size) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    auto byte = static_cast<const unsigned char *>(data)[i];
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

static std::optional<std::string> unhex(std::string_view text) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (text.size() % 2)
    return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0)
      return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

static std::string checksum(std::string_view rest) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx",
                static_cast<unsigned long long>(hash64(rest.data(), rest.size())));
  return text;
}

AlgorithmCache::AlgorithmCache(std::string path) : path(std::move(path)), known(read(this->path)) {}

AlgorithmCache::Entries AlgorithmCache::read(const std::string &path) {
  Entries entries;
  std::error_code error;
  if (path.empty() || !fs::is_regular_file(path, error))
    return entries;
  std::ifstream file(path);
  for (std::string line; entries.size() < kMostEntries && std::getline(file, line);) {
    size_t first = line.find(' ');
    if (line.size() > kLongestLine || first == std::string::npos)
      continue;
    std::string_view rest = std::string_view(line).substr(first + 1);
    size_t second = rest.find(' ');
    if (second == std::string_view::npos || checksum(rest) != line.substr(0, first))
      continue;
    if (auto bytes = unhex(rest.substr(0, second)))
      entries[std::string(rest.substr(second + 1))] = *bytes;
  }
  return entries;
}

std::optional<std::string> AlgorithmCache::find(const std::string &key, size_t size) const {
  for (const Entries *entries : {&added, &known})
    if (auto it = entries->find(key); it != entries->end() && it->second.size() == size)
      return it->second;
  return std::nullopt;
}

void AlgorithmCache::add(const std::string &key, std::span<const std::byte> algorithm) {
  added[key] = std::string(reinterpret_cast<const char *>(algorithm.data()), algorithm.size());
}

bool AlgorithmCache::save() {
  if (added.empty())
    return true;
  if (path.empty())
    return false;
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  // Other processes may have added theirs since.
  Entries all = read(path);
  for (const auto &[key, bytes] : added)
    all[key] = bytes;
  std::string beside = path + "." + std::to_string(getpid()) + ".new";
  std::ofstream file(beside, std::ios::trunc);
  for (const auto &[key, bytes] : all) {
    std::string rest = hex(bytes.data(), bytes.size()) + " " + key;
    file << checksum(rest) << ' ' << rest << '\n';
  }
  file.close();
  if (file)
    fs::rename(beside, path, error);
  if (!file || error) {
    std::remove(beside.c_str());
    return false;
  }
  return true;
}

std::string cachePath(const std::string &name) {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  // The specification has relative ones ignored.
  if (cache && *cache == '/')
    return std::string(cache) + "/bigmac/" + name;
  if (home && *home == '/')
    return std::string(home) + "/.cache/bigmac/" + name;
  return "";
}

} // namespace bigmac::rt
