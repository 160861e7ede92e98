// Matrix products of the CUDA driver against float64.

#include "LibraryTest.h"

#include <filesystem>
#include <fstream>
#include <numbers>
#include <span>

using namespace bigmac::rt;
using namespace bigmac::rt::cts;

namespace {

struct Case {
  const char *name;
  bm_cuda_matmul what;
  uint64_t shift = 0; // elements that pointers are beside 256 bytes
};

/// Dense, of one type.
bm_cuda_matmul matmul(uint32_t type, int64_t m, int64_t n, int64_t k, bool transA = false,
                      bool transB = false) {
  bm_cuda_matmul x{};
  x.a_type = x.b_type = x.c_type = type;
  x.trans_a = transA, x.trans_b = transB;
  x.m = m, x.n = n, x.k = k, x.batch = 1;
  x.lda = transA ? m : k, x.ldb = transB ? k : n, x.ldc = n;
  return x;
}

template <typename Change> bm_cuda_matmul with(bm_cuda_matmul x, Change change) {
  change(x);
  return x;
}

const auto kBias = [](bm_cuda_matmul &x) { x.epilogue = BM_EPILOGUE_BIAS; };
const auto kGelu = [](bm_cuda_matmul &x) { x.epilogue |= BM_EPILOGUE_GELU; };
const auto kSavedGelu = [](bm_cuda_matmul &x) {
  x.epilogue |= BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU;
  x.ld_aux = x.ldc, x.stride_aux = x.stride_c;
};
const auto kGeluBackward = [](bm_cuda_matmul &x) {
  x.epilogue = BM_EPILOGUE_GELU_BACKWARD;
  x.ld_aux = x.ldc, x.stride_aux = x.stride_c;
};
const auto kSumsOfA = [](bm_cuda_matmul &x) { x.epilogue = BM_EPILOGUE_SUM_A, x.beta = 1; };
const auto kSumsOfB = [](bm_cuda_matmul &x) { x.epilogue = BM_EPILOGUE_SUM_B, x.beta = 1; };
/// What gelu is of lies in another way than the result.
const auto kApart = [](bm_cuda_matmul &x) { x.ld_aux += 40, x.stride_aux += x.m * 40 + 128; };
const auto kAccumulate = [](bm_cuda_matmul &x) { x.beta = 1, x.c_type = BM_F32; };
const auto kBatch = [](bm_cuda_matmul &x) {
  // Rows and batch elements that are apart.
  x.batch = 3;
  x.lda += 8, x.ldb += 16, x.ldc += 24;
  x.stride_a = (x.trans_a ? x.k : x.m) * x.lda + 64;
  x.stride_b = (x.trans_b ? x.n : x.k) * x.ldb + 32;
  x.stride_c = x.m * x.ldc + 96;
};

const Case kCases[] = {
    {"F32NN", matmul(BM_F32, 96, 80, 64)},
    {"F32TN", matmul(BM_F32, 96, 80, 64, true, false)},
    {"F32NT", matmul(BM_F32, 96, 80, 64, false, true)},
    {"F32TT", matmul(BM_F32, 96, 80, 64, true, true)},
    {"Bf16NN", matmul(BM_BF16, 96, 80, 64)},
    {"Bf16TN", matmul(BM_BF16, 96, 80, 64, true, false)},
    {"Bf16NT", matmul(BM_BF16, 96, 80, 64, false, true)},
    {"Bf16TT", matmul(BM_BF16, 96, 80, 64, true, true)},
    {"F16NN", matmul(BM_F16, 96, 80, 64)},
    {"Bf16IntoF32",
     with(matmul(BM_BF16, 128, 64, 256), [](bm_cuda_matmul &x) { x.c_type = BM_F32; })},
    {"Bf16WeightGradient", with(matmul(BM_BF16, 96, 128, 512, true), kAccumulate)},
    {"Bf16Accumulates", with(matmul(BM_BF16, 64, 64, 64), [](bm_cuda_matmul &x) { x.beta = 1; })},
    {"F32Beta", with(matmul(BM_F32, 64, 48, 96), [](bm_cuda_matmul &x) { x.beta = -0.5f; })},
    {"F32Bias", with(matmul(BM_F32, 72, 104, 64), kBias)},
    {"Bf16Bias", with(matmul(BM_BF16, 72, 104, 64, false, true), kBias)},
    {"Bf16IntoF32Bias",
     with(with(matmul(BM_BF16, 72, 104, 64), kBias), [](bm_cuda_matmul &x) { x.c_type = BM_F32; })},
    {"F32Batch", with(matmul(BM_F32, 48, 40, 56, true, true), kBatch)},
    {"Bf16Batch", with(matmul(BM_BF16, 48, 40, 56), kBatch)},
    {"Bf16BatchBias", with(with(matmul(BM_BF16, 48, 40, 56), kBatch), kBias)},
    {"F32RepeatedA",
     with(with(matmul(BM_F32, 48, 40, 56), kBatch), [](bm_cuda_matmul &x) { x.stride_a = 0; })},
    {"Bf16RepeatedB",
     with(with(matmul(BM_BF16, 48, 40, 56), kBatch), [](bm_cuda_matmul &x) { x.stride_b = 0; })},
    {"Bf16TallBatch", with(matmul(BM_BF16, 48, 40, 56),
                           [](bm_cuda_matmul &x) {
                             x.batch = 5;
                             x.stride_a = x.m * x.lda, x.stride_c = x.m * x.ldc;
                           })},
    {"Bf16LongSum", with(matmul(BM_BF16, 64, 64, 16384, true), kAccumulate)},
    {"F32Odd", matmul(BM_F32, 37, 29, 51)},
    {"Bf16Odd", with(matmul(BM_BF16, 37, 29, 51, false, true), kBias)},
    {"Bf16OneRow", matmul(BM_BF16, 1, 64, 128)},
    {"F32OneColumn", matmul(BM_F32, 64, 1, 128)},
    {"Bf16Gelu", with(matmul(BM_BF16, 96, 80, 64), kGelu)},
    {"Bf16GeluBias", with(with(matmul(BM_BF16, 96, 80, 64, false, true), kBias), kGelu)},
    {"Bf16SavedGelu", with(matmul(BM_BF16, 96, 80, 64), kSavedGelu)},
    {"Bf16SavedGeluBias",
     with(with(matmul(BM_BF16, 512, 1024, 256, false, true), kBias), kSavedGelu)},
    {"Bf16SavedGeluApart",
     with(with(with(matmul(BM_BF16, 96, 80, 64), kBias), kSavedGelu), kApart)},
    {"Bf16SavedGeluOddRows",
     with(with(matmul(BM_BF16, 37, 40, 56, false, true), kBias), kSavedGelu)},
    {"Bf16SavedGeluOneRow", with(with(matmul(BM_BF16, 1, 64, 128), kBias), kSavedGelu)},
    {"Bf16SavedGeluBatch",
     with(with(with(matmul(BM_BF16, 48, 40, 56), kBatch), kBias), kSavedGelu)},
    {"Bf16SavedGeluBatchApart",
     with(with(with(matmul(BM_BF16, 48, 40, 56), kBatch), kSavedGelu), kApart)},
    {"F16SavedGeluBias", with(with(matmul(BM_F16, 96, 80, 64), kBias), kSavedGelu)},
    {"Bf16GeluBackward", with(matmul(BM_BF16, 512, 1024, 256), kGeluBackward)},
    {"Bf16GeluBackwardNT", with(matmul(BM_BF16, 96, 80, 64, false, true), kGeluBackward)},
    {"Bf16GeluBackwardApart", with(with(matmul(BM_BF16, 96, 80, 64), kGeluBackward), kApart)},
    {"Bf16GeluBackwardOddRows", with(matmul(BM_BF16, 37, 40, 56), kGeluBackward)},
    {"Bf16GeluBackwardBatch", with(with(matmul(BM_BF16, 48, 40, 56), kBatch), kGeluBackward)},
    {"F16GeluBackward", with(matmul(BM_F16, 96, 80, 64), kGeluBackward)},
    {"Bf16SumsOfA", with(matmul(BM_BF16, 96, 80, 512, true), kSumsOfA)},
    {"Bf16SumsOfAOddDepth", with(matmul(BM_BF16, 96, 80, 517, true), kSumsOfA)},
    {"Bf16SumsOfB", with(matmul(BM_BF16, 96, 80, 512, true), kSumsOfB)},
    {"Bf16SumsOfBLarge", with(matmul(BM_BF16, 256, 512, 1024, true), kSumsOfB)},
    {"Bf16SumsOfALarge", with(matmul(BM_BF16, 512, 256, 1024, true), kSumsOfA)},
    {"F16SumsOfA", with(matmul(BM_F16, 96, 80, 512, true), kSumsOfA)},
    {"Bf16Unaligned", with(matmul(BM_BF16, 64, 64, 64), kBias), 1},
    {"F32Unaligned", matmul(BM_F32, 64, 64, 64), 3},
};

class CudaMatmuls : public LibraryTest {
protected:
  void makeWith(std::span<const bm_cuda_matmul> matmuls, uint64_t workspace = kWorkspace,
                bool deterministic = false) {
    bm_cuda_program what{};
    what.matmuls = matmuls.data(), what.matmul_count = matmuls.size();
    what.workspace_bytes = workspace;
    make(what, deterministic);
  }
};

class CudaMatmul : public CudaMatmuls, public testing::WithParamInterface<Case> {};

uint64_t spanOf(const bm_cuda_matmul &x, int64_t rows, int64_t columns, int64_t ld,
                int64_t stride) {
  return static_cast<uint64_t>((x.batch - 1) * stride + (rows - 1) * ld + columns);
}

struct Operands {
  explicit Operands(const bm_cuda_matmul &x)
      : a(Values::random(x.a_type,
                         spanOf(x, x.trans_a ? x.k : x.m, x.trans_a ? x.m : x.k, x.lda, x.stride_a),
                         1)),
        b(Values::random(x.b_type,
                         spanOf(x, x.trans_b ? x.n : x.k, x.trans_b ? x.k : x.n, x.ldb, x.stride_b),
                         2)),
        c(Values::random(x.c_type, spanOf(x, x.m, x.n, x.ldc, x.stride_c), 3)),
        vector(Values::random(x.c_type, x.epilogue & BM_EPILOGUE_SUM_A ? x.m : x.n, 4)),
        aux(Values::random(x.c_type, hasAux(x) ? spanOf(x, x.m, x.n, x.ld_aux, x.stride_aux) : 1,
                           5)) {
    // What is not read must not show.
    if (x.beta == 0)
      setAll(c, NAN);
    if (hasSums(x))
      setAll(vector, NAN);
    if (x.epilogue & BM_EPILOGUE_SAVE)
      setAll(aux, NAN);
    else // where gelu bends
      for (uint64_t i = 0; i < aux.size(); ++i)
        aux.set(i, static_cast<float>(3 * aux.at(i)));
  }
  static bool hasSums(const bm_cuda_matmul &x) {
    return x.epilogue & (BM_EPILOGUE_SUM_A | BM_EPILOGUE_SUM_B);
  }
  static bool hasAux(const bm_cuda_matmul &x) {
    return x.epilogue & (BM_EPILOGUE_SAVE | BM_EPILOGUE_GELU_BACKWARD);
  }
  static void setAll(Values &values, float value) {
    for (uint64_t i = 0; i < values.size(); ++i)
      values.set(i, value);
  }
  Values a, b, c, vector, aux;
};

/// The tanh form, its derivative, and how far off they are with the device's own tanh, which has 11
/// bits.
struct Gelu {
  explicit Gelu(double x) {
    double root = std::sqrt(2 / std::numbers::pi), du = root * (1 + 3 * 0.044715 * x * x);
    double t = std::tanh(root * (x + 0.044715 * x * x * x));
    value = 0.5 * x * (1 + t);
    slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * du;
    valueError = 0x1p-11 * std::abs(0.5 * x);
    slopeError = 0x1p-11 * (0.5 + std::abs(x) * du);
  }
  double value, slope, valueError, slopeError;
};

/// Bit patterns: NaN equals itself.
bool sameBits(const Values &x, const Values &y, uint64_t i) {
  uint64_t bytes = bytesOf(x.type);
  return std::memcmp(&x.data[i * bytes], &y.data[i * bytes], bytes) == 0;
}

/// What is between rows of `got` is as it was.
void expectOnlyWritten(const Values &got, const Values &before, const std::vector<bool> &written) {
  for (uint64_t i = 0; i < got.size(); ++i)
    if (!written[i]) {
      ASSERT_TRUE(sameBits(got, before, i)) << "element " << i << " lies between rows";
    }
}

void expectProduct(const bm_cuda_matmul &x, const Operands &in, const Values &got,
                   const Values &aux) {
  std::vector<bool> written(got.size()), saved(aux.size());
  double worst = 0, worstSaved = 0;
  auto compare = [](double value, double expected, double allowed, double &worst) {
    double error = std::abs(value - expected) / allowed;
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  };
  for (int64_t e = 0; e < x.batch; ++e)
    for (int64_t i = 0; i < x.m; ++i)
      for (int64_t j = 0; j < x.n; ++j) {
        uint64_t at = e * x.stride_c + i * x.ldc + j;
        uint64_t auxAt = e * x.stride_aux + i * x.ld_aux + j;
        written[at] = true;
        double sum = x.beta == 0 ? 0 : x.beta * in.c.at(at);
        double size = std::abs(sum), product = 0;
        for (int64_t l = 0; l < x.k; ++l) {
          double term = in.a.at(e * x.stride_a + (x.trans_a ? l * x.lda + i : i * x.lda + l)) *
                        in.b.at(e * x.stride_b + (x.trans_b ? j * x.ldb + l : l * x.ldb + j));
          sum += term;
          product += term;
          size += std::abs(term);
        }
        if (x.epilogue & BM_EPILOGUE_BIAS)
          sum += in.vector.at(j);
        // Rounded sums of fp32, then once to C's type; cuBLASLt may round a product before it adds
        // it to C. TF32 would be off by 100 times that.
        double rounded = std::abs(sum) + (x.beta == 0 ? 0 : std::abs(product));
        double allowed = 4e-7 * (size + 1) + 1.01 * roundingOf(x.c_type) * rounded;
        if (x.epilogue & BM_EPILOGUE_SAVE) {
          saved[auxAt] = true;
          compare(aux.at(auxAt), sum, allowed, worstSaved);
        }
        // Of a sum that may be rounded; the result is.
        if (x.epilogue & BM_EPILOGUE_GELU) {
          Gelu gelu(sum);
          allowed =
              1.13 * allowed + gelu.valueError + 1.01 * roundingOf(x.c_type) * std::abs(gelu.value);
          sum = gelu.value;
        }
        if (x.epilogue & BM_EPILOGUE_GELU_BACKWARD) {
          Gelu gelu(in.aux.at(auxAt));
          allowed = 1.13 * allowed + std::abs(sum) * gelu.slopeError;
          sum *= gelu.slope;
          allowed += 1.01 * roundingOf(x.c_type) * std::abs(sum);
        }
        compare(got.at(at), sum, allowed, worst);
      }
  EXPECT_LE(worst, 1) << "the largest error, of what is allowed";
  EXPECT_LE(worstSaved, 1) << "the largest error of what is saved, of what is allowed";
  expectOnlyWritten(got, in.c, written);
  expectOnlyWritten(aux, in.aux, saved);
}

void expectSums(const bm_cuda_matmul &x, const Operands &in, const Values &got) {
  bool ofA = x.epilogue & BM_EPILOGUE_SUM_A;
  for (int64_t i = 0; i < (ofA ? x.m : x.n); ++i) {
    double sum = 0, size = 0;
    for (int64_t l = 0; l < x.k; ++l) {
      double term = ofA ? in.a.at(l * x.lda + i) : in.b.at(l * x.ldb + i);
      sum += term;
      size += std::abs(term);
    }
    double allowed = 4e-7 * (size + 1) + 1.01 * roundingOf(x.c_type) * std::abs(sum);
    EXPECT_NEAR(got.at(i), sum, allowed) << i;
  }
}

void expectProduct(const bm_cuda_matmul &x, const Operands &in, const Values &got) {
  expectProduct(x, in, got, in.aux);
}

} // namespace

