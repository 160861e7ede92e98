//===- bench_kernels.cpp - Generated kernels against memcpy ----------------===//
//
// Compiles one task per op, runs it on one thread and prints its time, the bytes of its arguments
// and results per second, and that rate against memcpy's for the same bytes in the same run: an op
// that does little arithmetic should come near 1.
//
// Usage: bigmac-bench-kernels [FILTER] [--cpu=NAME] [--rows=N] [--columns=N]
//
//===----------------------------------------------------------------------===//

#include "bigmac/Target/CPU.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <vector>

using namespace mlir;

extern "C" [[noreturn]] void bm_index_error(int64_t index, int64_t size) {
  std::fprintf(stderr, "index %lld of %lld\n", static_cast<long long>(index),
               static_cast<long long>(size));
  std::abort();
}

/// No task here multiplies matrices.
extern "C" [[noreturn]] void bm_sgemm() { std::abort(); }

namespace {

struct Benchmark {
  const char *name;
  /// Signature and body; `$R` and `$C` are rows and columns.
  const char *text;
};

const Benchmark benchmarks[] = {
    {"add", R"((%a: tensor<$Rx$Cxf32>, %b: tensor<$Rx$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = arith.addf %a, %b : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"bias", R"((%a: tensor<$Rx$Cxf32>, %b: tensor<$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = nn.broadcast %b : tensor<$Cxf32> -> tensor<$Rx$Cxf32>
      %1 = arith.addf %a, %0 : tensor<$Rx$Cxf32>
      return %1 : tensor<$Rx$Cxf32> })"},
    {"exp", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = math.exp %a : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"silu", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = nn.silu %a : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"gelu", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = nn.gelu %a : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"gelu_tanh", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = nn.gelu tanh %a : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"sin", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = math.sin %a : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"row_sum", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rxf32> {
      %0 = nn.reduce_sum %a [1] : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rxf32> })"},
    {"row_max", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rxf32> {
      %0 = nn.reduce_max %a [1] : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rxf32> })"},
    {"column_sum", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Cxf32> {
      %0 = nn.reduce_sum %a [0] : tensor<$Rx$Cxf32>
      return %0 : tensor<$Cxf32> })"},
    {"argmax", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rxi64> {
      %0 = nn.argmax %a : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rxi64> })"},
    {"softmax", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = nn.softmax %a : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"rms_norm",
     R"((%a: tensor<$Rx$Cxf32>, %s: tensor<$Cxf32>) -> (tensor<$Rx$Cxf32>, tensor<$Rxf32>) {
      %0, %1 = nn.rms_norm %a scale %s : tensor<$Cxf32> epsilon 1.0e-5 : tensor<$Rx$Cxf32>
      return %0, %1 : tensor<$Rx$Cxf32>, tensor<$Rxf32> })"},
    {"layer_norm",
     R"((%a: tensor<$Rx$Cxf32>, %s: tensor<$Cxf32>, %b: tensor<$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0, %1, %2 = nn.layer_norm %a scale %s : tensor<$Cxf32> bias %b : tensor<$Cxf32> epsilon 1.0e-5 : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"rms_norm_backward",
     R"((%a: tensor<$Rx$Cxf32>, %r: tensor<$Rxf32>, %g: tensor<$Rx$Cxf32>, %s: tensor<$Cxf32>) -> tensor<$Rx$Cxf32> {
      %0 = nn.rms_norm_backward %a, %r, %g scale %s : tensor<$Cxf32> : tensor<$Rx$Cxf32>, tensor<$Rxf32>, tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"transpose", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Cx$Rxf32> {
      %0 = nn.transpose %a [1, 0] : tensor<$Rx$Cxf32>
      return %0 : tensor<$Cx$Rxf32> })"},
    {"mask_select", R"((%a: tensor<$Rx$Cxf32>, %m: tensor<$Rx$Cxi1>) -> tensor<$Rx$Cxf32> {
      %z = arith.constant dense<0.0> : tensor<$Rx$Cxf32>
      %0 = arith.select %m, %a, %z : tensor<$Rx$Cxi1>, tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxf32> })"},
    {"compare", R"((%a: tensor<$Rx$Cxf32>) -> tensor<$Rx$Cxi1> {
      %z = arith.constant dense<0.5> : tensor<$Rx$Cxf32>
      %0 = arith.cmpf ogt, %a, %z : tensor<$Rx$Cxf32>
      return %0 : tensor<$Rx$Cxi1> })"},
    {"cross_entropy", R"((%a: tensor<$Rx$Cxf32>, %l: tensor<$Rxi64>) -> tensor<f32> {
      %0, %1 = nn.cross_entropy %a, %l : tensor<$Rx$Cxf32>, tensor<$Rxi64>
      return %0 : tensor<f32> })"},
    {"cross_entropy_backward",
     R"((%a: tensor<$Rx$Cxf32>, %l: tensor<$Rxi64>, %e: tensor<$Rxf32>, %g: tensor<f32>) -> tensor<$Rx$Cxf32> {
      %0 = nn.cross_entropy_backward %a, %l, %e, %g : tensor<$Rx$Cxf32>, tensor<$Rxi64>, tensor<$Rxf32>, tensor<f32>
      return %0 : tensor<$Rx$Cxf32> })"},
};

