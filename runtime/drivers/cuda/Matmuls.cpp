// cuBLASLt's matrices are column-major: what it sees of a row-major matrix is its transpose. So it
// is asked for C^T = op(B)^T op(A)^T, with B as its first operand; its bias, one value for each of
// its rows, is then one for each of our columns. What gelu is of, it sees transposed as well.

#include "Matmuls.h"

#include "TrialMemory.h"
#include "bigmac-rt/plan.h"
#include "kernels.h"

#include <algorithm>
#include <cstring>

namespace bigmac::rt {

/// Pointers are multiples of this, or runLoosely() has them.
static constexpr uint32_t kAlignment = 16;
static constexpr int kCandidates = 16;
static constexpr size_t kFinalists = 4;
static constexpr int kRepetitions = 5;

struct Matmuls::Prepared {
  Prepared(const CublasLtApi &lt, const bm_cuda_matmul &what)
      : lt(lt), what(what), extents(extentsOf(what)) {}
  Prepared(const Prepared &) = delete;
  Prepared &operator=(const Prepared &) = delete;
  ~Prepared() {
    for (cublasLtMatrixLayout_t layout : {a, b, c})
      if (layout)
        lt.cublasLtMatrixLayoutDestroy(layout);
    if (product)
      lt.cublasLtMatmulDescDestroy(product);
  }
  template <typename T> void set(cublasLtMatmulDescAttributes_t attribute, T value) {
    lt.check(lt.cublasLtMatmulDescSetAttribute(product, attribute, &value, sizeof(value)),
             [&] { return "describing " + describe(what); });
  }
  void setVector(const void *vector) {
    if (hasVector(what))
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector);
  }
  void setAux(const void *aux) {
    if (hasAux(what))
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aux);
  }

  const CublasLtApi &lt;
  bm_cuda_matmul what; // simplified
  MatmulExtents extents;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  Algorithm algorithm{};
  std::optional<Algorithm> loose; // for pointers that are less aligned
};

static cudaDataType_t dataType(uint32_t type) {
  return type == BM_F32 ? CUDA_R_32F : type == BM_BF16 ? CUDA_R_16BF : CUDA_R_16F;
}

/// Of those that checkLibraryCalls() lets pass.
static cublasLtEpilogue_t epilogueOf(const bm_cuda_matmul &x) {
  switch (x.epilogue) {
  case BM_EPILOGUE_BIAS:
    return CUBLASLT_EPILOGUE_BIAS;
  case BM_EPILOGUE_GELU:
    return CUBLASLT_EPILOGUE_GELU;
  case BM_EPILOGUE_BIAS | BM_EPILOGUE_GELU:
    return CUBLASLT_EPILOGUE_GELU_BIAS;
  case BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU:
    return CUBLASLT_EPILOGUE_GELU_AUX;
  case BM_EPILOGUE_BIAS | BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU:
    return CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
  case BM_EPILOGUE_GELU_BACKWARD:
    return CUBLASLT_EPILOGUE_DGELU;
  case BM_EPILOGUE_SUM_A: // the library's B
    return CUBLASLT_EPILOGUE_BGRADB;
  case BM_EPILOGUE_SUM_B:
    return CUBLASLT_EPILOGUE_BGRADA;
  default:
    return CUBLASLT_EPILOGUE_DEFAULT;
  }
}

/// The library reads off it what alignment to expect, and nothing else.
static const void *pointerAlignedTo(uintptr_t alignment) {
  return reinterpret_cast<const void *>(alignment);
}

//===----------------------------------------------------------------------===//
// Timing
//===----------------------------------------------------------------------===//

namespace {

/// One matmul that is run to load and time its kernels.
class Trial {
public:
  Trial(const CudaSpace &space, const bm_cuda_matmul &what, const MatmulExtents &extents)
      : space(space), what(what),
        sizes{extents.a, extents.b, extents.c, extents.vector, extents.aux},
        memory(space,
               {extents.a, extents.b, extents.c, extents.vector, extents.aux, 2 * space.l2Bytes},
               describe(what)) {
    for (CUevent *event : {&begin, &end})
      checkCuda(space.api.cuEventCreate(event, CU_EVENT_DEFAULT), "creating an event");
  }
  Trial(const Trial &) = delete;
  Trial &operator=(const Trial &) = delete;
  ~Trial() {
    space.api.cuEventDestroy(begin);
    space.api.cuEventDestroy(end);
  }