TEST_P(CudaMatmul, MatchesFloat64) {
  const Case &how = GetParam();
  const bm_cuda_matmul &x = how.what;
  Operands in(x);
  makeWith({&x, 1});
  uint64_t a = put(in.a, how.shift * bytesOf(x.a_type)),
           b = put(in.b, how.shift * bytesOf(x.b_type)),
           c = put(in.c, how.shift * bytesOf(x.c_type)),
           vector = put(in.vector, how.shift * bytesOf(x.c_type)), aux = put(in.aux);
  bool hasVector = x.epilogue & BM_EPILOGUE_BIAS || Operands::hasSums(x);
  EXPECT_EQ(run([&] {
              bm_cuda_matmul_run(0, device->address(a), device->address(b), device->address(c),
                                 hasVector ? device->address(vector) : nullptr,
                                 Operands::hasAux(x) ? device->address(aux) : nullptr);
            }),
            "");
  Values got = in.c, gotAux = in.aux, gotVector = in.vector;
  get(got, c);
  get(gotAux, aux);
  get(gotVector, vector);
  if (Operands::hasSums(x))
    expectSums(x, in, gotVector);
  expectProduct(x, in, got, gotAux);
}

INSTANTIATE_TEST_SUITE_P(Cases, CudaMatmul, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });

