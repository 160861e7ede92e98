//===- OverlapIndex.cpp - Buffers alive in an interval --------------------===//

#include "OverlapIndex.h"

#include <map>

namespace bigmac::planning {

std::vector<uint64_t> OverlapIndex::liveBytesDuring() const {
  // The profile of live bytes over time, then a sparse table of maxima over it.
  std::map<uint64_t, int64_t> change;
  for (const Buffer &buffer : buffers) {
    if (buffer.size == 0 || buffer.lower >= buffer.upper)
      continue;
    change[buffer.lower] += static_cast<int64_t>(buffer.size);
    change[buffer.upper] -= static_cast<int64_t>(buffer.size);
  }
  std::vector<uint64_t> times;
  std::vector<std::vector<uint64_t>> most(1);
  uint64_t live = 0;
  for (auto [time, bytes] : change) {
    live += static_cast<uint64_t>(bytes);
    times.push_back(time);
    most[0].push_back(live);
  }
  for (size_t width = 1; 2 * width <= times.size(); width *= 2) {
    const std::vector<uint64_t> &below = most.back();
    std::vector<uint64_t> level(times.size() - 2 * width + 1);
    for (size_t i = 0; i < level.size(); ++i)
      level[i] = std::max(below[i], below[i + width]);
    most.push_back(std::move(level));
  }

  std::vector<uint64_t> result(buffers.size(), 0);
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (buffers[i].size == 0 || buffers[i].lower >= buffers[i].upper)
      continue;
    size_t begin = std::lower_bound(times.begin(), times.end(), buffers[i].lower) - times.begin();
    size_t end = std::lower_bound(times.begin(), times.end(), buffers[i].upper) - times.begin();
    size_t level = std::bit_width(end - begin) - 1;
    result[i] = std::max(most[level][begin], most[level][end - (size_t(1) << level)]);
  }
  return result;
}

} // namespace bigmac::planning
