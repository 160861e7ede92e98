//===- EmulatedRuntime.cpp - What CUDA programs call, on a CPU -------------===//

#include "Emulator.h"

#include "bigmac-rt/cuda.h"
#include "bigmac-rt/plan.h"
#include "test/Target/CPU/TaskCompiler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <limits>
#include <numbers>
#include <string>
#include <vector>
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

/// The tanh form: tanh(u(x)), gelu, and its derivative.
static double geluTanh(double x) {
  return std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x));
}
static double gelu(double x) { return 0.5 * x * (1 + geluTanh(x)); }
static double geluSlope(double x) {
  const double t = geluTanh(x);
  const double du = std::sqrt(2 / std::numbers::pi) * (1 + 3 * 0.044715 * x * x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du;
}

extern "C" void bm_cuda_matmul_run(uint32_t index, const void *a, const void *b, void *c,
                                   void *vector, void *aux) {
  const bm_cuda_matmul &x = program().matmuls[index];
  auto atA = [&](int64_t i, int64_t row, int64_t k) {
    return load(a, i * x.stride_a + (x.trans_a ? k * x.lda + row : row * x.lda + k), x.a_type);
  };
  auto atB = [&](int64_t i, int64_t k, int64_t column) {
    return load(b, i * x.stride_b + (x.trans_b ? column * x.ldb + k : k * x.ldb + column),
                x.b_type);
  };
  if (x.epilogue & (BM_EPILOGUE_SUM_A | BM_EPILOGUE_SUM_B)) {
    const bool ofA = x.epilogue & BM_EPILOGUE_SUM_A;
    for (int64_t i = 0; i < (ofA ? x.m : x.n); ++i) {
      double sum = 0;
      for (int64_t k = 0; k < x.k; ++k)
        sum += ofA ? atA(0, i, k) : atB(0, k, i);
      store(vector, i, x.c_type, sum);
    }
  }
  for (int64_t i = 0; i < x.batch; ++i)
    for (int64_t row = 0; row < x.m; ++row)
      for (int64_t column = 0; column < x.n; ++column) {
        const int64_t at = i * x.stride_c + row * x.ldc + column;
        const int64_t auxAt = i * x.stride_aux + row * x.ld_aux + column;
        double sum = x.epilogue & BM_EPILOGUE_BIAS ? load(vector, column, x.c_type) : 0;
        for (int64_t k = 0; k < x.k; ++k)
          sum += double(atA(i, row, k)) * atB(i, k, column);
        if (x.epilogue & BM_EPILOGUE_SAVE)
          store(aux, auxAt, x.c_type, sum);
        if (x.epilogue & BM_EPILOGUE_GELU_BACKWARD)
          sum *= geluSlope(load(aux, auxAt, x.c_type));
        if (x.epilogue & BM_EPILOGUE_GELU)
          sum = gelu(sum);
        store(c, at, x.c_type, sum + (x.beta == 0 ? 0 : double(x.beta) * load(c, at, x.c_type)));
      }
}

namespace {

/// One attention's numbers, from element offsets: plain loops in double.
class Attention {
public:
  Attention(const bm_cuda_attention &x, const void *q, const void *k, const void *v,
            const void *mask)
      : x(x), q(q), k(k), v(v), mask(mask) {}

  float at(const void *memory, const int64_t (&strides)[4], int64_t b, int64_t h, int64_t r,
           int64_t c) const {
    return load(memory, b * strides[0] + h * strides[1] + r * strides[2] + c * strides[3], x.type);
  }
  int64_t group(int64_t head) const { return head / (x.heads / x.kv_heads); }

  double score(int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (x.causal && j > i + x.keys - x.queries)
      return -std::numeric_limits<double>::infinity();
    double sum = 0;
    for (int64_t d = 0; d < x.depth; ++d)
      sum += double(at(q, x.q_strides, b, h, i, d)) * at(k, x.k_strides, b, group(h), j, d);
    double added = 0;
    if (x.has_mask)
      added = at(mask, x.mask_strides, x.mask_sizes[0] == 1 ? 0 : b, x.mask_sizes[1] == 1 ? 0 : h,
                 x.mask_sizes[2] == 1 ? 0 : i, j);
    return sum * x.scale + added;
  }

  const bm_cuda_attention &x;
  const void *q, *k, *v, *mask;
};

int64_t offsetOf(const int64_t (&strides)[4], int64_t b, int64_t h, int64_t r, int64_t c) {
  return b * strides[0] + h * strides[1] + r * strides[2] + c * strides[3];
}

} // namespace

extern "C" void bm_cuda_attention_forward(uint32_t index, const void *q, const void *k,
                                          const void *v, const void *mask, void *o,
                                          float *logsumexp) {
  const bm_cuda_attention &x = program().attentions[index];
  const Attention attention(x, q, k, v, mask);
  for (int64_t b = 0; b < x.batch; ++b)
    for (int64_t h = 0; h < x.heads; ++h)
      for (int64_t i = 0; i < x.queries; ++i) {
        std::vector<double> row(x.value_depth);
        // Less than the maximum: exponentials of scores between random numbers would overflow.
        double total = 0, max = std::numeric_limits<double>::lowest();
        for (int64_t j = 0; j < x.keys; ++j)
          max = std::max(max, attention.score(b, h, i, j));
        for (int64_t j = 0; j < x.keys; ++j) {
          const double weight = std::exp(attention.score(b, h, i, j) - max);
          total += weight;
          for (int64_t d = 0; d < x.value_depth; ++d)
            row[d] += weight * attention.at(v, x.v_strides, b, attention.group(h), j, d);
        }
        for (int64_t d = 0; d < x.value_depth; ++d)
          store(o, offsetOf(x.o_strides, b, h, i, d), x.type, total == 0 ? 0 : row[d] / total);
        logsumexp[(b * x.heads + h) * x.queries + i] =
            total == 0 ? std::numeric_limits<float>::infinity() : max + std::log(total);
      }
}

extern "C" void bm_cuda_attention_backward(uint32_t index, const void *q, const void *k,
                                           const void *v, const void *mask, const void *o,
                                           const float *logsumexp, const void *grad_o, void *grad_q,
                                           void *grad_k, void *grad_v) {
  const bm_cuda_attention &x = program().attentions[index];
  const Attention attention(x, q, k, v, mask);
  const int64_t shared = x.batch * x.kv_heads * x.keys;
  std::vector<double> dk(shared * x.depth), dv(shared * x.value_depth);
  for (int64_t b = 0; b < x.batch; ++b)
    for (int64_t h = 0; h < x.heads; ++h)
      for (int64_t i = 0; i < x.queries; ++i) {
        double delta = 0;
        for (int64_t d = 0; d < x.value_depth; ++d)
          delta += double(attention.at(o, x.o_strides, b, h, i, d)) *
                   attention.at(grad_o, x.do_strides, b, h, i, d);
        std::vector<double> dq(x.depth);
        for (int64_t j = 0; j < x.keys; ++j) {
          const int64_t g = attention.group(h), at = (b * x.kv_heads + g) * x.keys + j;
          const double weight =
              std::exp(attention.score(b, h, i, j) - logsumexp[(b * x.heads + h) * x.queries + i]);
          double dp = 0;
          for (int64_t d = 0; d < x.value_depth; ++d) {
            const double grad = attention.at(grad_o, x.do_strides, b, h, i, d);
            dv[at * x.value_depth + d] += weight * grad;
            dp += grad * attention.at(v, x.v_strides, b, g, j, d);
          }
          const double ds = weight * (dp - delta) * x.scale;
          for (int64_t d = 0; d < x.depth; ++d) {
            dq[d] += ds * attention.at(k, x.k_strides, b, g, j, d);
            dk[at * x.depth + d] += ds * attention.at(q, x.q_strides, b, h, i, d);
          }
        }
        for (int64_t d = 0; d < x.depth; ++d)
          store(grad_q, offsetOf(x.dq_strides, b, h, i, d), x.type, dq[d]);
      }
  for (int64_t b = 0; b < x.batch; ++b)
    for (int64_t g = 0; g < x.kv_heads; ++g)
      for (int64_t j = 0; j < x.keys; ++j) {
        const int64_t at = (b * x.kv_heads + g) * x.keys + j;
        for (int64_t d = 0; d < x.depth; ++d)
          store(grad_k, offsetOf(x.dk_strides, b, g, j, d), x.type, dk[at * x.depth + d]);
        for (int64_t d = 0; d < x.value_depth; ++d)
          store(grad_v, offsetOf(x.dv_strides, b, g, j, d), x.type, dv[at * x.value_depth + d]);
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
BM_UNARY(erfc)
BM_UNARY(floor)
BM_UNARY(ceil)
BM_UNARY(rint)
#undef BM_UNARY

/// As the device has it: of a product that is rounded.
extern "C" float __nv_fast_expf(float x) { return std::exp2(x * 1.44269504f); }
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