namespace {

class CudaMatmulChoice : public CudaMatmuls {
protected:
  static constexpr int kReplays = 3;
  /// Accumulates four times: issued, and in a graph that is recorded once and started again.
  Values accumulated(bool deterministic) {
    const bm_cuda_matmul x[] = {with(matmul(BM_BF16, 96, 128, 4096, true), kAccumulate),
                                with(matmul(BM_BF16, 96, 128, 4096, true), kAccumulate),
                                with(matmul(BM_BF16, 64, 64, 64), kBias)};
    makeWith(x, kWorkspace, deterministic);
    Operands in(x[0]);
    uint64_t a = put(in.a), b = put(in.b), c = put(in.c);
    auto task = [&](uint32_t index) {
      return run([&] {
        bm_cuda_matmul_run(index, device->address(a), device->address(b), device->address(c),
                           nullptr, nullptr);
      });
    };
    EXPECT_EQ(task(0), "");
    static void *args[3];
    args[0] = device->address(a), args[1] = device->address(b), args[2] = device->address(c);
    for (int i = 0; i < kReplays; ++i)
      if (!device->replay(0)) {
        device->beginList(0);
        device->run(
            +[](void *const *p) { bm_cuda_matmul_run(1, p[0], p[1], p[2], nullptr, nullptr); },
            args);
        device->endList();
      }
    Values got = in.c;
    get(got, c);
    // Four times the product.
    bm_cuda_matmul whole = x[0];
    Operands expected(x[0]);
    for (uint64_t i = 0; i < expected.a.size(); ++i)
      expected.a.set(i, static_cast<float>(4 * in.a.at(i)));
    expectProduct(whole, expected, got);
    EXPECT_NE(task(2).find("expected A, B, vector and C"), std::string::npos);
    return got;
  }
  std::string file() const { return cache + "/bigmac/matmul-algorithms"; }
};

} // namespace

