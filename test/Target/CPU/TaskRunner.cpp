//===- TaskRunner.cpp - Compile a task and run it in this process ----------===//

#include "TaskRunner.h"

#include "TaskCompiler.h"
#include "dialects/NN/IR/NN.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

#include <bit>
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <limits>
#include <map>

using namespace bigmac;
using namespace bigmac::test;

//===----------------------------------------------------------------------===//
// What tasks call
//===----------------------------------------------------------------------===//

static std::jmp_buf indexErrorTarget;
static IndexError lastIndexError;
static int64_t gemmCount = 0;

extern "C" [[noreturn]] void bm_index_error(int64_t index, int64_t size) {
  lastIndexError = {index, size};
  std::longjmp(indexErrorTarget, 1);
}

/// Plain loops in double: what kernels.h says of bm_sgemm.
extern "C" void bm_sgemm(int transA, int transB, int64_t m, int64_t n, int64_t k, float alpha,
                         const float *a, int64_t lda, int64_t strideA, const float *b, int64_t ldb,
                         int64_t strideB, float beta, float *c, int64_t ldc, int64_t strideC,
                         int64_t batch) {
  ++gemmCount;
  bool fits = lda >= std::max<int64_t>(1, transA ? m : k) &&
              ldb >= std::max<int64_t>(1, transB ? k : n) && ldc >= std::max<int64_t>(1, n) &&
              (batch == 1 || strideC != 0);
  if (!fits) {
    std::fprintf(stderr, "bm_sgemm: bad leading dimension or stride\n");
    std::abort();
  }
  for (int64_t i = 0; i < batch; ++i)
    for (int64_t row = 0; row < m; ++row)
      for (int64_t column = 0; column < n; ++column) {
        double sum = 0;
        for (int64_t t = 0; t < k; ++t) {
          float left = a[i * strideA + (transA ? t * lda + row : row * lda + t)];
          float right = b[i * strideB + (transB ? column * ldb + t : t * ldb + column)];
          sum += static_cast<double>(left) * right;
        }
        float &out = c[i * strideC + row * ldc + column];
        out = static_cast<float>(alpha * sum + (beta == 0 ? 0 : static_cast<double>(beta) * out));
      }
}

int64_t bigmac::test::gemmCalls() { return gemmCount; }

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Tensor::Tensor(std::vector<int64_t> sizes, double value) : shape(std::move(sizes)) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  data.assign(count, value);
}

