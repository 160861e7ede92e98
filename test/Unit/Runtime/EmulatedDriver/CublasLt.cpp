//===- CublasLt.cpp - A libcublasLt.so.13 without a GPU --------------------===//
//
// Beside the emulated driver: products in double, element by element, in the order of the stream.
// There is one algorithm. Matrices are column-major, as NVIDIA's documentation has them; what that
// says of the epilogues' operands is checked.
//
//===----------------------------------------------------------------------===//

#include "Emulated.h"
#include "cts/Numbers.h"

#include <cmath>
#include <cublasLt.h>
#include <map>
#include <numbers>
#include <optional>

using namespace bigmac::test;
namespace cts = bigmac::rt::cts;

namespace {

struct Layout {
  cudaDataType_t type;
  int64_t rows, columns, ld;
  int32_t batch = 1;
  int64_t stride = 0;

  int64_t at(int64_t e, int64_t row, int64_t column) const {
    return e * stride + column * ld + row;
  }
};

struct Product {
  cublasOperation_t transA = CUBLAS_OP_N, transB = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void *bias = nullptr, *aux = nullptr;
  int64_t auxLd = 0, auxStride = 0;

  bool has(int bits) const { return (epilogue & bits) == bits; }
  bool hasAux() const { return has(CUBLASLT_EPILOGUE_GELU_AUX) || has(CUBLASLT_EPILOGUE_DGELU); }
};

Layout &of(cublasLtMatrixLayout_t layout) { return *reinterpret_cast<Layout *>(layout); }
Product &of(cublasLtMatmulDesc_t product) { return *reinterpret_cast<Product *>(product); }

uint32_t typeOf(const Layout &layout) {
  return layout.type == CUDA_R_32F ? BM_F32 : layout.type == CUDA_R_16BF ? BM_BF16 : BM_F16;
}

double load(const Layout &layout, const void *from, int64_t i) {
  uint32_t type = typeOf(layout);
  return cts::load(type, static_cast<const char *>(from) + i * int64_t(cts::bytesOf(type)));
}
void store(const Layout &layout, void *to, int64_t i, double value) {
  uint32_t type = typeOf(layout);
  cts::store(type, static_cast<char *>(to) + i * int64_t(cts::bytesOf(type)),
             static_cast<float>(value));
}

double geluTanh(double x) {
  return std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x));
}
double geluSlope(double x) {
  double t = geluTanh(x), du = std::sqrt(2 / std::numbers::pi) * (1 + 3 * 0.044715 * x * x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du;
}

/// What a call reads of the host's memory when it is made.
struct Call {
  Product product;
  Layout a, b, d;
  float alpha, beta;
  const void *at, *bt, *ct;
  void *dt;

  double sum(int64_t e, int64_t row, int64_t column) const {
    int64_t depth = product.transA == CUBLAS_OP_N ? a.columns : a.rows;
    double total = 0;
    for (int64_t k = 0; k < depth; ++k)
      total += load(a, at, product.transA == CUBLAS_OP_N ? a.at(e, row, k) : a.at(e, k, row)) *
               load(b, bt, product.transB == CUBLAS_OP_N ? b.at(e, k, column) : b.at(e, column, k));
    return alpha * total;
  }

  /// One for each row of the result by what A holds, or for each column by what B holds, which in
  /// the form that is supported are their rows.
  void sumOperand() const {
    bool ofA = product.epilogue == CUBLASLT_EPILOGUE_BGRADA;
    const Layout &layout = ofA ? a : b;
    for (int64_t i = 0; i < layout.rows; ++i) {
      double total = 0;
      for (int64_t k = 0; k < layout.columns; ++k)
        total += load(layout, ofA ? at : bt, layout.at(0, i, k));
      store(d, product.bias, i, total);
    }
  }

  void run() const {
    if (product.epilogue == CUBLASLT_EPILOGUE_BGRADA ||
        product.epilogue == CUBLASLT_EPILOGUE_BGRADB)
      sumOperand();
    for (int64_t e = 0; e < d.batch; ++e)
      for (int64_t column = 0; column < d.columns; ++column)
        for (int64_t row = 0; row < d.rows; ++row) {
          double value = sum(e, row, column);
          if (beta != 0)
            value += beta * load(d, ct, d.at(e, row, column));
          int64_t aux = e * product.auxStride + column * product.auxLd + row;
          if (product.has(CUBLASLT_EPILOGUE_BIAS))
            value += load(d, product.bias, row);
          if (product.has(CUBLASLT_EPILOGUE_GELU_AUX))
            store(d, product.aux, aux, value);
          if (product.has(CUBLASLT_EPILOGUE_GELU))
            value = 0.5 * value * (1 + geluTanh(value));
          if (product.has(CUBLASLT_EPILOGUE_DGELU))
            value *= geluSlope(load(d, product.aux, aux));
          store(d, dt, d.at(e, row, column), value);
        }
  }
};

/// Whether the operands of the epilogue are as they must be. With BM_EMULATED_EPILOGUES=none the
/// library has none but biases.
bool isSupported(const Product &product, const Layout &d) {
  const char *epilogues = std::getenv("BM_EMULATED_EPILOGUES");
  if (epilogues && std::string(epilogues) == "none" &&
      product.epilogue != CUBLASLT_EPILOGUE_DEFAULT && product.epilogue != CUBLASLT_EPILOGUE_BIAS)
    return false;
  bool hasSums =
      product.epilogue == CUBLASLT_EPILOGUE_BGRADA || product.epilogue == CUBLASLT_EPILOGUE_BGRADB;
  if ((product.has(CUBLASLT_EPILOGUE_BIAS) || hasSums) && !product.bias)
    return false;
  // Other forms of these the library of CUDA 13.0 refuses.
  if (hasSums && (product.transA != CUBLAS_OP_N || product.transB != CUBLAS_OP_T))
    return false;
  if (!product.hasAux())
    return true;
  return product.aux && reinterpret_cast<uintptr_t>(product.aux) % 16 == 0 &&
         product.auxLd % 8 == 0 && product.auxLd >= d.rows && product.auxStride % 8 == 0 &&
         (d.batch == 1 || product.auxStride || product.has(CUBLASLT_EPILOGUE_DGELU));
}

template <typename T> cublasStatus_t set(T &to, const void *from, size_t size) {
  if (size != sizeof(T))
    return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, size);
  return CUBLAS_STATUS_SUCCESS;
}

} // namespace

