//===- TaskFileTest.cpp - The tasks of a file, for one target --------------===//
//
// BIGMAC_TASKS=FILE.mlir BIGMAC_RESULTS=FILE runs every task of a module on pseudo-random arguments
// and writes what it computes, a number a line: test/Target/CUDA/compare_targets.py compares the
// targets' results.
//
//===----------------------------------------------------------------------===//

#include "TaskRunner.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

using namespace bigmac::test;

TEST(TaskFile, Runs) {
  const char *file = std::getenv("BIGMAC_TASKS"), *out = std::getenv("BIGMAC_RESULTS");
  if (!file || !out)
    GTEST_SKIP() << "no BIGMAC_TASKS and BIGMAC_RESULTS";
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  Tasks tasks(text.str());
  ASSERT_TRUE(tasks.ok()) << tasks.error();
  std::ofstream results(out);
  results.precision(9);
  auto write = [&](const std::string &name, size_t i, const Tensor &tensor) {
    results << "tensor " << name << " " << i << " " << tensor.size() << "\n";
    for (double value : tensor.data)
      results << value << "\n";
  };
  for (const std::string &name : tasks.names()) {
    std::vector<Tensor> arguments;
    unsigned seed = 0;
    for (const ArgumentType &type : tasks.argumentTypes(name)) {
      ++seed;
      // Integers are labels, token ids and the like, of which every model has some. Other numbers
      // are ones that bf16 has, too.
      Tensor argument =
          Tensor::randomInts(type.shape, seed, type.isInteger ? 0 : -64, type.isInteger ? 8 : 65);
      if (!type.isInteger)
        for (double &value : argument.data)
          value /= 128;
      arguments.push_back(std::move(argument));
    }
    std::vector<Tensor> outputs = tasks.run(name, arguments);
    for (size_t i = 0; i < outputs.size(); ++i)
      write(name, i, outputs[i]);
    for (size_t i = 0; i < arguments.size(); ++i)
      if (tasks.argumentTypes(name)[i].isBuffer)
        write(name + ".updated", i, arguments[i]);
  }
}
