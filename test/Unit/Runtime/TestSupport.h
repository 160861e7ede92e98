//===- TestSupport.h - Files, processes and the fixture's runs ------------===//

#ifndef BIGMAC_TEST_TESTSUPPORT_H
#define BIGMAC_TEST_TESTSUPPORT_H

#include "FixtureModel.h"

#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bigmac::test {

/// A folder that goes away with the object.
class TempDir {
public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir &) = delete;
  TempDir &operator=(const TempDir &) = delete;
  std::string operator/(const std::string &name) const { return path + "/" + name; }
  const std::string path;
};

struct Tensor {
  std::string dtype; // as in safetensors
  std::vector<int64_t> shape;
  std::string bytes;

  template <typename T> std::vector<T> as() const {
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};
using Tensors = std::map<std::string, Tensor>;

template <typename T>
Tensor tensor(const std::string &dtype, const std::vector<int64_t> &shape,
              const std::vector<T> &values) {
  return {dtype, shape,
          std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T))};
}

void writeBytes(const std::string &path, const std::string &bytes);
std::string readBytes(const std::string &path);
/// Returns the bytes of the header (length and JSON).
std::string writeTensors(const std::string &path, const Tensors &tensors);
Tensors readTensors(const std::string &path);
/// What PlanWriter::setWeights takes, in decimal.
std::string headerHash(const std::string &header);

struct Result {
  int status; // exit status, or 128 + signal
  std::string out, err;
  double seconds;
};
/// Runs a program; `env` are further NAME=VALUE.
Result execute(const std::vector<std::string> &command, const std::vector<std::string> &env = {});

/// Runs `np` copies of a program as torchrun does: unconnected, with RANK and so on in the
/// environment. The status is the largest.
Result executeApart(int np, const std::vector<std::string> &command,
                    const std::vector<std::string> &env = {});

/// The fixture's weights and data for up to three stages, from fixed numbers.
Tensors fixtureWeights(uint32_t ranks);
Tensors fixtureData(uint64_t samples, bool weighted, uint64_t firstSample = 0);

/// The environment variable that gives the fixture its shape.
std::string fixtureVariable(const fixture::Shape &shape);

/// What BM_FIXTURE_TARGET=cuda lacks here to run `shape`: more GPUs; empty if nothing. For
/// GTEST_SKIP, since the same tests run on every target.
std::string missingFor(const fixture::Shape &shape);

/// Runs fixture-train of `shape` on as many MPI ranks as it needs (or `np`; 0 starts it without
/// mpirun). `env` as for execute().
Result trainFixture(const fixture::Shape &shape, const std::vector<std::string> &args,
                    const std::vector<std::string> &env = {}, int np = -1);

/// A folder with data in two shards and weights w.safetensors, in which runs are made.
struct Job {
  explicit Job(const fixture::Shape &shape, uint64_t samples = 40);
  /// trainFixture() with --data, --timeout and `args`.
  Result train(std::vector<std::string> args, const std::vector<std::string> &env = {},
               int np = -1);
  /// The same with --init of the fixture's weights.
  Result start(std::vector<std::string> args, const std::vector<std::string> &env = {},
               int np = -1);

  fixture::Shape shape;
  TempDir dir;
  Tensors data;
  std::string timeout = "60";
};

/// The lines of a --log file.
std::vector<nlohmann::json> readLog(const std::string &path);

/// The fixture model and AdamW, straightforwardly, on one process and in double where it may.
class Reference {
public:
  Reference(const fixture::Shape &shape, Tensors weights);

  struct Step {
    double loss, error, tokens, gradNorm;
  };
  struct Hyper {
    double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01, clip = 0;
  };
  /// One step on the samples with these numbers (replicas * microbatches * 2).
  Step step(const Tensors &data, const std::vector<uint64_t> &samples, const Hyper &hyper);

  std::map<std::string, std::vector<float>> params;
  std::map<std::string, std::vector<double>> grads; // of the last step, before clipping

private:
  void microbatch(const Tensors &data, const uint64_t *samples, Step &sums, double &weights);

  fixture::Shape shape;
  std::vector<float> offset;
  std::map<std::string, std::vector<float>> m, v;
  uint64_t count = 0;
};

} // namespace bigmac::test

#endif // BIGMAC_TEST_TESTSUPPORT_H
