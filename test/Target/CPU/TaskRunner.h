//===- TaskRunner.h - Compile a task and run it in this process -*- C++ -*-===//

#ifndef BIGMAC_TEST_TARGET_CPU_TASKRUNNER_H
#define BIGMAC_TEST_TARGET_CPU_TASKRUNNER_H

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace bigmac::test {

/// Values in double whatever the element type, so that references compute in double.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> data;

  Tensor() = default;
  explicit Tensor(std::vector<int64_t> shape, double value = 0);
  static Tensor random(std::vector<int64_t> shape, unsigned seed, double low = -1, double high = 1);
  /// Integers of [low, high).
  static Tensor randomInts(std::vector<int64_t> shape, unsigned seed, int64_t low, int64_t high);
  static Tensor scalar(double value);

  int64_t size() const { return static_cast<int64_t>(data.size()); }
  double &operator[](int64_t i) { return data[i]; }
  double operator[](int64_t i) const { return data[i]; }
  /// Element at indices.
  double &at(std::initializer_list<int64_t> index);
  double at(std::initializer_list<int64_t> index) const;
};

/// The index that a task reported as out of range, and the size it was to be below.
struct IndexError {
  int64_t index, size;
};

struct ArgumentType {
  std::vector<int64_t> shape;
  bool isInteger = false;
  /// Updated in place.
  bool isBuffer = false;
};

/// One module, compiled and loaded.
class Tasks {
public:
  /// Compiles MLIR text. On failure `ok()` is false and `error()` has the diagnostics.
  explicit Tasks(const std::string &mlir, const std::string &cpu = "native");
  ~Tasks();

  bool ok() const;
  const std::string &error() const;
  /// The object file's bytes.
  std::string object() const;
  uint64_t workspaceBytes(const std::string &name) const;
  std::vector<std::string> names() const;
  std::vector<ArgumentType> argumentTypes(const std::string &name) const;

  /// Runs task `name`. `args` has one tensor per argument; those of buffer arguments are updated.
  /// Outputs and workspace are filled with NaN before, and bytes behind each buffer are checked
  /// after: a write there ends the process.
  std::vector<Tensor> run(const std::string &name, std::vector<Tensor> &args,
                          IndexError *indexError = nullptr) const;
  std::vector<Tensor> run(std::vector<Tensor> args) const { return run("f", args); }

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// Whether tasks are compiled for the CPU, not for GPUs that are emulated.
bool isForCPU();

/// Calls of bm_sgemm since the program began.
int64_t gemmCalls();

/// The largest |a - b| / (absolute / relative + |b|), which is at most `relative` where
/// |a - b| <= absolute + relative |b|. Infinite where one is NaN and the other is not.
double relativeError(const Tensor &actual, const Tensor &expected, double floor = 1e-2);

} // namespace bigmac::test

#endif // BIGMAC_TEST_TARGET_CPU_TASKRUNNER_H