size_t CUBLASWINAPI cublasLtGetVersion() { return 130000; }
const char *CUBLASWINAPI cublasLtGetStatusName(cublasStatus_t) { return "an emulated status"; }
const char *CUBLASWINAPI cublasLtGetStatusString(cublasStatus_t) { return "emulated"; }
cublasStatus_t CUBLASWINAPI cublasLtCreate(cublasLtHandle_t *handle) {
  *handle = nullptr;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t CUBLASWINAPI cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *product,
                                                     cublasComputeType_t, cudaDataType_t) {
  *product = reinterpret_cast<cublasLtMatmulDesc_t>(new Product);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product) {
  delete &of(product);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product,
                                                           cublasLtMatmulDescAttributes_t which,
                                                           const void *from, size_t size) {
  Product &x = of(product);
  switch (which) {
  case CUBLASLT_MATMUL_DESC_TRANSA:
    return set(x.transA, from, size);
  case CUBLASLT_MATMUL_DESC_TRANSB:
    return set(x.transB, from, size);
  case CUBLASLT_MATMUL_DESC_EPILOGUE:
    return set(x.epilogue, from, size);
  case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
    return set(x.bias, from, size);
  case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
    return set(x.aux, from, size);
  case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
    return set(x.auxLd, from, size);
  case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE:
    return set(x.auxStride, from, size);
  default:
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t CUBLASWINAPI cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout,
                                                       cudaDataType_t type, uint64_t rows,
                                                       uint64_t columns, int64_t ld) {
  *layout = reinterpret_cast<cublasLtMatrixLayout_t>(
      new Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), ld});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete &of(layout);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                             cublasLtMatrixLayoutAttribute_t which,
                                                             const void *from, size_t size) {
  switch (which) {
  case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
    return set(of(layout).batch, from, size);
  case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
    return set(of(layout).stride, from, size);
  default:
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
  *preference = nullptr;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t CUBLASWINAPI cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, const void *, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t CUBLASWINAPI cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t product,
                                                    cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                                    cublasLtMatrixLayout_t,
                                                    cublasLtMatrixLayout_t d,
                                                    const cublasLtMatmulAlgo_t *,
                                                    cublasLtMatmulHeuristicResult_t *result) {
  *result = {};
  result->state =
      isSupported(of(product), of(d)) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  return result->state;
}
cublasStatus_t CUBLASWINAPI cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t *results, int *found) {
  cublasStatus_t status = cublasLtMatmulAlgoCheck(handle, product, a, b, c, d, nullptr, results);
  *found = status == CUBLAS_STATUS_SUCCESS;
  return status;
}

cublasStatus_t CUBLASWINAPI cublasLtMatmul(
    cublasLtHandle_t, cublasLtMatmulDesc_t product, const void *alpha, const void *a,
    cublasLtMatrixLayout_t aLayout, const void *b, cublasLtMatrixLayout_t bLayout, const void *beta,
    const void *c, cublasLtMatrixLayout_t, void *d, cublasLtMatrixLayout_t dLayout,
    const cublasLtMatmulAlgo_t *, void *, size_t, cudaStream_t stream) {
  if (!isSupported(of(product), of(dLayout)))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  Call call{of(product),
            of(aLayout),
            of(bLayout),
            of(dLayout),
            *static_cast<const float *>(alpha),
            *static_cast<const float *>(beta),
            a,
            b,
            c,
            d};
  enqueue(reinterpret_cast<CUstream>(stream), [call] {
    call.run();
    return true;
  });
  return CUBLAS_STATUS_SUCCESS;
}