std::string substitute(std::string text, int64_t rows, int64_t columns) {
  for (auto [key, value] : {std::pair("$R", rows), std::pair("$C", columns)})
    for (size_t at; (at = text.find(key)) != std::string::npos;)
      text.replace(at, 2, std::to_string(value));
  return text;
}

/// The least of several runs, in seconds.
template <typename Function> double bestOf(Function run) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9, total = 0;
  for (int i = 0; i < 200 && (i < 5 || total < 0.3); ++i) {
    auto start = Clock::now();
    run();
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

size_t bytesOf(Type type) {
  auto shaped = cast<ShapedType>(type);
  return shaped.getNumElements() * llvm::divideCeil(shaped.getElementTypeBitWidth(), 8);
}

char *allocate(size_t bytes) {
  return static_cast<char *>(std::aligned_alloc(64, llvm::alignTo(bytes + 1, 64)));
}

bool run(const Benchmark &benchmark, const std::string &cpu, int64_t rows, int64_t columns) {
  DialectRegistry registry;
  registry.insert<bigmac::nn::NNDialect>();
  bigmac::registerCPUDialects(registry);
  MLIRContext context(registry);
  std::string text = "func.func @task" + substitute(benchmark.text, rows, columns);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module)
    return false;
  auto function = *module->getOps<func::FuncOp>().begin();
  std::vector<char *> buffers;
  size_t bytes = 0;
  auto add = [&](Type type) {
    size_t size = bytesOf(type);
    buffers.push_back(allocate(size));
    std::memset(buffers.back(), 0, size);
    if (getElementTypeOrSelf(type).isF32())
      for (size_t i = 0; i < size / 4; ++i)
        reinterpret_cast<float *>(buffers.back())[i] = static_cast<float>(i % 1013) / 500 - 1;
    bytes += size;
  };
  for (Type type : function.getArgumentTypes())
    add(type);
  for (Type type : function.getResultTypes())
    add(type);

  SmallString<128> object;
  llvm::sys::fs::createTemporaryFile("bigmac-bench", "o", object);
  std::string shared = object.str().str() + ".so";
  SmallVector<bigmac::TaskInfo> infos;
  bool compiled = succeeded(bigmac::compileForCPU(*module, {cpu}, object, infos)) &&
                  llvm::sys::ExecuteAndWait(BIGMAC_TEST_LINKER, {BIGMAC_TEST_LINKER, "-shared",
                                                                 "-o", shared, object}) == 0;
  void *library = compiled ? dlopen(shared.c_str(), RTLD_NOW) : nullptr;
  llvm::sys::fs::remove(object);
  llvm::sys::fs::remove(shared);
  if (!library)
    return false;
  auto task = reinterpret_cast<void (*)(void *const *)>(dlsym(library, "task"));
  buffers.push_back(allocate(infos[0].workspaceBytes));
  std::vector<void *> pointers(buffers.begin(), buffers.end());
  double seconds = bestOf([&] { task(pointers.data()); });
  // memcpy reads half of the bytes and writes as many.
  char *from = allocate(bytes / 2), *to = allocate(bytes / 2);
  std::memset(from, 1, bytes / 2);
  double copy = bestOf([&] {
    std::memcpy(to, from, bytes / 2);
    // Nobody reads the copy; without this it would not be made.
    asm volatile("" ::"r"(to) : "memory");
  });
  std::printf("%-24s %9.1f us %8.1f GB/s %6.2f of memcpy %8.2f ns/element\n", benchmark.name,
              seconds * 1e6, bytes / seconds * 1e-9, copy / seconds,
              seconds * 1e9 / static_cast<double>(rows * columns));
  for (char *buffer : {from, to})
    std::free(buffer);
  for (char *buffer : buffers)
    std::free(buffer);
  dlclose(library);
  return true;
}

} // namespace

int main(int argc, char **argv) {
  std::string filter, cpu = "native";
  int64_t rows = 1024, columns = 1024;
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    if (argument.consume_front("--cpu="))
      cpu = argument.str();
    else if (argument.consume_front("--rows="))
      rows = std::strtoll(argument.data(), nullptr, 10);
    else if (argument.consume_front("--columns="))
      columns = std::strtoll(argument.data(), nullptr, 10);
    else
      filter = argument.str();
  }
  if (rows < 1 || columns < 1 || rows > (1 << 24) / columns) {
    std::fprintf(stderr, "expected positive rows and columns of at most 2^24 elements\n");
    return 1;
  }
  std::printf("%lld x %lld f32, one thread, cpu %s\n", static_cast<long long>(rows),
              static_cast<long long>(columns), cpu.c_str());
  for (const Benchmark &benchmark : benchmarks)
    if (StringRef(benchmark.name).contains(filter) && !run(benchmark, cpu, rows, columns))
      return 1;
  return 0;
}