Tensor Tensor::random(std::vector<int64_t> shape, unsigned seed, double low, double high) {
  Tensor result(std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> distribution(low, high);
  // Values of f32, so that the reference has the task's inputs exactly.
  for (double &value : result.data)
    value = static_cast<float>(distribution(generator));
  return result;
}

Tensor Tensor::randomInts(std::vector<int64_t> shape, unsigned seed, int64_t low, int64_t high) {
  Tensor result(std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int64_t> distribution(low, high - 1);
  for (double &value : result.data)
    value = static_cast<double>(distribution(generator));
  return result;
}

Tensor Tensor::scalar(double value) { return Tensor({}, value); }

double &Tensor::at(std::initializer_list<int64_t> index) {
  int64_t position = 0;
  auto size = shape.begin();
  for (int64_t i : index)
    position = position * *size++ + i;
  return data.at(position);
}
double Tensor::at(std::initializer_list<int64_t> index) const {
  return const_cast<Tensor *>(this)->at(index);
}

double bigmac::test::relativeError(const Tensor &actual, const Tensor &expected, double floor) {
  double infinity = std::numeric_limits<double>::infinity(), worst = 0;
  if (actual.shape != expected.shape)
    return infinity;
  for (int64_t i = 0; i < actual.size(); ++i) {
    double a = actual[i], b = expected[i];
    if (a == b || (std::isnan(a) && std::isnan(b)))
      continue;
    double error = std::abs(a - b) / (floor + std::abs(b));
    worst = std::isnan(error) ? infinity : std::max(worst, error);
  }
  return worst;
}

//===----------------------------------------------------------------------===//
// Tasks
//===----------------------------------------------------------------------===//

namespace {

enum class Element { F32, BF16, F64, I64, I32, I1 };

struct Type {
  std::vector<int64_t> shape;
  Element element;

  int64_t width() const {
    switch (element) {
    case Element::F64:
    case Element::I64:
      return 8;
    case Element::BF16:
      return 2;
    case Element::I1:
      return 1;
    default:
      return 4;
    }
  }
};

struct Signature {
  std::vector<Type> arguments, results;
  std::vector<bool> isBuffer;
};

Type typeOf(mlir::Type type) {
  auto shaped = llvm::cast<mlir::ShapedType>(type);
  mlir::Type element = shaped.getElementType();
  Element kind = element.isF32()         ? Element::F32
                 : element.isBF16()      ? Element::BF16
                 : element.isF64()       ? Element::F64
                 : element.isInteger(64) ? Element::I64
                 : element.isInteger(32) ? Element::I32
                                         : Element::I1;
  return {std::vector<int64_t>(shaped.getShape()), kind};
}

/// A buffer with bytes behind it that nobody may touch.
class Buffer {
public:
  explicit Buffer(size_t bytes) : bytes(bytes) {
    size_t padded = (bytes + guardBytes + 63) / 64 * 64;
    memory = static_cast<char *>(std::aligned_alloc(64, padded));
    // All ones: NaN in any float type, an index far out of range in any integer type.
    std::memset(memory, 0xff, bytes);
    std::memset(memory + bytes, guard, padded - bytes);
  }
  Buffer(Buffer &&other) noexcept : memory(other.memory), bytes(other.bytes) {
    other.memory = nullptr;
  }
  ~Buffer() {
    if (!memory)
      return;
    for (size_t i = 0; i < guardBytes; ++i)
      if (memory[bytes + i] != guard) {
        std::fprintf(stderr, "a task wrote behind a buffer of %zu bytes\n", bytes);
        std::abort();
      }
    std::free(memory);
  }

  char *memory;
  size_t bytes;

private:
  static constexpr size_t guardBytes = 256;
  static constexpr char guard = 0x5a;
};

template <typename T> void store(const Tensor &tensor, char *memory) {
  for (int64_t i = 0; i < tensor.size(); ++i)
    reinterpret_cast<T *>(memory)[i] = static_cast<T>(tensor[i]);
}
template <typename T> void load(Tensor &tensor, const char *memory) {
  for (int64_t i = 0; i < tensor.size(); ++i)
    tensor[i] = static_cast<double>(reinterpret_cast<const T *>(memory)[i]);
}

/// The upper half of a float, rounded to even.
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(double value) {
    uint32_t whole = std::bit_cast<uint32_t>(static_cast<float>(value));
    bits = static_cast<uint16_t>(std::isnan(value) ? 0x7fc0
                                                   : (whole + 0x7fff + (whole >> 16 & 1)) >> 16);
  }
  operator double() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

void convert(Tensor &tensor, const Type &type, char *memory, bool toMemory) {
  auto as = [&](auto zero) {
    using T = decltype(zero);
    toMemory ? store<T>(tensor, memory) : load<T>(tensor, memory);
  };
  switch (type.element) {
  case Element::F32:
    return as(float());
  case Element::BF16:
    return as(BFloat16());
  case Element::F64:
    return as(double());
  case Element::I64:
    return as(int64_t());
  case Element::I32:
    return as(int32_t());
  case Element::I1:
    return as(uint8_t());
  }
}

} // namespace

struct Tasks::Impl {
  std::string error, objectBytes;
  std::map<std::string, Signature> signatures;
  std::map<std::string, uint64_t> workspace;
  void *library = nullptr;

  bool compile(const std::string &mlir, const std::string &cpu);
  bool load(llvm::SmallVector<std::string> objects);
};

bool Tasks::Impl::compile(const std::string &text, const std::string &cpu) {
  mlir::DialectRegistry registry;
  registry.insert<nn::NNDialect>();
  registerTaskDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    llvm::raw_string_ostream(error) << diagnostic << "\n";
  });
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return false;
  for (auto function : module->getOps<mlir::func::FuncOp>()) {
    Signature signature;
    for (mlir::Type type : function.getArgumentTypes()) {
      signature.arguments.push_back(typeOf(type));
      signature.isBuffer.push_back(llvm::isa<mlir::MemRefType>(type));
    }
    for (mlir::Type type : function.getResultTypes())
      signature.results.push_back(typeOf(type));
    signatures[function.getName().str()] = signature;
  }
  llvm::SmallString<128> object;
  llvm::sys::fs::createTemporaryFile("bigmac-task", "o", object);
  llvm::SmallVector<TaskInfo> infos;
  const std::string path = object.str().str();
  llvm::SmallVector<std::string> objects{path};
  bool compiled =
      mlir::succeeded(compileTasks(*module, cpu, path, infos, objects)) && load(objects);
  for (const std::string &file : objects)
    llvm::sys::fs::remove(file);
  for (const TaskInfo &info : infos)
    workspace[info.name] = info.workspaceBytes;
  return compiled;
}