  MatmulPointers pointers() const {
    return {memory.pointer(0), memory.pointer(1), memory.pointer(2), memory.pointer(3),
            memory.pointer(4)};
  }

  /// How fast a GPU multiplies depends on the values: zeros take less power.
  void randomize() {
    for (int i = 0; i < kOperands; ++i) {
      void *at = memory.pointer(i);
      uint32_t type = i == 0 ? what.a_type : i == 1 ? what.b_type : what.c_type;
      uint64_t elements = sizes[i] / operandBytes(type), seed = i;
      void *params[] = {&at, &type, &elements, &seed};
      checkCuda(space.api.cuLaunchKernel(space.randomKernel, cuda::kMostBlocks, 1, 1, cuda::kBlock,
                                         1, 1, 0, space.stream, params, nullptr),
                "random values");
    }
  }

  /// Milliseconds of what `launch` puts on the stream, with operands that are not in the cache.
  template <typename Launch> std::optional<float> time(Launch launch) {
    const CudaApi &api = space.api;
    checkCuda(api.cuMemsetD8Async(memory.address(kOperands), 0, 2 * space.l2Bytes, space.stream),
              "clearing the cache");
    checkCuda(api.cuEventRecord(begin, space.stream), "recording an event");
    if (!launch())
      return std::nullopt;
    checkCuda(api.cuEventRecord(end, space.stream), "recording an event");
    checkCuda(api.cuEventSynchronize(end),
              [&] { return "trying " + describe(what) + " on " + space.title; });
    float ms = 0;
    checkCuda(api.cuEventElapsedTime(&ms, begin, end), "reading an event's time");
    return ms;
  }

private:
  const CudaSpace &space;
  const bm_cuda_matmul &what;
  static constexpr int kOperands = 5;
  uint64_t sizes[kOperands];
  TrialMemory memory;
  CUevent begin = nullptr, end = nullptr;
};

} // namespace

/// Each of them has run once when this returns. None where none can.
std::optional<Matmuls::Algorithm> Matmuls::fastest(Prepared &matmul,
                                                   std::span<const Algorithm> algorithms) {
  Trial trial(space, matmul.what, matmul.extents);
  trial.randomize();
  struct Entry {
    const Algorithm *algorithm;
    std::vector<float> times;
    float median() const {
      std::vector<float> sorted = times;
      std::sort(sorted.begin(), sorted.end());
      return sorted[sorted.size() / 2];
    }
  };
  auto time = [&](const Algorithm &algorithm) {
    return trial.time(
        [&] { return launch(matmul, algorithm, trial.pointers()) == CUBLAS_STATUS_SUCCESS; });
  };
  std::vector<Entry> entries;
  for (const Algorithm &algorithm : algorithms)
    if (time(algorithm)) // the first time loads kernels
      if (auto ms = time(algorithm))
        entries.push_back({&algorithm, {*ms}});
  if (entries.empty())
    return std::nullopt;
  auto faster = [](const Entry &a, const Entry &b) { return a.median() < b.median(); };
  std::sort(entries.begin(), entries.end(), faster);
  entries.resize(std::min(entries.size(), kFinalists));
  // In turn, so that a slower clock is slower for all.
  for (int i = 1; i < kRepetitions && entries.size() > 1; ++i)
    for (Entry &entry : entries)
      if (auto ms = time(*entry.algorithm))
        entry.times.push_back(*ms);
  return *std::min_element(entries.begin(), entries.end(), faster)->algorithm;
}

//===----------------------------------------------------------------------===//
// Preparing
//===----------------------------------------------------------------------===//

Matmuls::Matmuls(const bm_cuda_program &program, const CudaSpace &space)
    : lt(cublasLtApi()), space(space) {
  lt.check(lt.cublasLtCreate(&handle), [&] { return "starting on " + space.title; });
  AlgorithmCache cache(space.deterministic ? "" : cachePath("matmul-algorithms"));
  std::map<std::string, Prepared *> known;
  for (uint64_t i = 0; i < program.matmul_count; ++i) {
    bm_cuda_matmul what = simplified(program.matmuls[i]);
    Prepared *&prepared = known[keyOf(what)];
    if (!prepared) {
      prepared = distinct.emplace_back(describeToLibrary(what)).get();
      prepare(*prepared, cache);
    }
    matmuls.push_back(prepared);
  }
  cache.save(); // without it, the next start takes as long as this one
}

Matmuls::~Matmuls() {
  distinct.clear();
  lt.cublasLtDestroy(handle);
}

