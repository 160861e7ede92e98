#include "Data.h"

#include "bigmac-rt/Error.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace bigmac::rt {

namespace fs = std::filesystem;

static std::vector<std::string> shardPaths(const std::string &folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".safetensors")
      paths.push_back(it->path().string());
  if (error)
    throw RuntimeError("cannot read the data folder " + folder + ": " + error.message());
  if (paths.empty())
    throw RuntimeError("the data folder " + folder + " has no .safetensors files");
  std::sort(paths.begin(), paths.end());
  return paths;
}

Data::Data(const std::string &folder, const PlanView &plan) {
  for (const std::string &path : shardPaths(folder))
    files.emplace_back(path);
  for (const bm_input &input : plan.inputs())
    columns.push_back({{},
                       plan.bytes(input) / plan.header().samples,
                       input.dtype,
                       input.low,
                       input.high,
                       std::string(plan.text(input.name))});

  for (const SafetensorsFile &file : files) {
    uint64_t count = 0;
    const std::string *first = nullptr;
    for (size_t i = 0; i < columns.size(); ++i) {
      Column &column = columns[i];
      const TensorInfo *tensor = file.find(column.name);
      std::vector<int64_t> want;
      for (int64_t dim : plan.dims(plan.inputs()[i].dims))
        want.push_back(dim);
      std::string expected = describe(safetensorsType(column.dtype), want);
      expected.replace(expected.find('[') + 1, std::to_string(want[0]).size(), "samples");
      if (!tensor)
        throw RuntimeError("data: " + file.path() + ": no tensor '" + column.name + "'; expected " +
                           expected);
      bool same = tensor->dtype == safetensorsType(column.dtype) &&
                  tensor->shape.size() == want.size() &&
                  std::equal(want.begin() + 1, want.end(), tensor->shape.begin() + 1);
      if (!same)
        throw RuntimeError("data: " + file.path() + ": tensor '" + column.name + "': expected " +
                           expected + ", found " + describe(tensor->dtype, tensor->shape));
      uint64_t here = tensor->shape[0];
      if (first && here != count)
        throw RuntimeError("data: " + file.path() + ": tensor '" + column.name + "' has " +
                           std::to_string(here) + " samples, but '" + *first + "' has " +
                           std::to_string(count));
      first = &column.name;
      count = here;
      column.shards.push_back(file.data(*tensor));
    }
    starts.push_back(total);
    total += count;
  }
  starts.push_back(total);
  const bm_plan &h = plan.header();
  uint64_t step = uint64_t(h.replicas) * h.microbatches * h.samples;
  if (!columns.empty() && total < step)
    throw RuntimeError("data: " + folder + " has " + std::to_string(total) +
                       " samples, but one step takes " + std::to_string(step) + " (" +
                       counted(h.replicas, "replica") + " x " + std::to_string(h.microbatches) +
                       " microbatches x " + std::to_string(h.samples) + " samples)");
}

template <typename T>
static bool outside(const unsigned char *data, uint64_t bytes, int64_t low, int64_t high,
                    int64_t &found) {
  for (uint64_t at = 0; at < bytes; at += sizeof(T)) {
    T value;
    std::memcpy(&value, data + at, sizeof(T));
    if (value < low || value > high) {
      found = value;
      return true;
    }
  }
  return false;
}

void Data::check(const Column &c, const unsigned char *data, uint64_t sample) const {
  int64_t found = 0;
  bool bad = false;
  switch (c.dtype) {
  case BM_I64:
    bad = outside<int64_t>(data, c.sampleBytes, c.low, c.high, found);
    break;
  case BM_I32:
    bad = outside<int32_t>(data, c.sampleBytes, c.low, c.high, found);
    break;
  case BM_I16:
    bad = outside<int16_t>(data, c.sampleBytes, c.low, c.high, found);
    break;
  case BM_I8:
    bad = outside<int8_t>(data, c.sampleBytes, c.low, c.high, found);
    break;
  case BM_U8:
  case BM_BOOL:
    bad = outside<uint8_t>(data, c.sampleBytes, c.low, c.high, found);
    break;
  default:
    break;
  }
  if (bad)
    throw RuntimeError("data: tensor '" + c.name + "', sample " + std::to_string(sample) +
                       ": expected values from " + std::to_string(c.low) + " to " +
                       std::to_string(c.high) + ", found " + std::to_string(found));
}

void Data::load(void *target, size_t input, const SampleOrder &order, uint64_t step, uint64_t first,
                uint64_t count) const {
  const Column &column = columns[input];
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t sample = order.sample(step, first + i);
    size_t shard = std::upper_bound(starts.begin(), starts.end(), sample) - starts.begin() - 1;
    const unsigned char *data =
        column.shards[shard] + (sample - starts[shard]) * column.sampleBytes;
    if (column.low <= column.high)
      check(column, data, sample);
    std::memcpy(static_cast<unsigned char *>(target) + i * column.sampleBytes, data,
                column.sampleBytes);
  }
}

} // namespace bigmac::rt