bool Tasks::Impl::load(llvm::SmallVector<std::string> objects) {
  auto bytes = llvm::MemoryBuffer::getFile(objects[0]);
  if (!bytes) {
    error += "no object file\n";
    return false;
  }
  objectBytes = (*bytes)->getBuffer().str();
  std::string shared = objects[0] + ".so";
  std::string message;
  llvm::SmallVector<llvm::StringRef> command{BIGMAC_TEST_LINKER, "-shared", "-o", shared};
  llvm::append_range(command, objects);
  int status =
      llvm::sys::ExecuteAndWait(BIGMAC_TEST_LINKER, command, std::nullopt, {}, 0, 0, &message);
  if (status != 0) {
    error += "cannot link: " + message + "\n";
    return false;
  }
  library = dlopen(shared.c_str(), RTLD_NOW | RTLD_LOCAL);
  llvm::sys::fs::remove(shared);
  if (!library)
    error += dlerror();
  return library != nullptr;
}

Tasks::Tasks(const std::string &mlir, const std::string &cpu) : impl(std::make_unique<Impl>()) {
  impl->compile(mlir, cpu);
}
Tasks::~Tasks() {
  if (impl->library)
    dlclose(impl->library);
}
bool Tasks::ok() const { return impl->library != nullptr; }
const std::string &Tasks::error() const { return impl->error; }
std::string Tasks::object() const { return impl->objectBytes; }
std::vector<std::string> Tasks::names() const {
  std::vector<std::string> names;
  for (const auto &entry : impl->signatures)
    names.push_back(entry.first);
  return names;
}

std::vector<ArgumentType> Tasks::argumentTypes(const std::string &name) const {
  const Signature &signature = impl->signatures.at(name);
  std::vector<ArgumentType> types;
  for (size_t i = 0; i < signature.arguments.size(); ++i) {
    const Type &type = signature.arguments[i];
    bool isFloat = type.element == Element::F32 || type.element == Element::BF16 ||
                   type.element == Element::F64;
    types.push_back({type.shape, !isFloat, signature.isBuffer[i]});
  }
  return types;
}

uint64_t Tasks::workspaceBytes(const std::string &name) const { return impl->workspace.at(name); }

std::vector<Tensor> Tasks::run(const std::string &name, std::vector<Tensor> &args,
                               IndexError *indexError) const {
  if (!ok()) {
    std::fprintf(stderr, "%s\n", impl->error.c_str());
    std::abort();
  }
  auto task = reinterpret_cast<void (*)(void *const *)>(dlsym(impl->library, name.c_str()));
  const Signature &signature = impl->signatures.at(name);
  if (!task || args.size() != signature.arguments.size()) {
    std::fprintf(stderr, "no task %s of %zu arguments\n", name.c_str(), args.size());
    std::abort();
  }
  std::vector<Buffer> buffers;
  std::vector<Tensor> results;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].shape != signature.arguments[i].shape) {
      std::fprintf(stderr, "argument %zu has the wrong shape\n", i);
      std::abort();
    }
    buffers.emplace_back(args[i].size() * signature.arguments[i].width());
    convert(args[i], signature.arguments[i], buffers.back().memory, /*toMemory=*/true);
  }
  for (const Type &type : signature.results) {
    results.emplace_back(type.shape);
    buffers.emplace_back(results.back().size() * type.width());
  }
  buffers.emplace_back(impl->workspace.at(name));
  tasksLoaded(impl->library);
  std::vector<void *> pointers;
  for (Buffer &buffer : buffers)
    pointers.push_back(buffer.memory);
  if (setjmp(indexErrorTarget) == 0) {
    task(pointers.data());
  } else {
    if (!indexError) {
      std::fprintf(stderr, "unexpected index %lld\n", static_cast<long long>(lastIndexError.index));
      std::abort();
    }
    *indexError = lastIndexError;
  }
  for (size_t i = 0; i < args.size(); ++i) {
    Tensor after = args[i];
    convert(after, signature.arguments[i], buffers[i].memory, /*toMemory=*/false);
    if (signature.isBuffer[i])
      args[i] = after;
    else if (relativeError(after, args[i]) != 0 && signature.arguments[i].element != Element::F32) {
      std::fprintf(stderr, "input %zu was written\n", i);
      std::abort();
    }
  }
  for (size_t i = 0; i < results.size(); ++i)
    convert(results[i], signature.results[i], buffers[args.size() + i].memory,
            /*toMemory=*/false);
  return results;
}