TEST_F(CudaMatmulChoice, InGraphsAndFromTheCache) {
  std::filesystem::remove_all(cache);
  Values first = accumulated(false);
  ASSERT_TRUE(std::filesystem::exists(file()));
  auto written = std::filesystem::last_write_time(file());
  EXPECT_EQ(accumulated(false), first) << "the same algorithm has the same bits";
  EXPECT_EQ(std::filesystem::last_write_time(file()), written) << "nothing new to write";
  // Damage and strangers do no harm.
  std::ofstream(file(), std::ios::trunc) << "0123456789abcdef 00ff nonsense\n\n\xff\xfe\n";
  accumulated(false);
}

TEST_F(CudaMatmulChoice, DeterministicOnesNeedNoFile) {
  std::filesystem::remove_all(cache);
  Values first = accumulated(true);
  EXPECT_EQ(accumulated(true), first);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(CudaMatmuls, TheArenaIsClearedAndTheWorkspaceCounted) {
  bm_cuda_matmul x = matmul(BM_BF16, 256, 256, 256);
  makeWith({&x, 1});
  EXPECT_EQ(device->residentBytes(), kArena + kWorkspace);
  std::vector<char> bytes(kArena, 1);
  device->download(bytes.data(), 0, kArena);
  device->synchronize();
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 0), static_cast<ptrdiff_t>(kArena));
}