std::unique_ptr<Matmuls::Prepared> Matmuls::describeToLibrary(const bm_cuda_matmul &x) const {
  auto result = std::make_unique<Prepared>(lt, x);
  auto check = [&](cublasStatus_t code) {
    lt.check(code, [&] { return "describing " + describe(x); });
  };
  // CUBLAS_COMPUTE_32F is fp32 throughout for fp32 operands; TF32 would have to be asked for.
  check(lt.cublasLtMatmulDescCreate(&result->product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  auto operation = [](uint32_t transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  result->set(CUBLASLT_MATMUL_DESC_TRANSA, operation(x.trans_b));
  result->set(CUBLASLT_MATMUL_DESC_TRANSB, operation(x.trans_a));
  result->set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogueOf(x));
  if (hasAux(x))
    result->set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, x.ld_aux);
  if (hasAux(x) && x.batch > 1)
    result->set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, x.stride_aux);
  result->setVector(pointerAlignedTo(kAlignment));
  result->setAux(pointerAlignedTo(kAlignment));
  // `rows` and `columns` of the row-major matrix as it is stored.
  auto layout = [&](cublasLtMatrixLayout_t &to, uint32_t type, int64_t rows, int64_t columns,
                    int64_t ld, int64_t stride) {
    check(lt.cublasLtMatrixLayoutCreate(&to, dataType(type), columns, rows, ld));
    if (x.batch == 1)
      return;
    auto batch = static_cast<int32_t>(x.batch);
    check(lt.cublasLtMatrixLayoutSetAttribute(to, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch,
                                              sizeof(batch)));
    check(lt.cublasLtMatrixLayoutSetAttribute(to, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                              &stride, sizeof(stride)));
  };
  layout(result->a, x.a_type, x.trans_a ? x.k : x.m, x.trans_a ? x.m : x.k, x.lda, x.stride_a);
  layout(result->b, x.b_type, x.trans_b ? x.n : x.k, x.trans_b ? x.k : x.n, x.ldb, x.stride_b);
  layout(result->c, x.c_type, x.m, x.n, x.ldc, x.stride_c);
  return result;
}

/// The library's proposals for pointers of this alignment, what it thinks fastest first.
std::vector<Matmuls::Algorithm> Matmuls::candidates(Prepared &matmul, uint32_t alignment,
                                                    int count) const {
  matmul.setVector(pointerAlignedTo(alignment));
  auto what = [&] { return describe(matmul.what); };
  cublasLtMatmulPreference_t preference = nullptr;
  lt.check(lt.cublasLtMatmulPreferenceCreate(&preference), what);
  auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    lt.check(lt.cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)),
             what);
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<size_t>(space.workspaceBytes));
  // Parts of a sum are added in fp32 and rounded once, not in the result's type.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  for (auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    set(attribute, alignment);
  std::vector<cublasLtMatmulHeuristicResult_t> results(count);
  int found = 0;
  cublasStatus_t code =
      lt.cublasLtMatmulAlgoGetHeuristic(handle, matmul.product, matmul.b, matmul.a, matmul.c,
                                        matmul.c, preference, count, results.data(), &found);
  lt.cublasLtMatmulPreferenceDestroy(preference);
  if (code != CUBLAS_STATUS_NOT_SUPPORTED || !doesMoreThanBias(matmul.what))
    lt.check(code, what);
  std::vector<Algorithm> algorithms;
  for (int i = 0; i < found; ++i)
    if (results[i].state == CUBLAS_STATUS_SUCCESS &&
        results[i].workspaceSize <= space.workspaceBytes)
      algorithms.push_back(results[i].algo);
  if (algorithms.empty())
    throw RuntimeError(
        "cuBLASLt: " + describe(matmul.what) + ": it has no algorithm with " +
        std::to_string(space.workspaceBytes) + " bytes of workspace on " + space.title +
        "; compile with " +
        (doesMoreThanBias(matmul.what) ? "--epilogues=none" : "a larger --workspace"));
  return algorithms;
}

std::optional<Matmuls::Algorithm> Matmuls::remembered(const Prepared &matmul,
                                                      const AlgorithmCache &cache) const {
  auto bytes = cache.find(cacheKey(matmul), sizeof(Algorithm));
  if (!bytes)
    return std::nullopt;
  Algorithm algorithm;
  std::memcpy(&algorithm, bytes->data(), sizeof(algorithm));
  cublasLtMatmulHeuristicResult_t result{};
  cublasStatus_t code = lt.cublasLtMatmulAlgoCheck(handle, matmul.product, matmul.b, matmul.a,
                                                   matmul.c, matmul.c, &algorithm, &result);
  if (code != CUBLAS_STATUS_SUCCESS || result.workspaceSize > space.workspaceBytes)
    return std::nullopt;
  return algorithm;
}

