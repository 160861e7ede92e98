//===- Data.h - The training data -----------------------------------------===//

#ifndef BIGMAC_RT_DATA_H
#define BIGMAC_RT_DATA_H

#include "Safetensors.h"
#include "Shuffle.h"
#include "bigmac-rt/PlanView.h"

namespace bigmac::rt {

/// A folder of safetensors shards, mapped.
class Data {
public:
  /// Opens every *.safetensors in `folder`, by name, and checks each input's type and shape in
  /// each. RuntimeError: no shards, a tensor missing, of another type or shape, or too few samples
  /// for one step.
  Data(const std::string &folder, const PlanView &plan);

  uint64_t samples() const { return total; }
  size_t shards() const { return files.size(); }

  /// Copies `count` samples of input `input`: the i-th is sample order.sample(step, first + i).
  /// RuntimeError where an integer is outside the input's range.
  void load(void *target, size_t input, const SampleOrder &order, uint64_t step, uint64_t first,
            uint64_t count) const;

private:
  struct Column {
    std::vector<const unsigned char *> shards; // first sample of each
    uint64_t sampleBytes;
    uint32_t dtype;
    int64_t low, high;
    std::string name;
  };
  void check(const Column &column, const unsigned char *data, uint64_t sample) const;

  std::vector<SafetensorsFile> files;
  std::vector<uint64_t> starts; // first sample of each shard, then the total
  std::vector<Column> columns;
  uint64_t total = 0;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_DATA_H