TEST_F(CudaMatmuls, WithoutWorkspace) {
  bm_cuda_matmul x = matmul(BM_BF16, 256, 256, 256);
  makeWith({&x, 1}, 0);
  Operands in(x);
  uint64_t a = put(in.a), b = put(in.b), c = put(in.c);
  EXPECT_EQ(run([&] {
              bm_cuda_matmul_run(0, device->address(a), device->address(b), device->address(c),
                                 nullptr, nullptr);
            }),
            "");
  Values got = in.c;
  get(got, c);
  expectProduct(x, in, got);
}

TEST_F(CudaMatmuls, OnesThatAreNotThere) {
  make({});
  EXPECT_EQ(run([] { bm_cuda_matmul_run(2, nullptr, nullptr, nullptr, nullptr, nullptr); }),
            "the program runs matmul 2 of 0");
}

TEST_F(CudaMatmuls, GeluOfOperandsThatAreNotAligned) {
  bm_cuda_matmul x = with(matmul(BM_BF16, 64, 64, 64), kSavedGelu);
  makeWith({&x, 1});
  Operands in(x);
  uint64_t a = put(in.a), b = put(in.b), c = put(in.c), aux = put(in.aux, 2);
  EXPECT_NE(run([&] {
              bm_cuda_matmul_run(0, device->address(a), device->address(b), device->address(c),
                                 nullptr, device->address(aux));
            }).find("an operand is not at a multiple of 16 bytes"),
            std::string::npos);
}