void Matmuls::prepare(Prepared &matmul, AlgorithmCache &cache) {
  std::optional<Algorithm> chosen;
  if (auto algorithm = remembered(matmul, cache))
    chosen = fastest(matmul, {&*algorithm, 1});
  if (!chosen) {
    auto proposals = candidates(matmul, kAlignment, kCandidates);
    // Timing may come out another way in the next run. Each algorithm for itself always gives the
    // same bits: those that split a sum add its parts in order.
    if (!space.deterministic)
      chosen = fastest(matmul, proposals);
    else
      for (size_t i = 0; i < proposals.size() && !chosen; ++i)
        chosen = fastest(matmul, {&proposals[i], 1});
    if (!chosen)
      throw RuntimeError("cuBLASLt: " + describe(matmul.what) + ": none of its " +
                         std::to_string(proposals.size()) + " algorithms runs on " + space.title +
                         (doesMoreThanBias(matmul.what) ? "; compile with --epilogues=none" : ""));
    cache.add(cacheKey(matmul), std::as_bytes(std::span(&*chosen, 1)));
  }
  matmul.algorithm = *chosen;
}

std::string Matmuls::cacheKey(const Prepared &matmul) const {
  return keyOf(matmul.what) + " with " + std::to_string(space.workspaceBytes) + " bytes on " +
         space.model + ", cuBLASLt " + std::to_string(lt.cublasLtGetVersion());
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

cublasStatus_t Matmuls::launch(Prepared &matmul, const Algorithm &algorithm,
                               const MatmulPointers &at) const {
  matmul.setVector(at.vector);
  matmul.setAux(at.aux);
  float alpha = 1;
  return lt.cublasLtMatmul(handle, matmul.product, &alpha, at.b, matmul.b, at.a, matmul.a,
                           &matmul.what.beta, at.c, matmul.c, at.c, matmul.c, &algorithm,
                           reinterpret_cast<void *>(space.workspace), space.workspaceBytes,
                           reinterpret_cast<cudaStream_t>(space.stream));
}

void Matmuls::run(uint32_t index, const MatmulPointers &at) {
  if (index >= matmuls.size())
    throw RuntimeError("the program runs matmul " + std::to_string(index) + " of " +
                       std::to_string(matmuls.size()));
  Prepared &matmul = *matmuls[index];
  bool wantsVector = hasVector(matmul.what), wantsAux = hasAux(matmul.what);
  if (!at.a || !at.b || !at.c || wantsVector != (at.vector != nullptr) ||
      wantsAux != (at.aux != nullptr))
    throw RuntimeError(describe(matmul.what) + ": expected A, B" + (wantsVector ? ", vector" : "") +
                       (wantsAux ? ", aux" : "") + " and C, other operands were given");
  for (const void *pointer :
       {at.a, at.b, static_cast<const void *>(at.c), static_cast<const void *>(at.vector),
        static_cast<const void *>(at.aux)}) {
    if (reinterpret_cast<uintptr_t>(pointer) % kAlignment == 0)
      continue;
    if (doesMoreThanBias(matmul.what))
      throw RuntimeError(describe(matmul.what) + ": an operand is not at a multiple of " +
                         std::to_string(kAlignment) + " bytes");
    return runLoosely(matmul, at);
  }
  lt.check(launch(matmul, matmul.algorithm, at),
           [&] { return describe(matmul.what) + " on " + space.title; });
}

/// Rare, so it is prepared when it is first needed, with the algorithm that the library proposes.
/// That may be while a graph is recorded: kernels may be loaded then if this thread says so.
void Matmuls::runLoosely(Prepared &matmul, const MatmulPointers &at) {
  if (!matmul.loose) {
    auto bytes = static_cast<uint32_t>(operandBytes(matmul.what.a_type));
    matmul.loose = candidates(matmul, bytes, 1).front();
  }
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  checkCuda(space.api.cuThreadExchangeStreamCaptureMode(&mode), "allowing kernels to be loaded");
  cublasStatus_t code = launch(matmul, *matmul.loose, at);
  checkCuda(space.api.cuThreadExchangeStreamCaptureMode(&mode), "allowing kernels to be loaded");
  lt.check(code, [&] { return describe(matmul.what) + " on " + space.title; });
}

} // namespace bigmac::rt
