//===- EmulatedRuntime.cpp - What CUDA programs call, on a CPU -------------===//

#include "Emulator.h"

#include "bigmac-rt/cuda.h"
#include "bigmac-rt/plan.h"
#include "test/Target/CPU/TaskCompiler.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <limits>
#include <string>
#ifdef __x86_64__
#include <emmintrin.h>
#endif

using namespace bigmac::test;

extern "C" [[noreturn]] void bm_index_error(int64_t index, int64_t size);

static void *loaded = nullptr;

void bigmac::test::tasksLoaded(void *library) { loaded = library; }

static const bm_cuda_program &program() {
  return *static_cast<const bm_cuda_program *>(dlsym(loaded, "bm_cuda"));
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

extern "C" void bm_cuda_launch(uint32_t index, uint32_t grid_x, uint32_t grid_y, uint32_t grid_z,
                               uint32_t block_x, uint32_t block_y, uint32_t block_z,
                               void **params) {
  const std::string name = std::string(program().kernels[index].name) + ".packed";
  auto kernel = reinterpret_cast<PackedKernel>(dlsym(loaded, name.c_str()));
  if (!kernel || grid_y * grid_z * block_y * block_z != 1) {
    std::fprintf(stderr, "cannot launch %s\n", name.c_str());
    std::abort();
  }
  runGrid(kernel, params, grid_x, block_x);
}

//===----------------------------------------------------------------------===//
// Libraries
//===----------------------------------------------------------------------===//

namespace {

float load(const void *memory, int64_t i, uint32_t type) {
  if (type == BM_F32)
    return static_cast<const float *>(memory)[i];
  return std::bit_cast<float>(uint32_t(static_cast<const uint16_t *>(memory)[i]) << 16);
}

uint16_t toBFloat16(float value) {
  if (std::isnan(value))
    return 0x7fc0;
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void store(void *memory, int64_t i, uint32_t type, double value) {
  if (type == BM_F32)
    static_cast<float *>(memory)[i] = static_cast<float>(value);
  else
    static_cast<uint16_t *>(memory)[i] = toBFloat16(static_cast<float>(value));
}

} // namespace

extern "C" void bm_cuda_matmul_run(uint32_t index, const void *a, const void *b, void *c,
                                   const void *bias) {
  const bm_cuda_matmul &x = program().matmuls[index];
  for (int64_t i = 0; i < x.batch; ++i)
    for (int64_t row = 0; row < x.m; ++row)
      for (int64_t column = 0; column < x.n; ++column) {
        const int64_t at = i * x.stride_c + row * x.ldc + column;
        double sum = x.epilogue == BM_EPILOGUE_BIAS ? load(bias, column, x.c_type) : 0;
        for (int64_t k = 0; k < x.k; ++k)
          sum += double(load(a, i * x.stride_a + (x.trans_a ? k * x.lda + row : row * x.lda + k),
                             x.a_type)) *
                 load(b, i * x.stride_b + (x.trans_b ? column * x.ldb + k : k * x.ldb + column),
                      x.b_type);
        store(c, at, x.c_type, sum + (x.beta == 0 ? 0 : double(x.beta) * load(c, at, x.c_type)));
      }
}

static int64_t indexAt(const void *indices, uint32_t bytes, int64_t i) {
  return bytes == 8 ? static_cast<const int64_t *>(indices)[i]
                    : static_cast<const int32_t *>(indices)[i];
}

extern "C" void bm_cuda_scatter_rows(void *table, uint32_t table_type, int64_t table_rows,
                                     int64_t width, const void *ids, uint32_t id_bytes,
                                     int64_t count, const void *rows, uint32_t rows_type) {
  for (int64_t i = 0; i < count; ++i) {
    int64_t id = indexAt(ids, id_bytes, i);
    if (id < -table_rows || id >= table_rows)
      bm_index_error(id, table_rows);
    id += id < 0 ? table_rows : 0;
    for (int64_t j = 0; j < width; ++j)
      store(table, id * width + j, table_type,
            double(load(table, id * width + j, table_type)) + load(rows, i * width + j, rows_type));
  }
}

extern "C" void bm_cuda_check_indices(const void *indices, uint32_t index_bytes, int64_t count,
                                      int64_t lowest, int64_t size, int64_t ignored) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = indexAt(indices, index_bytes, i);
    if (index != ignored && (index < lowest || index >= size))
      bm_index_error(index, size);
  }
}

//===----------------------------------------------------------------------===//
// Mathematics
//===----------------------------------------------------------------------===//

#define BM_UNARY(name)                                                                             \
  extern "C" float __nv_##name##f(float x) { return std::name(x); }                                \
  extern "C" double __nv_##name(double x) { return std::name(x); }
BM_UNARY(exp)
BM_UNARY(exp2)
BM_UNARY(expm1)
BM_UNARY(log)
BM_UNARY(log2)
BM_UNARY(log1p)
BM_UNARY(sqrt)
BM_UNARY(tanh)
BM_UNARY(sin)
BM_UNARY(cos)
BM_UNARY(erf)
BM_UNARY(floor)
BM_UNARY(ceil)
BM_UNARY(rint)
#undef BM_UNARY

extern "C" float __nv_fabsf(float x) { return std::fabs(x); }
extern "C" double __nv_fabs(double x) { return std::fabs(x); }
extern "C" float __nv_rsqrtf(float x) { return 1 / std::sqrt(x); }
extern "C" double __nv_rsqrt(double x) { return 1 / std::sqrt(x); }
extern "C" float __nv_powf(float x, float y) { return std::pow(x, y); }
extern "C" double __nv_pow(double x, double y) { return std::pow(x, y); }

/// What code generators call to round to bfloat16; older runtime libraries lack it. The result is
/// where a bfloat16 is returned, and is none: to return one the compiler would call this.
#ifdef __x86_64__
extern "C" __m128i __truncsfbf2(float value) { return _mm_cvtsi32_si128(toBFloat16(value)); }
#endif
